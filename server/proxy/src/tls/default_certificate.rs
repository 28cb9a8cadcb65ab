//! The certificate of a node that was given none, and the ones it was given.

use rcgen::{CertificateParams, DnType, KeyPair};
use snapshot::{CertificateError, Pair, certified_key};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there is no default certificate.
#[derive(Debug, thiserror::Error)]
pub enum DefaultError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Certificate or key are of no use.
    #[error("{certificate}: {error}")]
    Invalid {
        /// Which certificate.
        certificate: String,
        /// Why.
        #[source]
        error: CertificateError,
    },
    /// `ssl_cert` and `ssl_cert_key` differ in length.
    #[error("there are {certificates} certificates and {keys} keys; each certificate needs its key")]
    Uneven {
        /// How many certificates.
        certificates: usize,
        /// How many keys.
        keys: usize,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// Certificates and keys as given: `ssl_cert` and `ssl_cert_key`, each a path or PEM text. The first pair counts, and
/// the second, of another key type, is its alternative.
pub fn load(certificates: &[String], keys: &[String]) -> Result<Option<Pair>, DefaultError> {
    if certificates.len() != keys.len() {
        return Err(DefaultError::Uneven { certificates: certificates.len(), keys: keys.len() });
    }
    let mut pairs = Vec::new();
    for (certificate, key) in certificates.iter().zip(keys) {
        let pair = certified_key(&text_of(certificate)?, &text_of(key)?).map_err(|error| DefaultError::Invalid {
            certificate: if is_pem(certificate) { "ssl_cert".into() } else { certificate.clone() },
            error,
        })?;
        pairs.push(Arc::new(pair));
    }
    let mut pairs = pairs.into_iter();
    Ok(pairs.next().map(|main| Pair::new(main, pairs.next())))
}

fn is_pem(given: &str) -> bool {
    given.contains("-----BEGIN ")
}

fn text_of(given: &str) -> Result<String, DefaultError> {
    match is_pem(given) {
        true => Ok(given.to_owned()),
        false => {
            fs::read_to_string(given).map_err(|error| DefaultError::Unreadable { path: PathBuf::from(given), error })
        }
    }
}

/// The node's own self-signed certificate for `localhost`, from `directory` (made there when it is missing, so that a
/// restart shows the same one). Where the directory cannot be written to, the certificate lives as long as the process.
pub fn own(directory: &Path) -> Result<Pair, DefaultError> {
    let (certificate, key) = (directory.join("kong-default.crt"), directory.join("kong-default.key"));
    if !certificate.exists() || !key.exists() {
        let (certificate_pem, key_pem) = generate("localhost")?;
        let kept = fs::create_dir_all(directory)
            .and_then(|()| write(&key, &key_pem, 0o600))
            .and_then(|()| write(&certificate, &certificate_pem, 0o644));
        if let Err(error) = kept {
            tracing::warn!(directory = %directory.display(), %error, "the node's own certificate cannot be kept; the next start makes another");
            let pair = certified_key(&certificate_pem, &key_pem)
                .map_err(|error| DefaultError::Invalid { certificate: "the node's own".into(), error })?;
            return Ok(Pair::new(Arc::new(pair), None));
        }
    }
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| DefaultError::Unreadable { path: path.to_owned(), error })
    };
    let pair = certified_key(&read(&certificate)?, &read(&key)?)
        .map_err(|error| DefaultError::Invalid { certificate: certificate.display().to_string(), error })?;
    Ok(Pair::new(Arc::new(pair), None))
}

/// A self-signed certificate for a name, and its key, both PEM: P-256, valid for twenty years.
pub fn generate(name: &str) -> Result<(String, String), DefaultError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, "Silverback");
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(20 * 365);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod unit {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_own_certificate_survives_a_restart() {
        let directory = std::env::temp_dir().join(format!("tls-{}", uuid::Uuid::new_v4()));
        let shown = || own(&directory).unwrap().choose(&[]).key.cert[0].clone();
        let first = shown();
        assert_eq!(shown(), first);
        let key = directory.join("kong-default.key");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let (certificate, path) = (directory.join("kong-default.crt"), |path: &Path| path.display().to_string());
        let given = load(&[path(&certificate)], &[path(&key)]).unwrap().unwrap();
        assert_eq!(given.choose(&[]).key.cert[0], first);
        fs::write(&certificate, "garbage").unwrap();
        let error = own(&directory).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: invalid certificate", certificate.display())), "{error}");
        fs::remove_dir_all(&directory).unwrap();
        // A file where the directory should be.
        fs::write(&directory, "").unwrap();
        assert!(own(&directory).is_ok());
        fs::remove_file(&directory).unwrap();
    }

    #[test]
    fn what_is_given_must_be_readable() {
        assert!(load(&[], &[]).unwrap().is_none());
        let error = load(&["/nonexistent".into()], &["/nonexistent".into()]).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nonexistent: "), "{error}");
        let (one, two) = (generate("a.test").unwrap(), generate("b.test").unwrap());
        assert!(load(&[one.0.clone(), two.0], &[one.1, two.1.clone()]).unwrap().is_some());
        let error = load(std::slice::from_ref(&one.0), &[two.1]).unwrap_err().to_string();
        assert_eq!(error, "ssl_cert: certificate does not match key");
        assert!(load(&[one.0], &[]).unwrap_err().to_string().contains("1 certificates and 0 keys"));
    }
}
