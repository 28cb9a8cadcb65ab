use super::*;
use crate::testing::{MANNERS, Manner, People, access, message, plugin, request, sent};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde_json::json;
use std::sync::LazyLock;

const ROOT: u128 = 0x100;
const MIDDLE: u128 = 0x101;
const OTHER: u128 = 0x102;

/// A root, an authority under it, and another root.
struct House {
    ders: [Arc<[u8]>; 3],
    issuers: [Issuer<'static, KeyPair>; 3],
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (params, KeyPair::generate().unwrap())
    };
    let [(root, root_key), (middle, middle_key), (other, other_key)] = ["root", "middle", "other"].map(authority);
    let own = Arc::from(root.self_signed(&root_key).unwrap().der().as_ref());
    let stranger = Arc::from(other.self_signed(&other_key).unwrap().der().as_ref());
    let root = Issuer::new(root, root_key);
    let between = Arc::from(middle.signed_by(&middle_key, &root).unwrap().der().as_ref());
    House {
        ders: [own, between, stranger],
        issuers: [root, Issuer::new(middle, middle_key), Issuer::new(other, other_key)],
    }
});

/// A client's certificate of an authority, by its place in the house.
fn client(issuer: usize, common_name: &str, names: &[&str], days: i64) -> Arc<[u8]> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "house, inc");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = rcgen::date_time_ymd(2023, 1, 1);
    params.not_after = params.not_before + Duration::from_secs(days.cast_unsigned() * 86_400);
    params.subject_alt_names = names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
    let key = KeyPair::generate().unwrap();
    Arc::from(params.signed_by(&key, &HOUSE.issuers[issuer]).unwrap().der().as_ref())
}

fn people(manner: Manner) -> People {
    let mut people =
        People::new(manner).credential(CREDENTIALS, 11, 1, json!({ "subject_name": "m.test" })).credential(
            CREDENTIALS,
            12,
            2,
            json!({ "subject_name": "g.test", "ca_certificate": { "id": Uuid::from_u128(MIDDLE) } }),
        );
    people.authorities = [ROOT, MIDDLE, OTHER].into_iter().map(Uuid::from_u128).zip(HOUSE.ders.clone()).collect();
    people
}

fn asked(config: Value, chain: Vec<Arc<[u8]>>, manner: Manner) -> (Option<u16>, Exchange) {
    let mut config = config;
    if config.get("ca_certificates").is_none() {
        config["ca_certificates"] = json!([Uuid::from_u128(ROOT)]);
    }
    let mut exchange = request("GET", "/", &[], people(manner));
    exchange.request.tls = Some(Arc::new(TlsSession { client_certificates: chain, ..TlsSession::default() }));
    let plugin: MtlsAuth = plugin(config);
    let status = access(&plugin, &mut exchange);
    (status, exchange)
}

const MAYA: &str =
    "X-Consumer-ID=00000000-0000-0000-0000-000000000001 X-Consumer-Custom-ID=m-1 X-Consumer-Username=maya";
const GUEST: &str = "X-Consumer-ID=00000000-0000-0000-0000-000000000002 X-Consumer-Username=guest";

