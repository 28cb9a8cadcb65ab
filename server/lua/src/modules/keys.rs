//! Keys and certificates of `resty.openssl`: `pkey`, `x509`, `x509.store`.

use crate::error;
use crate::tls::{Store, pem};
use crate::value::{failed, one};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sign, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, UnparsedPublicKey};
use entities::crypto::{self, KeyKind, PublicKey};
use mlua::{AnyUserData, Lua, LuaString, MultiValue, ObjectLike, Table, UserData, UserDataMethods, Value};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

/// `resty.openssl.pkey`'s number of the padding of RSA-PSS (RFC 8017 §8.1).
const PSS: i64 = 6;

enum Private {
    Rsa(RsaKeyPair),
    /// For each encoding of signatures: ASN.1, and the two numbers one after the other (RFC 7518 §3.4).
    Ec(Box<EcdsaKeyPair>, Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A key.
struct Key {
    public: PublicKey,
    private: Option<(Private, String)>,
}

/// What one signature is made with.
struct Manner {
    digest: String,
    pss: bool,
    raw: bool,
}

type EcVerify = &'static sign::EcdsaVerificationAlgorithm;

/// The algorithms of a curve, by the length of its points, for a digest: ASN.1 and raw.
fn curve(point: usize, digest: &str) -> Option<(EcVerify, EcVerify)> {
    Some(match (point, digest) {
        (65, "sha256") => (&sign::ECDSA_P256_SHA256_ASN1, &sign::ECDSA_P256_SHA256_FIXED),
        (97, "sha384") => (&sign::ECDSA_P384_SHA384_ASN1, &sign::ECDSA_P384_SHA384_FIXED),
        (133, "sha512") => (&sign::ECDSA_P521_SHA512_ASN1, &sign::ECDSA_P521_SHA512_FIXED),
        _ => return None,
    })
}

fn ec(der: &[u8], point: usize) -> Option<Private> {
    let (asn1, fixed) = match point {
        65 => (&sign::ECDSA_P256_SHA256_ASN1_SIGNING, &sign::ECDSA_P256_SHA256_FIXED_SIGNING),
        97 => (&sign::ECDSA_P384_SHA384_ASN1_SIGNING, &sign::ECDSA_P384_SHA384_FIXED_SIGNING),
        133 => (&sign::ECDSA_P521_SHA512_ASN1_SIGNING, &sign::ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => return None,
    };
    let pair = |algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der).ok().map(Box::new);
    Some(Private::Ec(pair(asn1)?, pair(fixed)?))
}

impl Key {
    /// Of a PEM text, a public or a private key or a certificate; or of DER.
    fn parse(text: &[u8]) -> Result<Self, String> {
        let own;
        let text = match std::str::from_utf8(text) {
            Ok(text) if text.contains("-----BEGIN ") => text,
            _ if PrivateKeyDer::try_from(text).is_ok() => {
                own = crate::tls::Key::of_der(text)?.0;
                &own
            }
            _ => {
                own = pem("PUBLIC KEY", text);
                &own
            }
        };
        if !text.contains("PRIVATE KEY-----") {
            return Ok(Self { public: crypto::public_key(text)?, private: None });
        }
        let public = crypto::private_key(text)?;
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| error.to_string())?;
        let bytes = der.secret_der();
        let private = match public.kind {
            KeyKind::Rsa => match &der {
                PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes).ok().map(Private::Rsa),
                _ => RsaKeyPair::from_pkcs8(bytes).ok().map(Private::Rsa),
            },
            KeyKind::Ec => ec(bytes, public.bits.len()),
            KeyKind::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok().map(Private::Ed25519),
            KeyKind::Other => None,
        };
        let private = private.ok_or("this kind of private key is not available in this gateway")?;
        Ok(Self { public, private: Some((private, text.to_owned())) })
    }

