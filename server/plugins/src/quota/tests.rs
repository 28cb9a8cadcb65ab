use super::*;
use crate::testing::{self, Manner, People, Shelf, access, at, message, plugin_with, request, services, settle_now};
use exchange::{Consumer, Directory};
use serde_json::{Value, json};
use uuid::Uuid;

/// 2024-02-10T00:00:00Z.
const NOW: u64 = 1_707_523_200;
const DAY: u64 = 86_400;

fn quota(config: Value, services: &Services) -> Quota {
    let mut all = json!({ "strategy": "local" });
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    plugin_with(all, &About::default(), services)
}

/// A request of Maya's (made in January 2024), with raises of hers.
fn of_maya(second: u64, raises: &[Value]) -> Exchange {
    let people = raises.iter().zip(100..).fold(People::new(Manner::Waits), |people, (raise, id)| {
        people.credential("quota_raises", id, 1, raise.clone())
    });
    let mut exchange = request("GET", "/", &[], people);
    let made = i64::try_from(NOW - 30 * DAY).unwrap();
    let maya = Consumer { id: Uuid::from_u128(1), created_at: made, ..Consumer::default() };
    exchange.identity.consumer = Some(Arc::new(maya));
    exchange.timeline = at(second);
    exchange
}

/// Runs access and, with the upstream's status and headers, header_filter. Tells what clients see: `status limit
/// remaining reset`.
fn run(quota: &Quota, mut exchange: Exchange, status: u16, headers: &[(&str, &str)]) -> String {
    if access(quota, &mut exchange).is_none() {
        exchange.response.status = status;
        exchange.response.headers = headers.iter().copied().collect();
    }
    assert!(matches!(Plugin::header_filter(quota, &mut exchange), Flow::Next));
    let header = |name| exchange.response.headers.get_str(name).unwrap_or("none").to_owned();
    let told = ["x-quota-limit", "x-quota-remaining", "x-quota-reset"].map(header);
    format!("{} {}", exchange.response.status, told.join(" "))
}

fn plain(quota: &Quota, second: u64) -> String {
    run(quota, of_maya(second, &[]), 200, &[])
}

#[test]
fn a_month_holds_so_much_and_begins_anew() {
    let quota = quota(json!({ "month": 2 }), &services());
    let reset = 20 * DAY;
    assert_eq!(plain(&quota, NOW), format!("200 2 1 {reset}"));
    assert_eq!(plain(&quota, NOW), format!("200 2 0 {reset}"));
    let mut refused = of_maya(NOW, &[]);
    assert_eq!(access(&quota, &mut refused), Some(429));
    assert_eq!(message(&refused), "Quota exceeded");
    assert!(matches!(Plugin::header_filter(&quota, &mut refused), Flow::Next));
    assert_eq!(refused.response.headers.get_str("retry-after"), Some(reset.to_string().as_str()));
    assert_eq!(plain(&quota, NOW + reset), format!("200 2 1 {}", 31 * DAY));
}

#[test]
fn the_window_with_least_left_is_told() {
    let quota = quota(json!({ "day": 5, "month": 3, "year": 100 }), &services());
    assert_eq!(plain(&quota, NOW), format!("200 3 2 {}", 20 * DAY));
    let quota = self::quota(json!({ "day": 2, "month": 3 }), &services());
    assert_eq!(plain(&quota, NOW), format!("200 2 1 {DAY}"));
    assert_eq!(plain(&quota, NOW), format!("200 2 0 {DAY}"));
    assert!(plain(&quota, NOW).starts_with("429 2 0"));
    // What was refused was taken of no window.
    assert_eq!(plain(&quota, NOW + DAY), format!("200 3 0 {}", 19 * DAY));
}

#[test]
fn what_is_not_used_goes_over_once_and_within_bounds() {
    let february = NOW;
    let (march, april) = (NOW + 20 * DAY, NOW + 51 * DAY);
    let quota = quota(json!({ "month": 10, "carry_over": { "month": 6 } }), &services());
    // Maya was not there for all of January.
    assert!(plain(&quota, february).starts_with("200 10 9 "));
    for _ in 0..7 {
        plain(&quota, february);
    }
    assert!(plain(&quota, march).starts_with("200 12 11 "), "2 of 10 were left");
    assert!(plain(&quota, april).starts_with("200 16 15 "), "9 were left, 6 of them go over");
    // In June nothing was used.
    assert!(plain(&quota, april + 92 * DAY).starts_with("200 16 15 "));
    // Who was never heard of has nothing left of before.
    let mut stranger = request("GET", "/", &[], People::new(Manner::Knows));
    stranger.timeline = at(april);
    assert!(run(&quota, stranger, 200, &[]).starts_with("200 10 9 "));
}

