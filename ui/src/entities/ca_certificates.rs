use super::{EntityKind, Group};

pub const CA_CERTIFICATES: EntityKind = EntityKind {
    key: "ca_certificates",
    path: "ca_certificates",
    one: text!("CA certificate"),
    many: text!("CA certificates"),
    about: text!("A CA certificate decides which certificates of others are trusted."),
    names: &[],
    columns: &["metadata.subject", "metadata.issuer", "metadata.expiry", "tags"],
    first: &["cert", "tags"],
    related: &[],
    cascades: None,
    below: None,
    only: &[],
    group: Group::Security,
};
