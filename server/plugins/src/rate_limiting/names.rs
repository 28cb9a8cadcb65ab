//! What limits are called where nodes share their counters: on a Redis server as Kong calls them (nodes of both may share a
//! server), and in the database.

use super::period::Period;
use super::{Identifier, Limit};
use crate::counting::Names;
use exchange::meters::Meter;
use exchange::redis::RemoteCounter;
use std::io::Write;
use uuid::Uuid;

/// Whose windows they are.
pub(crate) struct Scope<'a> {
    pub(crate) limits: &'a [Limit],
    /// The Route the configuration is attached to, zeros for none.
    pub(crate) route: Uuid,
    /// The Service, likewise.
    pub(crate) service: Uuid,
    pub(crate) identifier: Identifier<'a>,
    /// Seconds of the Unix epoch.
    pub(crate) now: u64,
}

impl Names for Scope<'_> {
    /// On a server: `ratelimit:<route>:<service>:<identifier>:<start in ms>:<period>`. The server forgets a counter one
    /// nominal period after its first unit.
    fn counters(&self) -> Vec<RemoteCounter> {
        let counter = |limit: &Limit| RemoteCounter {
            name: name(self.route, self.service, &self.identifier, limit.period, self.now),
            limit: limit.units(),
            lifetime: limit.period.length(),
        };
        self.limits.iter().map(counter).collect()
    }

    fn meters(&self) -> Vec<Meter> {
        let now = self.now;
        let identifier = match &self.identifier {
            Identifier::Id(id) => id.to_string(),
            Identifier::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Identifier::Address(address) => address.to_string(),
        };
        let meter = |limit: &Limit| Meter {
            entity: "ratelimiting_metrics",
            key: vec![
                ("identifier", identifier.as_str().into()),
                ("period", limit.period.name().into()),
                ("period_date", limit.period.start(now).saturating_mul(1000).into()),
                ("service_id", self.service.to_string().into()),
                ("route_id", self.route.to_string().into()),
            ],
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
        let counters =
            Scope { limits: &limits, route: Uuid::nil(), service: Uuid::nil(), identifier, now: 0 }.counters();
        let told: Vec<_> = counters.iter().map(|counter| (counter.limit, counter.lifetime)).collect();
        assert_eq!(told, [(3, 1), (3, 2_592_000)]);
    }
}