#[test]
fn carried_over_is_what_was_left() {
    for (limit, most, used, was_there, carried) in [
        (10, 6, 8, true, 2),
        (10, 6, 1, true, 6),
        (10, 6, 10, true, 0),
        (10, 6, 15, true, 0),
        (10, 6, 0, true, 6),
        (10, 6, 0, false, 0),
        (10, 6, 1, false, 6),
        (10, 100, 0, true, 10),
        (10, 0, 0, true, 0),
    ] {
        assert_eq!(account::carried_over(limit, most, used, was_there), carried);
    }
}

#[test]
fn a_consumer_may_be_given_more_for_a_time() {
    let quota = quota(json!({ "month": 1 }), &services());
    let raise = [json!({ "amount": 2, "until": NOW + 100 }), json!({ "amount": 50, "until": NOW - 1 })];
    let asked = |second, raises: &[Value]| run(&quota, of_maya(second, raises), 200, &[]);
    assert!(asked(NOW, &raise).starts_with("200 3 2 "));
    assert!(asked(NOW, &raise).starts_with("200 3 1 "));
    assert!(asked(NOW + 100, &raise).starts_with("429 1 0 "), "it is over");
    // An address is not the Consumer.
    let by_ip = self::quota(json!({ "month": 1, "identifier": "ip" }), &services());
    assert!(run(&by_ip, of_maya(NOW, &raise), 200, &[]).starts_with("200 1 0 "));
}

#[test]
fn without_a_directory_there_are_no_raises_or_no_answers() {
    struct Failing;
    impl Directory for Failing {
        fn consumer(&self, _: Uuid, _: Uuid) -> exchange::Lookup<Arc<Consumer>> {
            exchange::Lookup::Known(None)
        }
        fn consumer_by_username(&self, _: Uuid, _: &str) -> exchange::Lookup<Arc<Consumer>> {
            exchange::Lookup::Known(None)
        }
        fn consumer_by_custom_id(&self, _: Uuid, _: &str) -> exchange::Lookup<Arc<Consumer>> {
            exchange::Lookup::Known(None)
        }
        fn credential(&self, _: Uuid, _: &'static str, _: &str) -> exchange::Lookup<Arc<Credential>> {
            exchange::Lookup::Known(None)
        }
        fn of_consumer(&self, _: Uuid, _: &'static str, _: Uuid) -> exchange::Lookup<Vec<Arc<Credential>>> {
            let gone = exchange::DirectoryError("out of order".into());
            exchange::Lookup::Wait(Box::pin(std::future::ready(Err(gone))))
        }
    }
    for (tolerant, seen) in [(true, "200 1 0"), (false, "500 none")] {
        let quota = quota(json!({ "month": 1, "fault_tolerant": tolerant }), &services());
        let mut exchange = of_maya(NOW, &[]);
        exchange.directory = Arc::new(Failing);
        assert!(run(&quota, exchange, 200, &[]).starts_with(seen));
    }
}

#[test]
fn what_counts_is_configured() {
    let weighed = json!({ "month": 10, "count": "weight", "weight_header": "X-Cost" });
    for (config, answers, remaining) in [
        (json!({ "month": 10 }), &[(200, ""), (503, "")][..], "8"),
        (json!({ "month": 10, "count": "no-server-errors" }), &[(200, ""), (503, ""), (499, "")], "8"),
        (weighed.clone(), &[(200, "4"), (200, "0"), (503, "")], "5"),
        (weighed, &[(200, "8"), (200, "8")], "0"),
    ] {
        let quota = quota(config.clone(), &services());
        let mut told = String::new();
        for (status, cost) in answers {
            let headers = if cost.is_empty() { vec![] } else { vec![("X-Cost", *cost)] };
            told = run(&quota, of_maya(NOW, &[]), *status, &headers);
        }
        assert_eq!(told.split(' ').nth(2), Some(remaining), "{config}");
    }
}

