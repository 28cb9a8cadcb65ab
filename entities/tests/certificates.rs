//! Certificates and keys of every usual kind, matching and not.

use entities::{Definitions, Flavor, PluginSchemas, VaultSchemas};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256,
};
use schema::{Map, Value, json};

fn definitions() -> Definitions {
    Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true)
}

fn pair(algorithm: &'static rcgen::SignatureAlgorithm, ca: bool) -> (String, String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem(), key.public_key_pem())
}

fn outcome(entity: &str, value: Value) -> String {
    let Value::Object(map) = value else { panic!("an object") };
    match definitions().process_insert(entity, map, 1.7e9) {
        Ok(_) => String::new(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn certificates_match_their_keys() {
    let (rsa, rsa_key, _) = pair(&PKCS_RSA_SHA256, false);
    let (ec, ec_key, _) = pair(&PKCS_ECDSA_P256_SHA256, false);
    let (ed, ed_key, _) = pair(&PKCS_ED25519, false);
    for (cert, key) in [(&rsa, &rsa_key), (&ec, &ec_key), (&ed, &ed_key)] {
        assert_eq!(outcome("certificates", json!({"cert": cert, "key": key})), "");
    }
    let mismatch = "schema violation (certificate does not match key)";
    assert_eq!(outcome("certificates", json!({"cert": rsa, "key": ec_key})), mismatch);
    assert_eq!(outcome("certificates", json!({"cert": rsa, "key": "{vault://env/key}"})), "");
    assert_eq!(
        outcome(
            "certificates",
            json!({"cert": rsa, "key": rsa_key, "cert_alt": ec, "key_alt": ec_key, "snis": ["*.a"]})
        ),
        ""
    );
    assert!(
        outcome("certificates", json!({"cert": ec, "key": ec_key, "cert_alt": ec, "key_alt": ec_key}))
            .contains("need to have different type")
    );
    assert_eq!(
        outcome("certificates", json!({"cert": rsa, "key": rsa_key, "cert_alt": ec})),
        "schema violation (all or none of these fields must be set: 'cert_alt', 'key_alt')"
    );
    let bad = outcome("certificates", json!({"cert": "x", "key": "y"}));
    assert!(bad.contains("cert: invalid certificate: ") && bad.contains("key: invalid key: "), "{bad}");
}

#[test]
fn authorities_must_be_authorities() {
    let (leaf, _, _) = pair(&PKCS_ECDSA_P256_SHA256, false);
    let (ca, _, _) = pair(&PKCS_ECDSA_P256_SHA256, true);
    let Value::Object(map) = json!({"cert": ca}) else { panic!("an object") };
    let stored: Map<String, Value> = definitions().process_insert("ca_certificates", map, 1.7e9).unwrap();
    assert_eq!(stored["cert_digest"].as_str().map(str::len), Some(64));
    assert!(outcome("ca_certificates", json!({"cert": leaf})).contains("does not appear to be a CA"));
    assert_eq!(
        outcome("ca_certificates", json!({"cert": format!("{ca}{ca}")})),
        "schema violation (please submit only one certificate at a time)"
    );
}

#[test]
fn keys_are_loaded() {
    let (_, private, public) = pair(&PKCS_RSA_SHA256, false);
    let (_, other, _) = pair(&PKCS_RSA_SHA256, false);
    assert_eq!(outcome("keys", json!({"kid": "1", "pem": {"private_key": private, "public_key": public}})), "");
    assert_eq!(
        outcome("keys", json!({"kid": "1", "pem": {"private_key": other, "public_key": public}})),
        "schema violation (pem: public key does not match private key)"
    );
    let jwk = json!({"kid": "1", "kty": "oct", "k": "YWJj"}).to_string();
    assert_eq!(outcome("keys", json!({"kid": "1", "jwk": jwk})), "");
    assert_eq!(
        outcome("keys", json!({"kid": "2", "jwk": jwk})),
        "schema violation (kid in jwk.kid must be equal to keys.kid)"
    );
    let consumer = json!({"id": "0a0a0a0a-0000-4000-8000-000000000001"});
    let secret = |key: &str| json!({"consumer": consumer, "algorithm": "RS256", "rsa_public_key": key});
    assert_eq!(outcome("jwt_secrets", secret(&public)), "");
    assert!(outcome("jwt_secrets", secret("x")).contains("rsa_public_key: invalid key"));
}

#[test]
fn certificates_say_what_stands_in_them() {
    use entities::x509::CertificateFacts;
    use rcgen::{
        DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
    };

    for (algorithm, key_type, key_size) in [
        (&PKCS_RSA_SHA256, "RSA", 2048),
        (&PKCS_ECDSA_P256_SHA256, "EC", 256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "EC", 384),
        (&PKCS_ED25519, "Ed25519", 256),
    ] {
        let (cert, ..) = pair(algorithm, false);
        let facts = CertificateFacts::of(&cert).unwrap();
        assert_eq!((facts.key_type.as_str(), facts.key_size), (key_type, Some(key_size)));
        assert_eq!((facts.ca, facts.chain_length, facts.san_names), (false, 1, vec!["a.example".to_owned()]));
    }

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "a, b=<script>\r\n");
    params.distinguished_name.push(DnType::CommonName, " \u{202e}ann#");
    params.serial_number = Some(SerialNumber::from(1234_u64));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(vec![1, 2, 3])];
    params.subject_alt_names = vec![
        SanType::IpAddress("::1".parse().unwrap()),
        SanType::Rfc822Name("a@b.example".try_into().unwrap()),
        SanType::URI("https://a.example/".try_into().unwrap()),
        SanType::DnsName("line\nbreak".try_into().unwrap()),
    ];
    let cert = params.self_signed(&key).unwrap();
    let facts = CertificateFacts::of(&(cert.pem() + &cert.pem())).unwrap();
    let digest = entities::crypto::sha256_hex(cert.der());
    // The last part first; what could be taken for something else is marked, what no header can carry left out.
    let name = "CN=\\ \u{202e}ann#,O=a\\, b=\\<script\\>";
    assert_eq!(
        json!(facts),
        json!({
            "subject": name, "issuer": name, "serial_number": "04:d2", "not_before": 1_767_225_600, "expiry": 2_524_521_600_i64,
            "san_names": ["::1", "a@b.example", "https://a.example/"], "key_type": "EC", "key_size": 256,
            "key_usages": ["digitalSignature", "keyCertSign", "cRLSign", "clientAuth", "1.2.3"], "ca": true,
            "sha256_fingerprint": digest, "chain_length": 2,
        })
    );

    for text in ["", "x", "{vault://env/cert}", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
        assert_eq!(CertificateFacts::of(text), None, "{text}");
    }
}
