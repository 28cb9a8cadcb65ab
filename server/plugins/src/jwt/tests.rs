//! Tests of the plugin; keys are secrets here, the other algorithms are tested beside them.

use super::*;
use crate::testing::{MANNERS, Manner, People, access, message, plugin, request, sent};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The second at which requests come.
const NOW: i64 = 1_700_000_000;

fn token(claims: &Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), claims, b"walnut")
}

fn signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn people(manner: Manner) -> People {
    People::new(manner)
        .credential(CREDENTIALS, 11, 1, json!({ "key": "m", "secret": "walnut", "algorithm": "HS256" }))
        .credential(CREDENTIALS, 12, 2, json!({ "key": "bare" }))
        .credential(CREDENTIALS, 13, 2, json!({ "key": "rsa", "algorithm": "RS256", "rsa_public_key": "x" }))
}

const MAYA: &str = "X-Consumer-ID=00000000-0000-0000-0000-000000000001 X-Consumer-Custom-ID=m-1 \
                    X-Consumer-Username=maya X-Credential-Identifier=m";

/// The answer's body and challenge; the identity headers where there is none.
fn outcome(config: Value, target: &str, headers: &[(&str, &str)], manner: Manner) -> (String, String) {
    let mut exchange = request("GET", target, headers, people(manner));
    match access(&plugin::<Jwt>(config), &mut exchange) {
        None => (sent(&exchange, &[]), String::new()),
        Some(status) => {
            assert!(status == 401 || status == 500, "{status}");
            let body = String::from_utf8(exchange.response.body.to_vec()).unwrap();
            (body, exchange.response.headers.get_str("www-authenticate").unwrap_or_default().to_owned())
        }
    }
}

