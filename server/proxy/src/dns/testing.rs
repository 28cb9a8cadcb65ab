//! The resolver against a name server on loopback.

use super::*;
use balancer::RecordKind;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// By name and type, TTL and data.
type Records = HashMap<(String, RecordType), Vec<(u32, RData)>>;

/// What the server knows: by name and type, TTL and data; and the names it fails on.
#[derive(Default)]
pub(crate) struct Zone {
    records: Mutex<Records>,
    broken: Mutex<Vec<String>>,
    asked: AtomicUsize,
}

impl Zone {
    pub(crate) fn set(&self, name: &str, ttl: u32, data: &[RData]) {
        let kind = data.first().map_or(RecordType::A, RData::record_type);
        let records = data.iter().map(|data| (ttl, data.clone())).collect();
        self.records.lock().unwrap().insert((name.to_owned(), kind), records);
    }

    fn answer(&self, request: &Message) -> Message {
        self.asked.fetch_add(1, SeqCst);
        let query = request.queries[0].clone();
        let mut message = Message::response(request.metadata.id, request.metadata.op_code);
        message.metadata.message_type = MessageType::Response;
        message.metadata.recursion_available = true;
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let records = self.records.lock().unwrap();
        if self.broken.lock().unwrap().contains(&name) {
            message.metadata.response_code = ResponseCode::ServFail;
        } else if !records.keys().any(|(known, _)| *known == name) {
            message.metadata.response_code = ResponseCode::NXDomain;
        }
        for (ttl, data) in records.get(&(name, query.query_type())).into_iter().flatten() {
            message.add_answer(Record::from_rdata(query.name().clone(), *ttl, data.clone()));
        }
        message.add_query(query);
        message
    }
}

/// A name server on a thread of its own, until the process ends.
pub(crate) fn serve(zone: Arc<Zone>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let Ok(request) = Message::from_vec(&buffer[..length]) else { continue };
            let _ = socket.send_to(&zone.answer(&request).to_vec().unwrap(), peer);
        }
    });
    address
}

pub(crate) fn settings(server: SocketAddr) -> DnsSettings {
    let nowhere = "/nonexistent";
    DnsSettings {
        resolvers: vec![server],
        hosts_file: nowhere.into(),
        resolv_conf: nowhere.into(),
        ..Default::default()
    }
}

pub(crate) fn a(last: u8) -> RData {
    RData::A(A::new(10, 0, 0, last))
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, Name::from_ascii(target).unwrap()))
}

