//! What a quota knows of everyone it counts: windows, what they hold, and what was used of them. Requests ask it, and so
//! does the Admin API.

use super::calendar::{Bounds, Calendar, Period};
use super::config::Identifier;
use super::raise::Raise;
use super::report::Found;
use crate::counting::{Counting, Names};
use exchange::About;
use exchange::counters::{Counters, Key, Taken, Window};
use exchange::meters::Meter;
use exchange::redis::{RedisError, RemoteCounter};
use moka::sync::Cache;
use serde_json::Value;
use smallvec::SmallVec;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// How many windows' carried-over amounts a quota remembers.
const REMEMBERED: u64 = 65_536;

/// What a window of a period holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) period: Period,
    pub(super) limit: u64,
    /// How much of what is left goes over at most.
    pub(super) carry_over: u64,
}

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A Consumer, a Consumer group, a credential, or a Service.
    Id(Uuid),
    /// A client's address.
    Address(IpAddr),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Who is counted, and since when it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Who it is.
    pub name: Name,
    /// When it was made, in seconds of the Unix epoch, where that is known: who was there for a whole window and used
    /// nothing has all of it left.
    pub since: Option<u64>,
}

/// A quota, configured.
pub struct Account {
    /// Where the plugin is.
    pub about: About,
    identifier: Identifier,
    pub(super) allowances: SmallVec<[Allowance; 4]>,
    pub(super) calendar: Calendar,
    pub(super) counting: Counting,
    counters: Arc<Counters>,
    /// The keys, on the node, of names that are ids, and of those that are addresses.
    scoped: [Key; 2],
    /// What of counters' names all of this quota have.
    scope: String,
    /// As configured.
    pub(super) namespace: Option<String>,
    /// What was carried over to a window: it stays as it is.
    carried: Cache<(Key, u64), u64>,
}

/// A window as it is open for someone.
#[derive(Clone, Copy, Debug)]
struct Open {
    period: Period,
    bounds: Bounds,
    window: Window,
    carried: u64,
    raised: u64,
}

/// The windows of a request: to be told of, and to be settled when the response is there.
#[derive(Debug)]
pub(super) struct Opened {
    who: Who,
    windows: SmallVec<[Open; 4]>,
}

/// What someone has used of a window, as the Admin API shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `day` … `year`
    pub period: &'static str,
    /// What it holds, all together.
    pub limit: u64,
    /// What of that was carried over.
    pub carried_over: u64,
    /// What of that it was raised by.
    pub raised: u64,
    /// What was used.
    pub used: u64,
    /// When it began, in seconds of the Unix epoch.
    pub started_at: u64,
    /// When it is over.
    pub resets_at: u64,
}

/// What goes over to a window: what was left of the one before, but no more than `most`. Of who was not there nothing.
pub(super) fn carried_over(limit: u64, most: u64, used: u64, was_there: bool) -> u64 {
    if used > 0 || was_there { limit.saturating_sub(used).min(most) } else { 0 }
}

impl Account {
    pub(super) fn new(
        about: About,
        identifier: Identifier,
        allowances: SmallVec<[Allowance; 4]>,
        calendar: Calendar,
        counting: Counting,
        counters: Arc<Counters>,
        namespace: Option<String>,
    ) -> Self {
        let scope = match &namespace {
            Some(name) => format!("{}:{name}", about.workspace),
            None => {
                let (route, service) = (about.route.unwrap_or_default(), about.service.unwrap_or_default());
                format!("{}:{route}:{service}", about.workspace)
            }
        };
        let scoped = ["id", "address"].map(|kind| counters.key(&[b"quota", scope.as_bytes(), kind.as_bytes()]));
        let carried = Cache::new(REMEMBERED);
        Self { about, identifier, allowances, calendar, counting, counters, scoped, scope, namespace, carried }
    }

    /// Takes one unit of every window, or of none.
    pub(super) async fn take(&self, who: Who, raises: &[Raise], now: u64) -> Result<(Opened, Taken), RedisError> {
        let opened = self.open(who, raises, now).await?;
        let windows = opened.windows();
        let taken = self.counting.taken(&windows, &self.named(&opened, now), now).await?;
        Ok((opened, taken))
    }

    /// Adds to what a request took, or gives it back. Nobody waits.
    pub(super) fn settle(&self, opened: &Opened, amount: i64, now: u64) {
        if amount != 0 {
            self.counting.settle(&opened.windows(), &self.named(opened, now), amount, now);
        }
    }

    /// What someone has used.
    ///
    /// # Errors
    /// Where the counters cannot be asked.
    pub async fn read(&self, who: Who, raises: &[Raise], now: u64) -> Result<Vec<Standing>, RedisError> {
        let opened = self.open(who, raises, now).await?;
        let used = self.used(&opened, now).await?;
        let standing = |(open, used): (&Open, u64)| Standing {
            period: open.period.name(),
            limit: open.window.limit,
            carried_over: open.carried,
            raised: open.raised,
            used,
            started_at: open.bounds.start,
            resets_at: open.bounds.end,
        };
        Ok(opened.windows.iter().zip(used).map(standing).collect())
    }

    /// Makes what was used of the windows of a period this much; of all windows where none is named. What is taken
    /// meanwhile counts beside it.
    ///
    /// # Errors
    /// Where the counters cannot be asked.
    pub async fn set(&self, who: Who, period: Option<&str>, used: u64, now: u64) -> Result<(), RedisError> {
        let mut opened = self.open(who, &[], now).await?;
        opened.windows.retain(|open| period.is_none_or(|name| open.period.name() == name));
        let all = std::mem::take(&mut opened.windows);
        for open in all {
            opened.windows = SmallVec::from_slice(&[open]);
            let before = self.used(&opened, now).await?.first().copied().unwrap_or(0);
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let change = signed(used) - signed(before);
            self.counting.change(&opened.windows(), &self.named(&opened, now), change, now).await?;
        }
        Ok(())
    }

