//! Changes of headers.

use super::operations::Operation;
use exchange::Exchange;

/// Applies operations, each to what the one before has left. `Host` is the gateway's: it can only be replaced.
pub(super) fn apply(operations: &[Operation<'_>], exchange: &mut Exchange) {
    for operation in operations {
        let headers = &mut exchange.request.headers;
        match operation {
            Operation::Remove(name) if !is_host(name) => drop(headers.remove(name)),
            Operation::Rename(old, new) if !is_host(old) => {
                let Ok(new) = std::str::from_utf8(new) else { continue };
                let values: Vec<_> = headers.get_all(old).map(<[u8]>::to_vec).collect();
                if values.is_empty() || *old == new {
                    continue;
                }
                headers.remove(old);
                if is_host(new) {
                    exchange.forward.host_header = values.first().map(|value| value.as_slice().into());
                    continue;
                }
                headers.remove(new);
                for value in values {
                    headers.append(new, value);
                }
            }
            Operation::Replace(name, value) if is_host(name) => {
                if exchange::headers::is_value(value) {
                    exchange.forward.host_header = Some(value.as_ref().into());
                }
            }
            Operation::Replace(name, value) => {
                if headers.contains(name) {
                    headers.set(name, value);
                }
            }
            Operation::Add(name, value) => {
                if !is_host(name) && !headers.contains(name) {
                    headers.append(name, value);
                }
            }
            Operation::Append(name, value) => {
                if !is_host(name) {
                    headers.append(name, value);
                }
            }
            Operation::Remove(_) | Operation::Rename(..) => {}
        }
    }
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
}
