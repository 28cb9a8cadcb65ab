//! Counters that nodes share: on a Redis server, under the keys that Kong gives them (nodes of both may share a server), or
//! in the database.

use super::period::Period;
use super::{Identifier, Limit};
use exchange::counters::{Taken, Window};
use exchange::meters::{Meter, Meters};
use exchange::redis::{RedisError, RedisServer, RemoteCounter, SyncedCounters, Taking};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Counters that nodes share.
pub(crate) struct Shared {
    place: Place,
    /// Whether it was already said that the place does not answer.
    complained: AtomicBool,
}

enum Place {
    /// Every request asks the server.
    Server(Arc<dyn RedisServer>),
    /// With a `sync_rate`: the node counts, and is brought together with the server so often.
    Synced(Arc<dyn SyncedCounters>),
    /// Every request asks the database.
    Database(Arc<dyn Meters>),
}

impl Shared {
    /// On a Redis server. `sync_rate` in seconds; below zero every request asks the server.
    pub(crate) fn on_server(server: Arc<dyn RedisServer>, sync_rate: f64) -> Self {
        let place = match sync_rate >= 0.0 {
            // A period that no Duration holds is one that never passes.
            true => Place::Synced(server.synced(Duration::try_from_secs_f64(sync_rate).unwrap_or(Duration::MAX))),
            false => Place::Server(server),
        };
        Self { place, complained: AtomicBool::new(false) }
    }

    /// In the database.
    pub(crate) fn in_database(meters: Arc<dyn Meters>) -> Self {
        Self { place: Place::Database(meters), complained: AtomicBool::new(false) }
    }

    /// Takes one unit of every window, or of none; `scope` says what the windows are where they are shared.
    pub(crate) fn take(&self, windows: &[Window], scope: &Scope<'_>, now: u64) -> Taking {
        match &self.place {
            Place::Synced(synced) => synced.take(windows, &|| scope.counters(now), now),
            Place::Server(server) => Taking::Wait(server.take(scope.counters(now))),
            Place::Database(meters) => {
                let taken = meters.take(scope.meters(now));
                Taking::Wait(Box::pin(async move { taken.await.map_err(RedisError::new) }))
            }
        }
    }

    fn place(&self) -> &'static str {
        match self.place {
            Place::Server(_) | Place::Synced(_) => "Redis server",
            Place::Database(_) => "database",
        }
    }

    /// Says once that the server does not answer, and once that it does again.
    pub(crate) fn note(&self, outcome: &Result<Taken, RedisError>) {
        match outcome {
            Ok(_) if self.complained.load(Ordering::Relaxed) => {
                if self.complained.swap(false, Ordering::Relaxed) {
                    tracing::info!(plugin = "rate-limiting", "the {} answers again", self.place());
                }
            }
            Ok(_) => {}
            Err(error) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    tracing::error!(plugin = "rate-limiting", "failed to get usage: {error}");
                }
            }
        }
    }
}

/// Whose windows they are.
pub(crate) struct Scope<'a> {
    pub(crate) limits: &'a [Limit],
    /// The Route the configuration is attached to, zeros for none.
    pub(crate) route: Uuid,
    /// The Service, likewise.
    pub(crate) service: Uuid,
    pub(crate) identifier: Identifier<'a>,
}

impl Scope<'_> {
    /// On a server: `ratelimit:<route>:<service>:<identifier>:<start in ms>:<period>`. The server forgets a counter one
    /// nominal period after its first unit.
    fn counters(&self, now: u64) -> Vec<RemoteCounter> {
        let counter = |limit: &Limit| RemoteCounter {
            name: name(self.route, self.service, &self.identifier, limit.period, now),
            limit: limit.units(),
            lifetime: limit.period.length(),
        };
        self.limits.iter().map(counter).collect()
    }

    fn meters(&self, now: u64) -> Vec<Meter> {
        let identifier = match &self.identifier {
            Identifier::Id(id) => id.to_string(),
            Identifier::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Identifier::Address(address) => address.to_string(),
        };
        let meter = |limit: &Limit| Meter {
            identifier: identifier.clone(),
            period: limit.period.name(),
            start: limit.period.start(now),
            service: self.service,
            route: self.route,
            limit: limit.units(),
            expires: limit.period.end(now),
        };
        self.limits.iter().map(meter).collect()
    }
}

fn name(route: Uuid, service: Uuid, identifier: &Identifier<'_>, period: Period, now: u64) -> Vec<u8> {
    let mut name = format!("ratelimit:{route}:{service}:").into_bytes();
    let written = match identifier {
        Identifier::Id(id) => write!(name, "{id}"),
        Identifier::Text(text) => name.write_all(text),
        Identifier::Address(address) => write!(name, "{address}"),
    };
    let written = written.and_then(|()| write!(name, ":{}000:{}", period.start(now), period.name()));
    debug_assert!(written.is_ok(), "memory takes every byte");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_kong() {
        let (none, route, service) = (Uuid::nil(), Uuid::from_u128(1), Uuid::from_u128(2));
        let (zeros, one, two) = (none.to_string(), route.to_string(), service.to_string());
        // 2024-02-29T23:59:59Z
        let now = 1_709_251_199;
        for (scope, identifier, period, key) in [
            (
                (route, service),
                Identifier::Id(Uuid::from_u128(5)),
                Period::Second,
                format!("ratelimit:{one}:{two}:00000000-0000-0000-0000-000000000005:1709251199000:second"),
            ),
            (
                (none, none),
                Identifier::Address([10, 0, 0, 1].into()),
                Period::Minute,
                format!("ratelimit:{zeros}:{zeros}:10.0.0.1:1709251140000:minute"),
            ),
            (
                (route, none),
                Identifier::Address("2001:db8::1".parse().unwrap()),
                Period::Hour,
                format!("ratelimit:{one}:{zeros}:2001:db8::1:1709247600000:hour"),
            ),
            (
                (none, service),
                Identifier::Text(b"tenant"),
                Period::Day,
                format!("ratelimit:{zeros}:{two}:tenant:1709164800000:day"),
            ),
            (
                (none, none),
                Identifier::Text(b"/a"),
                Period::Month,
                format!("ratelimit:{zeros}:{zeros}:/a:1706745600000:month"),
            ),
            (
                (none, none),
                Identifier::Text(b""),
                Period::Year,
                format!("ratelimit:{zeros}:{zeros}::1704067200000:year"),
            ),
        ] {
            let found = name(scope.0, scope.1, &identifier, period, now);
            assert_eq!(String::from_utf8_lossy(&found), key);
        }
        assert!(
            name(none, none, &Identifier::Text(&[0xff, 0]), Period::Year, now).windows(2).any(|two| two == [0xff, 0])
        );
    }

    #[test]
    fn counters_are_kept_for_their_nominal_period() {
        let limits = [Period::Second, Period::Month].map(|period| Limit { period, limit: 2.5, text: "2.5".into() });
        let identifier = Identifier::Text(b"t");
        let counters = Scope { limits: &limits, route: Uuid::nil(), service: Uuid::nil(), identifier }.counters(0);
        let told: Vec<_> = counters.iter().map(|counter| (counter.limit, counter.lifetime)).collect();
        assert_eq!(told, [(3, 1), (3, 2_592_000)]);
    }
}