    /// Whom it counts for.
    pub fn identifier(&self) -> Identifier {
        self.identifier
    }

    /// The lengths of its windows, and what they hold.
    pub fn periods(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.allowances.iter().map(|allowance| (allowance.period.name(), allowance.limit))
    }

    /// The windows of this moment.
    async fn open(&self, who: Who, raises: &[Raise], now: u64) -> Result<Opened, RedisError> {
        let mut windows = SmallVec::new();
        for allowance in &self.allowances {
            let (period, key) = (allowance.period, self.key(who.name).of(allowance.period as u64));
            let bounds = self.calendar.bounds(period, now);
            let carried = match allowance.carry_over {
                0 => 0,
                _ => self.carried(who, key, allowance, bounds, now).await?,
            };
            let raised = raises.iter().filter(|raise| raise.counts(period, self.namespace.as_deref(), now));
            let raised = raised.fold(0_u64, |sum, raise| sum.saturating_add(raise.amount));
            let limit = allowance.limit.saturating_add(carried).saturating_add(raised);
            // Counted until the next window is over: what was used of this one tells what that one begins with.
            let window = Window { key, limit, expires_at: bounds.after };
            windows.push(Open { period, bounds, window, carried, raised });
        }
        Ok(Opened { who, windows })
    }

    async fn carried(
        &self,
        who: Who,
        key: Key,
        allowance: &Allowance,
        bounds: Bounds,
        now: u64,
    ) -> Result<u64, RedisError> {
        if let Some(carried) = self.carried.get(&(key, bounds.start)) {
            return Ok(carried);
        }
        let former = Bounds { start: bounds.before, end: bounds.start, after: bounds.end, before: bounds.before };
        let window = Window { key, limit: 0, expires_at: former.after };
        let open = Open { period: allowance.period, bounds: former, window, carried: 0, raised: 0 };
        let opened = Opened { who, windows: SmallVec::from_slice(&[open]) };
        let used = self.used(&opened, now).await?.first().copied().unwrap_or(0);
        let was_there = who.since.is_some_and(|since| since <= bounds.before);
        let carried = carried_over(allowance.limit, allowance.carry_over, used, was_there);
        self.carried.insert((key, bounds.start), carried);
        Ok(carried)
    }

    /// What was used of windows.
    async fn used(&self, opened: &Opened, now: u64) -> Result<SmallVec<[u64; 6]>, RedisError> {
        // Nothing can be taken of what holds nothing, but it is told what was.
        let windows: SmallVec<[Window; 4]> =
            opened.windows.iter().map(|open| Window { limit: 0, ..open.window }).collect();
        let named = Named { account: self, opened, now, nothing: true };
        Ok(self.counting.taken(&windows, &named, now).await?.used)
    }

    fn key(&self, name: Name) -> Key {
        let [id, address] = self.scoped;
        match name {
            Name::Id(name) => self.counters.key_under(id, name.as_bytes()),
            Name::Address(IpAddr::V4(name)) => self.counters.key_under(address, &name.octets()),
            Name::Address(IpAddr::V6(name)) => self.counters.key_under(address, &name.octets()),
        }
    }

    fn named<'a>(&'a self, opened: &'a Opened, now: u64) -> Named<'a> {
        Named { account: self, opened, now, nothing: false }
    }
}

impl Opened {
    fn windows(&self) -> SmallVec<[Window; 4]> {
        self.windows.iter().map(|open| open.window).collect()
    }

    /// As the request found them.
    pub(super) fn found(&self, taken: &Taken) -> SmallVec<[Found; 4]> {
        let found = |(open, used): (&Open, &u64)| Found { limit: open.window.limit, used: *used, end: open.bounds.end };
        self.windows.iter().zip(&taken.used).map(found).collect()
    }

    /// The first window that is full: its length, what was used and what it holds.
    pub(super) fn full(&self, taken: &Taken) -> Option<(&'static str, u64, u64)> {
        let full = self.windows.iter().zip(&taken.used).find(|(open, used)| **used >= open.window.limit);
        full.map(|(open, used)| (open.period.name(), *used, open.window.limit))
    }
}

/// The names of windows where nodes share them.
struct Named<'a> {
    account: &'a Account,
    opened: &'a Opened,
    now: u64,
    /// Whether they are only to be read.
    nothing: bool,
}

impl Named<'_> {
    fn limit(&self, open: &Open) -> u64 {
        if self.nothing { 0 } else { open.window.limit }
    }
}

impl Names for Named<'_> {
    /// `quota:<workspace>:<namespace, or Route and Service>:<who>:<start>:<period>`
    fn counters(&self) -> Vec<RemoteCounter> {
        let (scope, who) = (&self.account.scope, self.opened.who.name);
        let counter = |open: &Open| RemoteCounter {
            name: format!("quota:{scope}:{who}:{}:{}", open.bounds.start, open.period.name()).into_bytes(),
            limit: self.limit(open),
            lifetime: open.bounds.after.saturating_sub(self.now).max(1),
        };
        self.opened.windows.iter().map(counter).collect()
    }

    fn meters(&self) -> Vec<Meter> {
        let meter = |open: &Open| Meter {
            entity: "quota_counters",
            key: vec![
                ("namespace", Value::from(self.account.scope.as_str())),
                ("identifier", self.opened.who.name.to_string().into()),
                ("period", open.period.name().into()),
                ("period_date", open.bounds.start.saturating_mul(1000).into()),
            ],
            limit: self.limit(open),
            expires: open.bounds.after,
        };
        self.opened.windows.iter().map(meter).collect()
    }
}