#[test]
fn requests_are_counted_for_whom_they_should() {
    let of = |consumer: u128, credential: u128, groups: &[u128], service: bool, address: u8| {
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        exchange.timeline = at(NOW);
        exchange.request.client_ip = Some([10, 0, 0, address].into());
        exchange.service = service.then(testing::service);
        let groups = groups.iter().copied().map(Uuid::from_u128).collect();
        let found = Consumer { id: Uuid::from_u128(consumer), groups, ..Consumer::default() };
        exchange.identity.consumer = (consumer > 0).then(|| Arc::new(found));
        let found = Credential { id: Uuid::from_u128(credential), ..Credential::default() };
        exchange.identity.credential = (credential > 0).then(|| Arc::new(found));
        exchange
    };
    for (by, first, second, together) in [
        ("consumer", of(1, 5, &[], true, 1), of(1, 6, &[], true, 2), true),
        ("consumer", of(1, 5, &[], true, 1), of(2, 5, &[], true, 1), false),
        ("consumer", of(0, 5, &[], true, 1), of(0, 5, &[], true, 2), true),
        ("consumer", of(0, 0, &[], true, 1), of(0, 0, &[], true, 1), true),
        ("consumer", of(0, 0, &[], true, 1), of(0, 0, &[], true, 2), false),
        ("consumer-group", of(1, 0, &[7, 8], true, 1), of(2, 0, &[7], true, 2), true),
        ("consumer-group", of(1, 0, &[7], true, 1), of(2, 0, &[8], true, 1), false),
        ("consumer-group", of(1, 0, &[], true, 1), of(1, 0, &[], true, 2), true),
        ("credential", of(1, 5, &[], true, 1), of(2, 5, &[], true, 2), true),
        ("credential", of(1, 5, &[], true, 1), of(1, 6, &[], true, 1), false),
        ("credential", of(1, 0, &[], true, 1), of(2, 0, &[], true, 1), true),
        ("ip", of(1, 5, &[], true, 1), of(2, 6, &[], true, 1), true),
        ("service", of(1, 5, &[], true, 1), of(2, 6, &[], true, 2), true),
        ("service", of(0, 0, &[], false, 1), of(0, 0, &[], false, 2), false),
    ] {
        let quota = quota(json!({ "month": 1, "identifier": by }), &services());
        assert!(run(&quota, first, 200, &[]).starts_with("200"));
        assert_eq!(run(&quota, second, 200, &[]).starts_with("429"), together, "{by}");
    }
}

#[test]
fn a_group_that_the_plugin_is_at_is_the_one_that_is_counted() {
    let about = About { consumer_group: Some(Uuid::from_u128(8)), ..About::default() };
    let config = json!({ "strategy": "local", "month": 1, "identifier": "consumer-group" });
    let quota: Quota = plugin_with(config, &about, &services());
    let member = |id: u128| {
        let mut exchange = of_maya(NOW, &[]);
        let groups = [7, 8].map(Uuid::from_u128).to_vec();
        let consumer = Consumer { id: Uuid::from_u128(id), groups, ..Consumer::default() };
        exchange.identity.consumer = Some(Arc::new(consumer));
        exchange
    };
    assert!(run(&quota, member(1), 200, &[]).starts_with("200"));
    assert!(run(&quota, member(2), 200, &[]).starts_with("429"));
    let standing = settle_now(Box::pin(async { quota.account.read(who(8), &[], NOW).await }));
    assert_eq!(standing.unwrap()[0].used, 1);
}

fn who(id: u128) -> Who {
    Who { name: Name::Id(Uuid::from_u128(id)), since: None }
}

#[test]
fn answers_and_headers_are_as_configured() {
    let services = services();
    let named = json!({
        "month": 1, "error_code": 403, "error_message": "Pay more",
        "headers": { "limit": "A-Limit", "remaining": "A-Left", "reset": "A-Reset" },
    });
    let quota = quota(named, &services);
    assert_eq!(plain(&quota, NOW), "200 none none none");
    let mut refused = of_maya(NOW, &[]);
    assert_eq!((access(&quota, &mut refused), message(&refused).as_str()), (Some(403), "Pay more"));
    assert!(matches!(Plugin::header_filter(&quota, &mut refused), Flow::Next));
    let header = |name| refused.response.headers.get_str(name);
    assert_eq!((header("a-limit"), header("a-left")), (Some("1"), Some("0")));
    assert_eq!(header("a-reset"), header("retry-after"));
    let hidden = self::quota(json!({ "month": 1, "hide_client_headers": true, "namespace": "n" }), &services);
    plain(&hidden, NOW);
    let mut refused = of_maya(NOW, &[]);
    assert_eq!(access(&hidden, &mut refused), Some(429));
    assert!(matches!(Plugin::header_filter(&hidden, &mut refused), Flow::Next));
    assert!(!refused.response.headers.contains("retry-after") && !refused.response.headers.contains("x-quota-limit"));
}

