//! Digests, keyed digests and ciphers by OpenSSL's names: what the modules of `resty.*` are made of.

use crate::error;
use crate::value::failed;
use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use md5::Md5;
use mlua::{Lua, LuaString, MultiValue, Table, Value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// Length of the tag of an authenticated cipher, in bytes.
const TAG: usize = 16;
/// The most random bytes that are asked for at once.
const MOST_RANDOM: usize = 1 << 20;

/// The digest of a name; none where there is no such.
pub fn digest(name: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(match name {
        "md5" => Md5::digest(data).to_vec(),
        "sha1" => Sha1::digest(data).to_vec(),
        "sha224" => Sha224::digest(data).to_vec(),
        "sha256" => Sha256::digest(data).to_vec(),
        "sha384" => Sha384::digest(data).to_vec(),
        "sha512" => Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

fn keyed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(mac.finalize().into_bytes().to_vec())
}

/// The keyed digest (RFC 2104) of a digest's name; none where there is no such.
fn hmac(name: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    match name {
        "md5" => keyed::<Hmac<Md5>>(key, data),
        "sha1" => keyed::<Hmac<Sha1>>(key, data),
        "sha224" => keyed::<Hmac<Sha224>>(key, data),
        "sha256" => keyed::<Hmac<Sha256>>(key, data),
        "sha384" => keyed::<Hmac<Sha384>>(key, data),
        "sha512" => keyed::<Hmac<Sha512>>(key, data),
        _ => None,
    }
}

/// What the modules that are written in Lua are given.
pub fn primitives(lua: &Lua) -> mlua::Result<Table> {
    let raw = lua.create_table()?;
    raw.set(
        "digest",
        lua.create_function(|lua, (name, data): (String, LuaString)| {
            digest(&name, &data.as_bytes()).map(|digest| lua.create_string(digest)).transpose()
        })?,
    )?;
    raw.set(
        "hmac",
        lua.create_function(|lua, (name, key, data): (String, LuaString, LuaString)| {
            hmac(&name, &key.as_bytes(), &data.as_bytes()).map(|digest| lua.create_string(digest)).transpose()
        })?,
    )?;
    raw.set(
        "random",
        lua.create_function(|lua, count: usize| {
            if count > MOST_RANDOM {
                return Err(error::of(format!("at most {MOST_RANDOM} random bytes can be asked for")));
            }
            let mut bytes = vec![0; count];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| error::of("there are no random bytes"))?;
            lua.create_string(bytes).map(Some)
        })?,
    )?;
    raw.set("cipher", lua.create_function(cipher)?)?;
    raw.set("key_length", lua.create_function(|_, name: String| Ok(Cipher::of(&name).map(|cipher| cipher.key)))?)?;
    Ok(raw)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Cbc,
    Ctr,
    Ecb,
    Gcm,
}

/// A cipher by its name: `aes-256-cbc`.
#[derive(Clone, Copy)]
struct Cipher {
    /// Length of its key, in bytes.
    key: usize,
    mode: Mode,
}

impl Cipher {
    fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (bits, mode) = name.strip_prefix("aes-").and_then(|rest| rest.split_once('-'))?;
        let key = match bits {
            "128" => 16,
            "192" => 24,
            "256" => 32,
            _ => return None,
        };
        let mode = match mode {
            "cbc" => Mode::Cbc,
            "ctr" => Mode::Ctr,
            "ecb" => Mode::Ecb,
            "gcm" => Mode::Gcm,
            _ => return None,
        };
        Some(Self { key, mode })
    }

    fn unbound(self, key: &[u8]) -> Option<UnboundCipherKey> {
        let algorithm = match self.key {
            16 => &AES_128,
            24 => &AES_192,
            _ => &AES_256,
        };
        UnboundCipherKey::new(algorithm, key).ok()
    }

    fn sealing(self, key: &[u8]) -> Option<LessSafeKey> {
        let algorithm = match self.key {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            _ => &AES_256_GCM,
        };
        UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
    }

    fn encrypt(self, job: &Job<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut data = job.data.to_vec();
        let context = || Some(EncryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(job.iv).ok()?)));
        match (self.mode, job.padding) {
            (Mode::Gcm, _) => {
                let nonce = Nonce::try_assume_unique_for_key(job.iv).ok()?;
                let key = self.sealing(job.key)?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(job.aad), &mut data).ok()?;
                return Some((data, tag.as_ref().to_vec()));
            }
            (Mode::Ctr, _) => {
                let key = EncryptingKey::ctr(self.unbound(job.key)?).ok()?;
                key.less_safe_encrypt(&mut data, context()?).ok()?;
            }
            (Mode::Cbc, true) => {
                let key = PaddedBlockEncryptingKey::cbc_pkcs7(self.unbound(job.key)?).ok()?;
                key.less_safe_encrypt(&mut data, context()?).ok()?;
            }
            (Mode::Cbc, false) => {
                let key = EncryptingKey::cbc(self.unbound(job.key)?).ok()?;
                key.less_safe_encrypt(&mut data, context()?).ok()?;
            }
            (Mode::Ecb, true) => {
                let key = PaddedBlockEncryptingKey::ecb_pkcs7(self.unbound(job.key)?).ok()?;
                key.less_safe_encrypt(&mut data, EncryptionContext::None).ok()?;
            }
            (Mode::Ecb, false) => {
                let key = EncryptingKey::ecb(self.unbound(job.key)?).ok()?;
                key.less_safe_encrypt(&mut data, EncryptionContext::None).ok()?;
            }
        }
        Some((data, Vec::new()))
    }

    fn decrypt(self, job: &Job<'_>) -> Option<Vec<u8>> {
        let mut data = job.data.to_vec();
        let context = || Some(DecryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(job.iv).ok()?)));
        let plain = match (self.mode, job.padding) {
            (Mode::Gcm, _) => {
                let tag = <[u8; TAG]>::try_from(job.tag).ok()?;
                data.extend_from_slice(&tag);
                let nonce = Nonce::try_assume_unique_for_key(job.iv).ok()?;
                self.sealing(job.key)?.open_in_place(nonce, Aad::from(job.aad), &mut data).ok()?.to_vec()
            }
            (Mode::Ctr, _) => {
                let key = DecryptingKey::ctr(self.unbound(job.key)?).ok()?;
                key.decrypt(&mut data, context()?).ok()?.to_vec()
            }
            (Mode::Cbc, true) => {
                let key = PaddedBlockDecryptingKey::cbc_pkcs7(self.unbound(job.key)?).ok()?;
                key.decrypt(&mut data, context()?).ok()?.to_vec()
            }
            (Mode::Cbc, false) => {
                let key = DecryptingKey::cbc(self.unbound(job.key)?).ok()?;
                key.decrypt(&mut data, context()?).ok()?.to_vec()
            }
            (Mode::Ecb, true) => {
                let key = PaddedBlockDecryptingKey::ecb_pkcs7(self.unbound(job.key)?).ok()?;
                key.decrypt(&mut data, DecryptionContext::None).ok()?.to_vec()
            }
            (Mode::Ecb, false) => {
                let key = DecryptingKey::ecb(self.unbound(job.key)?).ok()?;
                key.decrypt(&mut data, DecryptionContext::None).ok()?.to_vec()
            }
        };
        Some(plain)
    }
}

