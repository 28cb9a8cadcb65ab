//! What a node remembers of requests, and what is secret in them.

use super::tracing::sampling_rate;
use crate::checker::Checker;

/// Memory of requests, secrets in logs.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `telemetry_history`: whether the node remembers requests.
    pub history: bool,
    /// `access_log_sampling_rate`: share of requests that did not fail and are in the proxy's access log, 0 to 1.
    pub sampling_rate: f64,
    /// `log_masking`: whether credentials are masked in access logs and in what is remembered.
    pub masking: bool,
    /// `log_masked_names`: headers and arguments that are secret beside those that always are.
    pub masked_names: Vec<String>,
}

impl Telemetry {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        Self {
            history: c.flag("telemetry_history"),
            sampling_rate: sampling_rate(c, "access_log_sampling_rate"),
            masking: c.flag("log_masking"),
            masked_names: c.list("log_masked_names").to_vec(),
        }
    }
}