#[test]
fn a_namespace_is_shared_and_a_scope_is_not() {
    let services = services();
    let at_route = |route: u128, config: Value| {
        let about = About { route: Some(Uuid::from_u128(route)), ..About::default() };
        plugin_with::<Quota>(config, &about, &services)
    };
    let own = json!({ "strategy": "local", "month": 1 });
    let shared = json!({ "strategy": "local", "month": 1, "namespace": "all" });
    assert!(plain(&at_route(1, own.clone()), NOW).starts_with("200"));
    assert!(plain(&at_route(1, own.clone()), NOW).starts_with("429"), "a changed configuration finds its counters");
    assert!(plain(&at_route(2, own), NOW).starts_with("200"));
    assert!(plain(&at_route(1, shared.clone()), NOW).starts_with("200"));
    assert!(plain(&at_route(2, shared), NOW).starts_with("429"));
}

#[test]
fn redis_counts_for_every_node() {
    let shelf = Shelf::default();
    let node = || Services { redis: Arc::new(shelf.clone()), ..services() };
    let config = json!({
        "strategy": "redis", "month": 3, "namespace": "n", "count": "no-server-errors", "redis": { "host": "r" },
    });
    let (one, two) = (quota(config.clone(), &node()), quota(config, &node()));
    assert!(plain(&one, NOW).starts_with("200 3 2"));
    assert!(run(&two, of_maya(NOW, &[]), 502, &[]).starts_with("502 3 2"), "given back");
    assert!(plain(&two, NOW).starts_with("200 3 1"));
    let maya = "00000000-0000-0000-0000-000000000001";
    let key = format!("r/quota:00000000-0000-0000-0000-000000000000:n:{maya}:1706745600:month=2");
    assert_eq!(shelf.shown(), [key]);
    for (tolerant, seen) in [(true, "200 none"), (false, "500 none")] {
        let config =
            json!({ "strategy": "redis", "month": 3, "redis": { "host": "gone" }, "fault_tolerant": tolerant });
        assert!(plain(&quota(config, &node()), NOW).starts_with(seen));
    }
}

#[test]
fn usage_is_read_and_set() {
    let services = services();
    let quota = quota(json!({ "day": 5, "month": 10 }), &services);
    plain(&quota, NOW);
    let accounts = services.desks.all::<Account>();
    let [account] = accounts.as_slice() else { panic!("one quota") };
    let read = || {
        let standing = settle_now(Box::pin(async { account.read(who(1), &[], NOW).await })).unwrap();
        standing.iter().map(|standing| (standing.period, standing.limit, standing.used)).collect::<Vec<_>>()
    };
    assert_eq!(read(), [("day", 5, 1), ("month", 10, 1)]);
    let set = |period, used| settle_now(Box::pin(async move { account.set(who(1), period, used, NOW).await })).unwrap();
    set(Some("month"), 10);
    assert_eq!(read(), [("day", 5, 1), ("month", 10, 10)]);
    assert!(plain(&quota, NOW).starts_with("429 10 0"));
    set(None, 0);
    assert_eq!(read(), [("day", 5, 0), ("month", 10, 0)]);
    assert!(plain(&quota, NOW).starts_with("200 5 4"));
}

#[test]
fn exact_from_several_threads() {
    let services = services();
    let config = json!({ "strategy": "local", "day": 1000, "month": 1000, "count": "no-server-errors" });
    let quota: Quota = plugin_with(config, &About::default(), &services);
    // Half of them fail and are given back; what passes is never more than the limit.
    let counts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let run = |worker: usize| {
            let quota = &quota;
            scope.spawn(move || {
                let statuses = (0..600).map(|turn| if (turn + worker).is_multiple_of(3) { 503 } else { 200 });
                let seen: Vec<_> = statuses.map(|status| run(quota, of_maya(NOW, &[]), status, &[])).collect();
                let count = |status: &str| seen.iter().filter(|text| text.starts_with(status)).count();
                (count("200"), count("503"))
            })
        };
        let threads: Vec<_> = (0..4).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let passed: usize = counts.iter().map(|(passed, _)| passed).sum();
    assert_eq!(passed, 1000);
    let standing = settle_now(Box::pin(async { quota.account.read(who(1), &[], NOW).await })).unwrap();
    assert_eq!(standing[0].used, 1000);
}
