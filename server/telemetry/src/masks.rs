//! What is secret in requests, as the node's settings and its configuration say.

use arc_swap::ArcSwap;
use exchange::mask::Masks;
use std::sync::{Arc, LazyLock};

static MASKS: LazyLock<Arc<ArcSwap<Masks>>> = LazyLock::new(Arc::default);

/// The names whose values are secrets, for everything that shows requests; swapped when the configuration names others.
pub fn masks() -> &'static Arc<ArcSwap<Masks>> {
    &MASKS
}