    fn generate(kind: &str, given: &Table) -> mlua::Result<Result<Self, String>> {
        let made = |der: &[u8]| Self::parse(pem("PRIVATE KEY", der).as_bytes());
        let failure = |_| "the key cannot be made".to_owned();
        Ok(match kind {
            "RSA" => {
                let size = match given.get::<Option<u32>>("bits")?.unwrap_or(2048) {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    bits => return Ok(Err(format!("RSA keys of {bits} bits are not available in this gateway"))),
                };
                let pair = RsaKeyPair::generate(size).map_err(failure);
                pair.and_then(|pair| made(AsDer::as_der(&pair).map_err(failure)?.as_ref()))
            }
            "EC" => {
                let algorithm = match given.get::<Option<String>>("curve")?.as_deref() {
                    None | Some("prime256v1" | "P-256") => &sign::ECDSA_P256_SHA256_ASN1_SIGNING,
                    Some("secp384r1" | "P-384") => &sign::ECDSA_P384_SHA384_ASN1_SIGNING,
                    Some("secp521r1" | "P-521") => &sign::ECDSA_P521_SHA512_ASN1_SIGNING,
                    Some(name) => return Ok(Err(format!("the curve {name} is not available in this gateway"))),
                };
                let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(failure);
                der.and_then(|der| made(der.as_ref()))
            }
            "Ed25519" => {
                let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failure);
                der.and_then(|der| made(der.as_ref()))
            }
            other => Err(format!("keys of the type {other} are not available in this gateway")),
        })
    }

    fn sign(&self, data: &[u8], manner: &Manner) -> Result<Vec<u8>, String> {
        let Some((private, _)) = &self.private else { return Err("the key is not a private one".to_owned()) };
        let failure = |_| "the data cannot be signed".to_owned();
        let no_digest = || format!("signatures with {} are not available in this gateway for this key", manner.digest);
        match private {
            Private::Rsa(pair) => {
                let encoding: &'static dyn sign::RsaEncoding = match (manner.pss, manner.digest.as_str()) {
                    (false, "sha256") => &sign::RSA_PKCS1_SHA256,
                    (false, "sha384") => &sign::RSA_PKCS1_SHA384,
                    (false, "sha512") => &sign::RSA_PKCS1_SHA512,
                    (true, "sha256") => &sign::RSA_PSS_SHA256,
                    (true, "sha384") => &sign::RSA_PSS_SHA384,
                    (true, "sha512") => &sign::RSA_PSS_SHA512,
                    _ => return Err(no_digest()),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), data, &mut signature).map_err(failure)?;
                Ok(signature)
            }
            Private::Ec(asn1, fixed) => {
                let own = match self.public.bits.len() {
                    65 => "sha256",
                    97 => "sha384",
                    _ => "sha512",
                };
                if manner.digest != own {
                    return Err(no_digest());
                }
                let pair = if manner.raw { fixed } else { asn1 };
                let signature = pair.sign(&SystemRandom::new(), data).map_err(failure)?;
                Ok(signature.as_ref().to_vec())
            }
            Private::Ed25519(pair) => Ok(pair.sign(data).as_ref().to_vec()),
        }
    }

    fn verify(&self, data: &[u8], signature: &[u8], manner: &Manner) -> Result<bool, String> {
        let bits = &self.public.bits;
        let algorithm: &'static dyn sign::VerificationAlgorithm = match self.public.kind {
            KeyKind::Rsa => match (manner.pss, manner.digest.as_str()) {
                (false, "sha1") => &sign::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                (false, "sha256") => &sign::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                (false, "sha384") => &sign::RSA_PKCS1_2048_8192_SHA384,
                (false, "sha512") => &sign::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
                (true, "sha256") => &sign::RSA_PSS_2048_8192_SHA256,
                (true, "sha384") => &sign::RSA_PSS_2048_8192_SHA384,
                (true, "sha512") => &sign::RSA_PSS_2048_8192_SHA512,
                _ => return Err(format!("signatures with {} are not available in this gateway", manner.digest)),
            },
            KeyKind::Ec => match curve(bits.len(), &manner.digest) {
                Some((_, fixed)) if manner.raw => fixed,
                Some((asn1, _)) => asn1,
                None => return Err(format!("signatures with {} are not available for this key", manner.digest)),
            },
            KeyKind::Ed25519 => &sign::ED25519,
            KeyKind::Other => return Err("this kind of key is not available in this gateway".to_owned()),
        };
        Ok(UnparsedPublicKey::new(algorithm, bits).verify(data, signature).is_ok())
    }

    /// The public half as PEM (RFC 5280 §4.1.2.7).
    fn public_pem(&self) -> String {
        let algorithm: &[u8] = match (self.public.kind, self.public.bits.len()) {
            (KeyKind::Rsa, _) => &[0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0],
            (KeyKind::Ed25519, _) => &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
            (_, 65) => {
                &[0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]
            }
            (_, 97) => &[0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22],
            _ => &[0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23],
        };
        let mut bits = vec![0];
        bits.extend_from_slice(&self.public.bits);
        let inside = [algorithm.to_vec(), element(3, &bits)].concat();
        pem("PUBLIC KEY", &element(0x30, &inside))
    }
}

