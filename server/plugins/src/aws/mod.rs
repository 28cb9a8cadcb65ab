//! What plugins share that ask Amazon Web Services: whose keys requests are signed with, and signatures.

pub(crate) mod credentials;
pub(crate) mod sign;

/// A variable of the environment; none where it is empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The region that the environment names (`AWS_REGION`, `AWS_DEFAULT_REGION`).
pub(crate) fn region() -> Option<String> {
    variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"))
}