#[tokio::test]
async fn records_are_found_in_the_configured_order() {
    let zone = Arc::new(Zone::default());
    zone.set("plain.test", 30, &[a(1), a(2)]);
    zone.set("six.test", 30, &[RData::AAAA(AAAA::new(0, 0, 0, 0, 0, 0, 0, 7))]);
    zone.set("both.test", 30, &[a(3)]);
    zone.set("both.test", 20, &[srv(1, 5, 99, "plain.test."), srv(2, 1, 98, "gone.test.")]);
    zone.set("zero.test", 0, &[a(4)]);
    zone.set("search.zone.test", 30, &[a(5)]);
    let directory = std::env::temp_dir().join(format!("dns-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&directory).unwrap();
    let (conf, hosts) = (directory.join("resolv.conf"), directory.join("hosts"));
    std::fs::write(&conf, "nameserver 192.0.2.1\nsearch zone.test\n").unwrap();
    std::fs::write(&hosts, "10.9.9.9 plain.hosts\n").unwrap();
    let server = serve(zone);
    let with = |order: &[&str]| {
        let order = order.iter().map(|kind| kind.parse().unwrap()).collect();
        let (resolv_conf, hosts_file) = (conf.clone(), hosts.clone());
        Resolver::start(&DnsSettings { order, resolv_conf, hosts_file, ..settings(server) }).unwrap()
    };
    let (usual, both, addresses) = (with(&["LAST", "SRV", "A", "CNAME"]), with(&["A", "AAAA"]), with(&["aaaa", "a"]));
    for (resolver, name, expected) in [
        (&usual, "plain.test", "A 10.0.0.1:80 10.0.0.2:80"),
        (&usual, "PLAIN.test.", "A 10.0.0.1:80 10.0.0.2:80"),
        (&usual, "both.test", "Srv 10.0.0.1:99 10.0.0.1:99"),
        (&addresses, "both.test", "A 10.0.0.3:80 10.0.0.3:80"),
        (&usual, "six.test", "dns client error: 101 empty record received"),
        (&both, "six.test", "Aaaa [::7]:80 [::7]:80"),
        (&usual, "zero.test", "ZeroTtl 10.0.0.4:80 10.0.0.4:80"),
        (&usual, "search", "A 10.0.0.5:80 10.0.0.5:80"),
        (&usual, "plain.hosts", "A 10.9.9.9:80 10.9.9.9:80"),
        (&usual, "localhost", "A 127.0.0.1:80 127.0.0.1:80"),
        (&usual, "gone.test", "dns server error: 3 name error"),
        (&usual, "does-not-exist.invalid", "dns server error: 3 name error"),
    ] {
        let shown = match resolver.resolve(name).found().await {
            Ok(answer) => format!("{:?} {} {}", answer.kind, answer.next(80).unwrap(), answer.next(80).unwrap()),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{name}");
        assert!(matches!(resolver.resolve(name), Resolve::Known(_)), "{name}");
    }
    let services = usual.resolve("both.test").found().await.unwrap();
    assert_eq!((services.kind, services.ttl), (RecordKind::Srv, Duration::from_secs(20)));
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn stale_answers_are_given_while_a_new_one_is_sought() {
    let zone = Arc::new(Zone::default());
    zone.set("move.test", 0, &[a(1)]);
    let resolver = Resolver::start(&DnsSettings { order: vec![Order::A], ..settings(serve(zone.clone())) }).unwrap();
    let first = resolver.resolve("move.test").found().await.unwrap();
    zone.set("move.test", 0, &[a(2)]);
    // The old answer comes at once until the new one is there, which is soon after the second it is kept for.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let Resolve::Known(Ok(answer)) = resolver.resolve("move.test") else { panic!("a request had to wait") };
        if answer.records != first.records {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the name never moved");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    zone.broken.lock().unwrap().push("move.test".into());
    let kept = resolver.renew("move.test").await;
    assert!(kept.is_ok(), "a failing server must not take a usable answer away");
}

#[tokio::test]
async fn a_name_is_asked_for_once_at_a_time_and_failures_are_remembered() {
    let zone = Arc::new(Zone::default());
    zone.set("one.test", 60, &[a(1)]);
    zone.broken.lock().unwrap().push("broken.test".into());
    let settings =
        DnsSettings { order: vec![Order::A], error_ttl: Duration::from_secs(60), ..settings(serve(zone.clone())) };
    let resolver = Resolver::start(&settings).unwrap();
    let many: Vec<_> = (0..50).map(|_| resolver.resolve("one.test")).collect();
    for one in many {
        assert!(one.found().await.is_ok());
    }
    assert_eq!(zone.asked.load(SeqCst), 1);
    let error = resolver.resolve("broken.test").found().await.unwrap_err();
    assert_eq!(error.to_string(), "dns server error: 2 server failure");
    assert!(!error.is_unknown());
    assert!(matches!(resolver.resolve("broken.test"), Resolve::Known(Err(_))));
    let error = resolver.resolve("not a name..").found().await.unwrap_err();
    assert!(error.to_string().contains("not a name"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_an_error_not_a_hang() {
    // Bound and never read.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let directory = std::env::temp_dir().join(format!("dns-{}", uuid::Uuid::new_v4()));
    std::fs::write(&directory, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let settings = DnsSettings { resolv_conf: directory.clone(), ..settings(silent.local_addr().unwrap()) };
    let resolver = Resolver::start(&settings).unwrap();
    let error = resolver.resolve("any.test").found().await.unwrap_err();
    assert!(matches!(error, DnsError::Failed(_)), "{error}");
    std::fs::remove_file(directory).unwrap();
}
