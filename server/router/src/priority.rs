//! Priorities of Routes with classic fields in the two newer flavours (`router.md` §3).
//!
//! The values are the ones Kong really computes, where several shifts happen in 32 bits with the count taken
//! modulo 32; they differ from the layout its documentation gives, and users depend on the resulting order.

use uuid::Uuid;

use crate::route::{RouteDefinition, Subsystem};

/// Namespace of the ids of a Route's internal parts.
const PARTS: Uuid = Uuid::from_u128(0x7f145bf9_0dce_4f91_98eb_debbce4b9f6b);

const PLAIN_HOSTS_BIT: u64 = 1 << 60;
const REGEX_BIT: u64 = 1 << 51;
const MAX_HEADERS: usize = 255;

/// One internal Route: all of a Route, with those of its paths that share a priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Decides between equal priorities, the larger first.
    pub id: Uuid,
    /// Larger is tried first.
    pub priority: u64,
    /// Indices into the Route's `paths`.
    pub paths: Vec<usize>,
}

/// Splits a Route by its paths: one part per length of plain prefix, one for all regexes.
///
/// A Route with at most one path keeps its id. The parts of any other, even when they are only one, have ids
/// derived from the Route's id and the length, or `true` for the regexes.
pub fn parts(route: &RouteDefinition) -> Vec<Part> {
    if route.subsystem() == Subsystem::Stream {
        return vec![Part { id: route.id, priority: stream_priority(route), paths: Vec::new() }];
    }
    let mut groups: Vec<(Option<usize>, Vec<usize>)> = Vec::new();
    for (index, path) in route.paths.iter().enumerate() {
        let key = (!path.starts_with('~')).then_some(path.len());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    if groups.is_empty() {
        groups.push((Some(0), Vec::new()));
    }
    let split = route.paths.len() > 1;
    let part = |(len, paths): (Option<usize>, Vec<usize>)| {
        let id = match (split, len) {
            (false, _) => route.id,
            (true, Some(len)) => Uuid::new_v5(&PARTS, format!("{}#{len}", route.id).as_bytes()),
            (true, None) => Uuid::new_v5(&PARTS, format!("{}#true", route.id).as_bytes()),
        };
        Part { id, priority: http_priority(route, len), paths }
    };
    groups.into_iter().map(part).collect()
}

/// `prefix` is the length of the part's prefixes; none means regexes.
fn http_priority(route: &RouteDefinition, prefix: Option<usize>) -> u64 {
    let attributes = [
        route.methods.is_empty(),
        route.hosts.is_empty(),
        route.headers.is_empty(),
        route.paths.is_empty(),
        route.snis.is_empty(),
        route.sources.is_empty(),
        route.destinations.is_empty(),
    ];
    let weight = attributes.iter().filter(|empty| !**empty).count() as i32;
    let plain_hosts = !route.hosts.is_empty() && !route.hosts.iter().any(|host| host.contains('*'));
    let weight = weight.wrapping_shl(29);
    let headers = (route.headers.len().min(MAX_HEADERS) as i32) << 20;
    let len = (prefix.unwrap_or(0) & 0x7FFFF) as i32;
    let regex_priority = if prefix.is_none() { low_word(route.regex_priority).wrapping_shl(19) } else { 0 };
    if plain_hosts || prefix.is_none() {
        let plain = if plain_hosts { PLAIN_HOSTS_BIT } else { 0 };
        let regex = if prefix.is_none() { REGEX_BIT } else { 0 };
        widen(weight) | widen(headers) | widen(regex_priority) | widen(len) | plain | regex
    } else {
        widen(weight | headers | len)
    }
}

/// A number's low 32 bits, as bit operations on numbers take them.
fn low_word(number: i64) -> i32 {
    number as i32
}

/// A negative 32-bit result becomes exactly 2^63 when it is turned into 64 unsigned bits.
fn widen(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(1 << 63)
}

fn stream_priority(route: &RouteDefinition) -> u64 {
    let class = |nets: &[crate::route::CidrPort]| {
        nets.iter().fold(0u64, |bits, net| {
            let ip = net.ip.as_deref().map_or(0, |ip| if ip.contains('/') { 1 } else { 8 });
            bits | ip | if net.port.is_some() { 4 } else { 0 }
        })
    };
    let both = !route.sources.is_empty() && !route.destinations.is_empty();
    let first = if !route.snis.is_empty() || both { 1 << 61 } else { 0 };
    first | class(&route.sources) << 4 | class(&route.destinations)
}
