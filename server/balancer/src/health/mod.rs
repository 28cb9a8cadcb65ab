//! Health of addresses: state machine, configuration, views.

mod config;
mod state;
mod view;

pub use config::{Active, ActiveType, HealthConfig, Outcome, Passive, Statuses, Subsystem, Thresholds};
pub(crate) use state::Health;
pub use state::{State, Transition};
pub use view::{
    AddressHealth, AddressStatus, BalancerDetails, BalancerHealth, BreakerStatus, HostStatus, Label, TargetData,
    TargetHealth, Weights,
};
