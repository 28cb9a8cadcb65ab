//! What the node holds in memory, by the names that Kong's clients know.

use super::core::Core;
use admin::{Area, NodeMemory};

/// The areas that dashboards show, and what each may take in Kong, MiB. Those that have no counterpart here are empty.
const NAMES: [(&str, u64); 11] = [
    ("kong", 5),
    ("kong_cluster_events", 5),
    ("kong_core_db_cache", 128),
    ("kong_core_db_cache_miss", 12),
    ("kong_db_cache", 128),
    ("kong_db_cache_miss", 12),
    ("kong_healthchecks", 5),
    ("kong_locks", 8),
    ("kong_rate_limiting_counters", 12),
    ("kong_secrets", 5),
    ("prometheus_metrics", 5),
];

/// All of it.
pub fn memory(core: &Core) -> NodeMemory {
    let named = |(name, mib): (&str, u64)| (name.to_owned(), Area { used: 0, capacity: mib << 20 });
    let mut memory = NodeMemory { process: resident().unwrap_or(0), areas: NAMES.into_iter().map(named).collect() };
    let area = |(used, capacity): (usize, usize)| Area { used: used as u64, capacity: capacity as u64 };
    let mut set = |name: &str, sizes| _ = memory.areas.insert(name.to_owned(), area(sizes));
    set("kong_rate_limiting_counters", core.counters.bytes());
    if let Some(people) = &core.people {
        set("kong_db_cache", people.bytes());
    }
    for (name, used) in lua::dictionaries() {
        set(&name, (used, lua::DICTIONARIES));
    }
    memory
}

/// Resident memory of the process, bytes, where Linux tells it.
pub fn resident() -> Option<u64> {
    of_status(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS").map(|kib| kib * 1024)
}

/// A number of `/proc/self/status`, in the unit that stands there.
pub fn of_status(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().trim_end_matches("kB").trim_end().parse().ok()
}
