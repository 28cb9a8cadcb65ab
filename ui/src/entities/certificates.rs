use super::{EntityKind, Group, Related};

pub const CERTIFICATES: EntityKind = EntityKind {
    key: "certificates",
    path: "certificates",
    one: text!("Certificate"),
    many: text!("Certificates"),
    about: text!("A Certificate with its key, for TLS with clients or upstreams."),
    names: &[],
    columns: &["metadata.subject", "metadata.san_names", "metadata.expiry", "tags"],
    first: &["cert", "key", "tags"],
    related: &[Related { kind: "snis", path: "snis", field: "certificate", together: None }],
    cascades: Some(text!("Its SNIs are deleted with it.")),
    below: None,
    only: &[],
    group: Group::Security,
};