#[test]
fn tokens_are_found_where_they_may_stand() {
    let good = token(&json!({ "iss": "m" }));
    let other = token(&json!({ "iss": "m", "n": 2 }));
    let bearer = format!("Bearer {good}");
    let cookie = format!("a=1; ticket={good}");
    let refused = |message: &str| json!({ "message": message }).to_string();
    for manner in MANNERS {
        for (config, target, headers, found) in [
            (json!({}), "/".to_owned(), vec![("Authorization", bearer.as_str())], MAYA.to_owned()),
            (json!({}), format!("/?jwt={good}"), vec![], MAYA.to_owned()),
            (json!({}), format!("/?jwt={good}&jwt="), vec![("Authorization", bearer.as_str())], MAYA.to_owned()),
            (json!({}), format!("/?jwt={other}&jwt={good}"), vec![], refused("Multiple tokens provided")),
            (json!({}), "/?jwt".to_owned(), vec![], refused("Unrecognizable token")),
            (json!({}), "/?jwt=".to_owned(), vec![], refused("Unauthorized")),
            (json!({}), "/".to_owned(), vec![("Authorization", good.as_str())], refused("Unauthorized")),
            (json!({}), "/".to_owned(), vec![("Cookie", cookie.as_str())], refused("Unauthorized")),
            (json!({ "cookie_names": ["ticket"] }), "/".to_owned(), vec![("Cookie", cookie.as_str())], MAYA.to_owned()),
            (json!({ "header_names": ["X-Pass"] }), "/".to_owned(), vec![("x-pass", bearer.as_str())], MAYA.to_owned()),
            (json!({ "uri_param_names": ["t"] }), format!("/?t={good}"), vec![], MAYA.to_owned()),
        ] {
            assert_eq!(outcome(config.clone(), &target, &headers, manner).0, found, "{config} {target} {headers:?}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_token_is_said() {
    let bad = |header: Value, claims: Value| signed(&header, &claims, b"almond");
    let refused = |message: &str| json!({ "message": message });
    let hs = json!({ "alg": "HS256" });
    let time = json!({ "claims_to_verify": ["exp", "nbf"] });
    let most = json!({ "claims_to_verify": ["exp"], "maximum_expiration": 60 });
    let long = format!("{}.{}", "A".repeat(100_000), token(&json!({})));
    for manner in MANNERS {
        for (config, token, body) in [
            (json!({}), "junk".to_owned(), refused("Bad token; invalid JSON")),
            (json!({}), long.clone(), refused("Bad token; invalid JSON")),
            (json!({}), bad(json!({ "alg": "none" }), json!({ "iss": "m" })), refused("Bad token; invalid alg")),
            (json!({}), token(&json!({ "sub": "m" })), refused("No mandatory 'iss' in claims")),
            (json!({ "key_claim_name": "kid" }), token(&json!({})), refused("No mandatory 'kid' in claims")),
            (json!({}), token(&json!({ "iss": "" })), refused("Invalid 'iss' in claims")),
            (json!({}), token(&json!({ "iss": 5 })), refused("Invalid 'iss' in claims")),
            (json!({}), token(&json!({ "iss": "x" })), refused("No credentials found for given 'iss'")),
            (json!({}), bad(hs.clone(), json!({ "iss": "m" })), refused("Invalid signature")),
            (json!({}), bad(hs.clone(), json!({ "iss": "rsa" })), refused("Invalid algorithm")),
            (json!({}), bad(hs.clone(), json!({ "iss": "bare" })), refused("Invalid key/secret")),
            (
                time.clone(),
                token(&json!({ "iss": "m" })),
                json!({ "exp": "must be a number", "nbf": "must be a number" }),
            ),
            (time.clone(), token(&json!({ "iss": "m", "exp": NOW, "nbf": NOW })), json!({ "exp": "token expired" })),
            (
                time.clone(),
                token(&json!({ "iss": "m", "exp": NOW + 1, "nbf": NOW + 1 })),
                json!({ "nbf": "token not valid yet" }),
            ),
            (
                most.clone(),
                token(&json!({ "iss": "m", "exp": NOW + 61 })),
                json!({ "exp": "exceeds maximum allowed expiration" }),
            ),
        ] {
            let (found, challenge) = outcome(config, &format!("/?jwt={token}"), &[], manner);
            assert_eq!(found, body.to_string());
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{body}");
        }
        for (config, claims) in [
            (json!({}), json!({ "iss": "m", "exp": 1 })),
            (time.clone(), json!({ "iss": "m", "exp": NOW + 1, "nbf": NOW })),
            (most.clone(), json!({ "iss": "m", "exp": NOW + 60 })),
        ] {
            let found = outcome(config, &format!("/?jwt={}", token(&claims)), &[], manner);
            assert_eq!(found, (MAYA.to_owned(), String::new()));
        }
    }
}

#[test]
fn the_key_may_be_named_in_the_header_and_secrets_be_base64() {
    let text = signed(&json!({ "alg": "HS256", "kid": "m" }), &json!({}), b"walnut");
    let found = outcome(json!({ "key_claim_name": "kid" }), &format!("/?jwt={text}"), &[], Manner::Knows);
    assert_eq!(found.0, MAYA);
    let decoded = auth::base64(b"walnut").unwrap();
    let text = signed(&json!({ "alg": "HS256" }), &json!({ "iss": "m" }), &decoded);
    let found = outcome(json!({ "secret_is_base64": true }), &format!("/?jwt={text}"), &[], Manner::Knows);
    assert_eq!(found.0, MAYA);
}

#[test]
fn anonymous_realm_and_preflight() {
    let guest = json!({ "anonymous": "guest" });
    let found = outcome(guest.clone(), "/?jwt=junk", &[], Manner::Waits).0;
    assert!(found.ends_with("X-Consumer-Username=guest X-Anonymous-Consumer=true"), "{found}");
    assert_eq!(outcome(guest, &format!("/?jwt={}", token(&json!({ "iss": "m" }))), &[], Manner::Waits).0, MAYA);
    let (_, challenge) = outcome(json!({ "realm": "docks" }), "/", &[], Manner::Knows);
    assert_eq!(challenge, "Bearer realm=\"docks\"");
    let (_, challenge) = outcome(json!({ "realm": "docks" }), "/?jwt=x", &[], Manner::Knows);
    assert_eq!(challenge, "Bearer realm=\"docks\" error=\"invalid_token\"");
    for (config, status) in [(json!({}), Some(401)), (json!({ "run_on_preflight": false }), None)] {
        let mut exchange = request("OPTIONS", "/", &[], people(Manner::Knows));
        assert_eq!(access(&plugin::<Jwt>(config), &mut exchange), status);
    }
}

#[test]
fn a_directory_out_of_order_lets_nobody_in() {
    let target = format!("/?jwt={}", token(&json!({ "iss": "m" })));
    let mut exchange = request("GET", &target, &[], people(Manner::Fails));
    assert_eq!(access(&plugin::<Jwt>(json!({ "anonymous": "guest" })), &mut exchange), Some(500));
    assert_eq!(message(&exchange), "An unexpected error occurred");
}