/// An element of DER (X.690 §8.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        length @ ..128 => out.push(length as u8),
        length => {
            let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | bytes.len() as u8);
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

fn text_of(value: &Value) -> mlua::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        // A digest of `resty.openssl.digest` holds what it was given.
        Value::Table(digest) => Ok(digest.call_method::<LuaString>("whole", ())?.as_bytes().to_vec()),
        other => Err(error::of(format!("expect a digest instance or a string, got {}", other.type_name()))),
    }
}

fn manner(message: &Value, digest: &Value, padding: &Value, options: &Value) -> mlua::Result<Manner> {
    let digest = match (digest, message) {
        (Value::String(name), _) => name.to_string_lossy().to_lowercase(),
        (_, Value::Table(digest)) => digest.get::<String>("name")?,
        _ => "sha256".to_owned(),
    };
    let raw = match options {
        Value::Table(options) => options.get::<Option<bool>>("ecdsa_use_raw")?.unwrap_or(false),
        _ => false,
    };
    let pss = crate::value::number(padding) == Some(PSS as f64);
    Ok(Manner { digest: digest.replace('-', ""), pss, raw })
}

type Signing = (Value, Value, Value, Value);
type Verifying = (LuaString, Value, Value, Value, Value);

impl UserData for Key {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("sign", |lua, key, (data, digest, padding, options): Signing| {
            let how = manner(&data, &digest, &padding, &options)?;
            match key.sign(&text_of(&data)?, &how) {
                Ok(signature) => one(lua, lua.create_string(signature)?),
                Err(error) => failed(lua, format!("pkey:sign: {error}")),
            }
        });
        methods.add_method("verify", |lua, key, (signature, data, digest, padding, options): Verifying| {
            let how = manner(&data, &digest, &padding, &options)?;
            match key.verify(&text_of(&data)?, &signature.as_bytes(), &how) {
                Ok(good) => one(lua, good),
                Err(error) => failed(lua, format!("pkey:verify: {error}")),
            }
        });
        methods.add_method("is_private", |_, key, ()| Ok(key.private.is_some()));
        methods.add_method("get_key_type", |lua, key, ()| {
            let (id, short, long) = match key.public.kind {
                KeyKind::Rsa => (6, "rsaEncryption", "rsaEncryption"),
                KeyKind::Ec => (408, "id-ecPublicKey", "id-ecPublicKey"),
                KeyKind::Ed25519 => (1087, "ED25519", "ED25519"),
                KeyKind::Other => (0, "UNDEF", "undefined"),
            };
            let kind = lua.create_table()?;
            kind.set("id", id)?;
            kind.set("nid", id)?;
            kind.set("sn", short)?;
            kind.set("ln", long)?;
            Ok(kind)
        });
        for name in ["to_PEM", "tostring"] {
            methods.add_method(name, |lua, key, (half, _): (Option<String>, Option<String>)| {
                let private = matches!(half.as_deref(), Some("private" | "PrivateKey"));
                match (&key.private, private) {
                    (Some((_, pem)), true) => one(lua, pem.as_str()),
                    (None, true) => failed(lua, "pkey:tostring: the key is not a private one"),
                    _ => one(lua, key.public_pem()),
                }
            });
        }
    }
}

/// `resty.openssl.pkey`
pub fn pkey(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set(
        "new",
        lua.create_function(|lua, given: Value| {
            let made = match &given {
                Value::String(text) => Key::parse(&text.as_bytes()),
                Value::Table(given) => {
                    Key::generate(&given.get::<Option<String>>("type")?.unwrap_or_else(|| "RSA".into()), given)?
                }
                Value::Nil => Key::generate("RSA", &lua.create_table()?)?,
                other => Err(format!("unexpected type {}", other.type_name())),
            };
            match made {
                Ok(key) => one(lua, lua.create_userdata(key)?),
                Err(error) => failed(lua, format!("pkey.new: {error}")),
            }
        })?,
    )?;
    module.set("istype", lua.create_function(|_, given: Value| Ok(crate::tls::object::<Key>(&given).is_some()))?)?;
    let paddings = lua.create_table()?;
    paddings.set("RSA_PKCS1_PADDING", 1)?;
    paddings.set("RSA_PKCS1_PSS_PADDING", PSS)?;
    module.set("PADDINGS", &paddings)?;
    module.set("paddings", paddings)?;
    Ok(module)
}