struct Job<'a> {
    key: &'a [u8],
    iv: &'a [u8],
    data: &'a [u8],
    padding: bool,
    aad: &'a [u8],
    tag: &'a [u8],
}

/// `cipher(name, encrypt, { key, iv, data, padding, aad, tag })`: data and tag, or `nil, err`.
fn cipher(lua: &Lua, (name, encrypt, given): (String, bool, Table)) -> mlua::Result<MultiValue> {
    let Some(cipher) = Cipher::of(&name) else { return failed(lua, format!("there is no cipher '{name}'")) };
    let bytes = |member: &str| -> mlua::Result<Vec<u8>> {
        Ok(given.get::<Option<LuaString>>(member)?.map(|text| text.as_bytes().to_vec()).unwrap_or_default())
    };
    let (key, iv, data, aad, tag) = (bytes("key")?, bytes("iv")?, bytes("data")?, bytes("aad")?, bytes("tag")?);
    if key.len() != cipher.key {
        return failed(lua, format!("key must be {} bytes long, not {}", cipher.key, key.len()));
    }
    let padding = given.get::<Option<bool>>("padding")?.unwrap_or(true);
    let job = Job { key: &key, iv: &iv, data: &data, padding, aad: &aad, tag: &tag };
    let done = match encrypt {
        true => cipher.encrypt(&job),
        false => cipher.decrypt(&job).map(|plain| (plain, Vec::new())),
    };
    match done {
        Some((data, tag)) => {
            Ok(MultiValue::from_iter([Value::String(lua.create_string(data)?), Value::String(lua.create_string(tag)?)]))
        }
        None if encrypt => failed(lua, format!("{name}: the data cannot be encrypted with such a key and iv")),
        None => failed(lua, format!("{name}: the data cannot be decrypted with such a key and iv")),
    }
}