#[test]
fn certificates_tell_consumers() {
    let of = |number: &str| format!(" X-Credential-Identifier=00000000-0000-0000-0000-00000000000{number}");
    let both = || json!({ "ca_certificates": [Uuid::from_u128(ROOT), Uuid::from_u128(MIDDLE)] });
    let with = |mut config: Value, name: &str, value: Value| {
        config[name] = value;
        config
    };
    let middle = || HOUSE.ders[1].clone();
    for manner in MANNERS {
        for (config, chain, expected) in [
            (json!({}), vec![client(0, "maya", &[], 900)], Ok(MAYA.to_owned())),
            (json!({}), vec![client(0, "m-1", &[], 900)], Ok(MAYA.to_owned())),
            (json!({}), vec![client(0, "x", &["maya"], 900)], Ok(MAYA.to_owned())),
            (json!({}), vec![client(0, "maya", &["x.test"], 900)], Err("TLS certificate failed verification")),
            (json!({}), vec![client(0, "x", &["m.test"], 900)], Ok(MAYA.to_owned() + &of("b"))),
            (json!({}), vec![client(0, "guest", &["guest", "m.test"], 900)], Ok(MAYA.to_owned() + &of("b"))),
            // Its credential is for another authority.
            (json!({}), vec![client(0, "g.test", &[], 900)], Err("TLS certificate failed verification")),
            (both(), vec![client(1, "g.test", &[], 900)], Ok(GUEST.to_owned() + &of("c"))),
            (both(), vec![client(1, "g.test", &[], 900), middle()], Ok(GUEST.to_owned() + &of("c"))),
            (json!({}), vec![client(1, "maya", &[], 900), middle()], Ok(MAYA.to_owned())),
            (json!({}), vec![client(1, "maya", &[], 900)], Err("TLS certificate failed verification")),
            (
                json!({ "ca_certificates": [Uuid::from_u128(MIDDLE)] }),
                vec![client(1, "maya", &[], 900)],
                Err("TLS certificate failed verification"),
            ),
            (
                json!({ "ca_certificates": [Uuid::from_u128(MIDDLE)], "allow_partial_chain": true }),
                vec![client(1, "maya", &[], 900)],
                Ok(MAYA.to_owned()),
            ),
            (json!({}), vec![client(2, "maya", &[], 900)], Err("TLS certificate failed verification")),
            (json!({}), vec![client(0, "maya", &[], 10)], Err("TLS certificate failed verification")),
            (json!({}), vec![Arc::from(&b"nonsense"[..])], Err("TLS certificate failed verification")),
            (
                json!({ "ca_certificates": [Uuid::from_u128(1)] }),
                vec![client(0, "maya", &[], 900)],
                Err("TLS certificate failed verification"),
            ),
            (json!({}), vec![], Err("No required TLS certificate was sent")),
            (
                json!({ "consumer_by": [] }),
                vec![client(0, "maya", &[], 900)],
                Err("TLS certificate failed verification"),
            ),
            (
                json!({ "consumer_by": ["custom_id"] }),
                vec![client(0, "maya", &[], 900)],
                Err("TLS certificate failed verification"),
            ),
            (json!({ "default_consumer": "guest" }), vec![client(0, "who", &[], 900)], Ok(GUEST.to_owned())),
            (
                with(json!({}), "default_consumer", json!(Uuid::from_u128(2))),
                vec![client(0, "who", &[], 900)],
                Ok(GUEST.to_owned()),
            ),
            (
                json!({ "default_consumer": "guest" }),
                vec![client(2, "who", &[], 900)],
                Err("TLS certificate failed verification"),
            ),
            (
                json!({ "anonymous": "guest" }),
                vec![client(2, "who", &[], 900)],
                Ok(format!("{GUEST} X-Anonymous-Consumer=true")),
            ),
            (json!({ "anonymous": "guest" }), vec![], Ok(format!("{GUEST} X-Anonymous-Consumer=true"))),
        ] {
            let case = format!("{manner:?} {config} {}", chain.len());
            let (status, exchange) = asked(config, chain, manner);
            match expected {
                Ok(identity) => assert_eq!((status, sent(&exchange, &[])), (None, identity), "{case}"),
                Err(text) => assert_eq!((status, message(&exchange).as_str()), (Some(401), text), "{case}"),
            }
        }
    }
    assert_eq!(asked(json!({}), vec![client(0, "maya", &[], 900)], Manner::Fails).0, Some(500));
}

#[test]
fn whoever_has_a_certificate_may_pass() {
    for (by, group) in [("CN", "who"), ("DN", "CN=who,O=house\\, inc")] {
        let config = json!({ "skip_consumer_lookup": true, "authenticated_group_by": by });
        let (status, exchange) = asked(config, vec![client(0, "who", &["a.test", "b.test"], 900)], Manner::Fails);
        assert_eq!(status, None);
        assert_eq!(
            sent(&exchange, &[SUBJECT, NAMES]),
            "X-Client-Cert-Dn=CN=who,O=house\\, inc X-Client-Cert-San=a.test, b.test"
        );
        assert_eq!(exchange.identity.authenticated_groups, [group]);
        assert!(exchange.identity.consumer.is_none() && exchange.identity.credential.is_some());
    }
}

#[test]
fn outcomes_are_remembered_while_authorities_stay() {
    let guard: MtlsAuth = plugin(json!({ "ca_certificates": [Uuid::from_u128(ROOT)] }));
    let chain = vec![client(0, "maya", &[], 900)];
    let tls = Arc::new(TlsSession { client_certificates: chain, ..TlsSession::default() });
    let ask = |authorities: Vec<Authority>, second: u64| {
        let mut people = people(Manner::Knows);
        people.authorities = authorities;
        let mut exchange = request("GET", "/", &[], people);
        exchange.timeline = crate::testing::at(second);
        exchange.request.tls = Some(tls.clone());
        access(&guard, &mut exchange)
    };
    let root = || vec![(Uuid::from_u128(ROOT), HOUSE.ders[0].clone())];
    let (now, later) = (1_700_000_000, 1_900_000_000);
    for (authorities, second, status) in [
        (root(), now, None),
        (root(), now, None),
        (vec![], now, Some(401)),
        (vec![(Uuid::from_u128(ROOT), HOUSE.ders[2].clone())], now, Some(401)),
        (root(), now, None),
        (root(), later, Some(401)),
    ] {
        assert_eq!(ask(authorities, second), status, "{second}");
    }
    assert!(Plugin::asks_for_certificate(&guard));
}

#[test]
fn what_is_not_there_is_refused() {
    use schema::Schema;
    for (name, value) in
        [("revocation_check_mode", json!("STRICT")), ("send_ca_dn", json!(true)), ("ca_certificates", json!(["x"]))]
    {
        let mut config = json!({ "ca_certificates": [Uuid::from_u128(ROOT)] });
        config[name] = value;
        let refused = Config::record().insert(config.as_object().cloned().unwrap(), &crate::testing::context());
        assert!(refused.expect_err("refused").message().contains(name), "{name}");
    }
}
