//! `quota`: so much per day, week, month or year of the calendar, for Consumers, groups, credentials, addresses or
//! Services; what is not used may go over, and a Consumer may be given more for a time.

mod account;
mod calendar;
mod config;
mod raise;
mod report;

pub use account::{Account, Name, Standing, Who};
pub use config::{CarryOver, Config, Count, HeaderNames, Identifier, Strategy};
pub use raise::{RAISES, Raise};

use crate::auth;
use crate::counting::Counting;
use account::{Allowance, Opened};
use calendar::{Calendar, Period};
use entities::{PluginSchema, Scopes};
use exchange::counters::Taken;
use exchange::{About, Answer, Credential, Exchange, Flow, LimitExceeded, Phases, Plugin, Services, Step};
use report::Found;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// `quota`, configured.
pub struct Quota {
    config: Config,
    account: Arc<Account>,
    services: Services,
}

/// What an Exchange remembers from access until the head of the response is there.
struct Asked {
    opened: Opened,
    found: SmallVec<[Found; 4]>,
    granted: bool,
    now: u64,
}

fn seconds(time: i64) -> Option<u64> {
    u64::try_from(time).ok().filter(|time| *time > 0)
}

impl Quota {
    /// Who a request is counted for.
    fn who(&self, exchange: &Exchange) -> Who {
        let identity = &exchange.identity;
        let consumer = || {
            let consumer = identity.consumer.as_ref()?;
            Some(Who { name: Name::Id(consumer.id), since: seconds(consumer.created_at) })
        };
        let credential = || {
            let credential: &Credential = identity.credential.as_ref()?;
            let made = credential.record.get("created_at").and_then(serde_json::Value::as_i64);
            Some(Who { name: Name::Id(credential.id), since: made.and_then(seconds) })
        };
        let group = || {
            let first = || identity.consumer.as_ref().and_then(|consumer| consumer.groups.first().copied());
            let group = self.account.about.consumer_group.or_else(first)?;
            Some(Who { name: Name::Id(group), since: None })
        };
        let service = || {
            let service = exchange.service.as_ref()?;
            Some(Who { name: Name::Id(service.id), since: seconds(service.created_at) })
        };
        let found = match self.config.identifier {
            Identifier::Consumer => consumer().or_else(credential),
            Identifier::ConsumerGroup => group().or_else(consumer).or_else(credential),
            Identifier::Credential => credential(),
            Identifier::Ip => None,
            Identifier::Service => service(),
        };
        found.unwrap_or_else(|| Who { name: Name::Address(exchange.request.client_ip()), since: None })
    }

    /// What the Consumer may use beyond, where it is the one who is counted.
    async fn raises(&self, exchange: &Exchange, who: Who) -> Result<Vec<Raise>, Answer> {
        let consumer = exchange.identity.consumer.as_ref().filter(|consumer| who.name == Name::Id(consumer.id));
        let Some(consumer) = consumer else { return Ok(Vec::new()) };
        let found = exchange.directory.of_consumer(exchange.workspace, RAISES, consumer.id).get().await;
        match found {
            Ok(raises) => Ok(raises.iter().flatten().filter_map(|raise| Raise::of(&raise.record)).collect()),
            Err(_) if self.config.fault_tolerant => Ok(Vec::new()),
            Err(error) => {
                tracing::error!(plugin = Self::NAME, "raises cannot be looked up: {error}");
                Err(auth::failure())
            }
        }
    }

    async fn admit(&self, exchange: &mut Exchange) -> Flow {
        let now = exchange.timeline.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let who = self.who(exchange);
        let raises = match self.raises(exchange, who).await {
            Ok(raises) => raises,
            Err(answer) => return answer.into(),
        };
        match self.account.take(who, &raises, now).await {
            Ok((opened, taken)) => self.decide(exchange, opened, &taken, now),
            Err(_) if self.config.fault_tolerant => Flow::Next,
            Err(_) => auth::failure().into(),
        }
    }

    fn decide(&self, exchange: &mut Exchange, opened: Opened, taken: &Taken, now: u64) -> Flow {
        let flow = if taken.granted {
            Flow::Next
        } else {
            self.tell(exchange, &opened, taken, now);
            Answer::error(self.config.error_code, self.config.error_message.clone()).into()
        };
        let (found, granted) = (opened.found(taken), taken.granted);
        exchange.state.put(Asked { opened, found, granted, now });
        flow
    }

    /// Tells listeners which window was full.
    fn tell(&self, exchange: &Exchange, opened: &Opened, taken: &Taken, now: u64) {
        let Some((window, rate, limit)) = opened.full(taken) else { return };
        self.services.notices.limit_exceeded(LimitExceeded {
            at: now,
            consumer: exchange.identity.consumer.clone(),
            ip: exchange.request.client_ip(),
            service: exchange.service.clone(),
            rate,
            limit: limit as f64,
            window,
        });
    }

    /// How many units a request counts that has been answered.
    fn weight(&self, exchange: &Exchange) -> u64 {
        match (self.config.count, &self.config.weight_header) {
            (Count::NoServerErrors, _) => u64::from(exchange.response.status < 500),
            (Count::Weight, Some(header)) => report::weight(&exchange.response.headers, header),
            _ => 1,
        }
    }
}

impl Plugin for Quota {
    const NAME: &'static str = "quota";
    // After rate-limiting: what that refuses uses nothing up.
    const PRIORITY: i32 = 905;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::GROUPS)
            .without_database(config::without_cluster)
            .checks(config::checks())
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let counting = match config.strategy {
            Strategy::Local => Counting::on_node(services.counters.clone(), Self::NAME),
            Strategy::Cluster => Counting::in_database(services.meters.clone(), Self::NAME),
            Strategy::Redis => Counting::on_server(config.redis.server(services)?, config.sync_rate, Self::NAME),
        };
        let allowance = |period: Period| {
            let (limit, carry_over) = (config.limit(period)?, config.carry_over(period));
            Some(Allowance { period, limit, carry_over })
        };
        let zone = calendar::zone(&config.timezone)?;
        let calendar = Calendar::new(zone, config.weekday(), config.start_day, config.start_month);
        let account = Account::new(
            about.clone(),
            config.identifier,
            Period::ALL.into_iter().filter_map(allowance).collect(),
            calendar,
            counting,
            services.counters.clone(),
            config.namespace.clone(),
        );
        Ok(Self { account: services.desks.open(account), services: services.clone(), config })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(self.admit(exchange)))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let Some(Asked { opened, found, granted, now }) = exchange.state.take() else { return Flow::Next };
        let weight = if granted { self.weight(exchange) } else { 0 };
        if granted {
            // One was taken in access, so that no number of simultaneous requests gets past the limit.
            self.account.settle(&opened, i64::try_from(weight).unwrap_or(i64::MAX) - 1, now);
        }
        if self.config.hide_client_headers {
            return Flow::Next;
        }
        if let Some(told) = report::tightest(&found, weight) {
            let reset = report::write(&self.config.headers, told, now, &mut exchange.response.headers);
            if !granted {
                exchange.response.headers.set("Retry-After", reset.to_string());
            }
        }
        Flow::Next
    }
}

#[cfg(test)]
mod tests;