/// A certificate, DER.
struct Certificate(Vec<u8>);

impl Certificate {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let der = match text.windows(11).any(|window| window == b"-----BEGIN ") {
            true => crate::tls::Chain::of_pem(text)?.0.into_iter().next().unwrap_or_default(),
            false => text.to_vec(),
        };
        X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        Ok(Self(der))
    }

    fn read<T>(&self, of: impl FnOnce(&X509Certificate<'_>) -> T) -> mlua::Result<T> {
        let (_, parsed) = X509Certificate::from_der(&self.0).map_err(|error| error::of(error.to_string()))?;
        Ok(of(&parsed))
    }
}

impl UserData for Certificate {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for (name, of) in [
            ("get_subject_name", (|parsed| parsed.subject().to_string()) as fn(&X509Certificate<'_>) -> String),
            ("get_issuer_name", |parsed| parsed.issuer().to_string()),
        ] {
            // As an object with `tostring`, which is what plugins ask of a name.
            methods.add_method(name, move |lua, certificate, ()| {
                let text = certificate.read(of)?;
                let object = lua.create_table()?;
                let shown = lua.create_function(move |_, _: MultiValue| Ok(text.clone()))?;
                object.set("tostring", &shown)?;
                let metatable = lua.create_table()?;
                metatable.set("__tostring", shown)?;
                object.set_metatable(Some(metatable))?;
                Ok(object)
            });
        }
        methods.add_method("get_serial_number", |lua, certificate, ()| {
            let hex = certificate.read(|parsed| {
                let digits = parsed.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
                let trimmed = digits.trim_start_matches("00");
                if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
            })?;
            let number = lua.create_table()?;
            number.set("to_hex", lua.create_function(move |_, _: MultiValue| Ok(hex.clone()))?)?;
            Ok(number)
        });
        methods.add_method("get_not_before", |_, certificate, ()| {
            certificate.read(|parsed| parsed.validity().not_before.timestamp())
        });
        methods.add_method("get_not_after", |_, certificate, ()| {
            certificate.read(|parsed| parsed.validity().not_after.timestamp())
        });
        methods.add_method("get_ca", |_, certificate, ()| certificate.read(|parsed| parsed.is_ca()));
        methods.add_method("get_pubkey", |lua, certificate, ()| {
            match crypto::certificate_key(&pem("CERTIFICATE", &certificate.0)) {
                Some(public) => one(lua, lua.create_userdata(Key { public, private: None })?),
                None => failed(lua, "x509:get_pubkey: the certificate has no public key"),
            }
        });
        methods.add_method("digest", |lua, certificate, name: Option<String>| {
            let name = name.unwrap_or_else(|| "sha1".to_owned()).to_lowercase();
            match super::crypto::digest(&name, &certificate.0) {
                Some(digest) => one(lua, lua.create_string(digest)?),
                None => failed(lua, format!("x509:digest: there is no digest '{name}'")),
            }
        });
        for name in ["to_PEM", "tostring"] {
            methods.add_method(name, |lua, certificate, format: Option<String>| match format.as_deref() {
                Some("DER") => lua.create_string(&certificate.0),
                _ => lua.create_string(pem("CERTIFICATE", &certificate.0)),
            });
        }
    }
}

/// `resty.openssl.x509`
pub fn x509(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set(
        "new",
        lua.create_function(|lua, text: LuaString| match Certificate::parse(&text.as_bytes()) {
            Ok(certificate) => one(lua, lua.create_userdata(certificate)?),
            Err(error) => failed(lua, format!("x509.new: {error}")),
        })?,
    )?;
    module.set(
        "istype",
        lua.create_function(|_, given: Value| Ok(crate::tls::object::<Certificate>(&given).is_some()))?,
    )?;
    Ok(module)
}

impl UserData for Store {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("add", |_, store, certificate: AnyUserData| {
            store.0.push(certificate.borrow::<Certificate>()?.0.clone());
            Ok(true)
        });
    }
}

/// `resty.openssl.x509.store`
pub fn store(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set("new", lua.create_function(|lua, ()| lua.create_userdata(Store::default()))?)?;
    Ok(module)
}
