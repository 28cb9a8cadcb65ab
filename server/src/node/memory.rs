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
    let mut memory = NodeMemory { process: resident(), areas: NAMES.into_iter().map(named).collect() };
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

/// Resident memory of the process, bytes; 0 where Linux does not tell.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    pages * 4096
}
