use super::{EntityKind, Group};

pub const CA_CERTIFICATES: EntityKind = EntityKind {
    key: "ca_certificates",
    path: "ca_certificates",
    one: "CA certificate",
    many: "CA certificates",
    about: "A CA certificate decides which certificates of others are trusted.",
    names: &[],
    columns: &["cert_digest", "tags"],
    first: &["cert", "tags"],
    related: &[],
    cascades: "",
    below: None,
    only: &[],
    group: Group::Security,
};
