//! A certificate and its key, read from files and proved before anything is served with them.

use super::provider;
use crate::config::{Mistake, TlsFiles};
use agentidp_core::domain::time::Timestamp;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};
use secrecy::zeroize::Zeroizing;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// No chain is longer; a larger file is the wrong file.
const FILE_LIMIT: u64 = 1024 * 1024;
/// The bit of a file's mode that lets everybody read it.
const READ_BY_ALL: u32 = 0o004;

/// A certificate with its chain and its key.
pub struct Identity {
    pub key: Arc<CertifiedKey>,
    pub subject: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    key_is_open: bool,
}

impl Identity {
    /// Reads the files, and makes sure that the key is that of the certificate.
    ///
    /// # Errors
    /// The mistake, by the name of the variable of its file.
    pub fn load(files: &TlsFiles) -> Result<Self, Mistake> {
        let (chain, facts) = chain(&files.certificate).map_err(|problem| files.certificate_mistake(problem))?;
        let (key, key_is_open) = private_key(&files.key).map_err(|problem| files.key_mistake(problem))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            // Of some keys the public half cannot be told; those of aws-lc-rs all tell it.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let certificate = files.certificate.display();
                return Err(files.key_mistake(format!("is not the key of the first certificate in `{certificate}`")));
            }
            Err(error) => return Err(files.certificate_mistake(format!("cannot be used: {error}"))),
        }
        Ok(Self {
            key: Arc::new(key),
            subject: facts.subject,
            not_before: facts.not_before,
            not_after: facts.not_after,
            key_is_open,
        })
    }

    /// What is legal and still wants to be looked at, by the name of the variable.
    pub fn warnings(&self, files: &TlsFiles, now: Timestamp) -> Vec<Mistake> {
        let mut found = Vec::new();
        if self.not_after < now {
            found.push(files.certificate_mistake("has expired: clients refuse it; renew it and send SIGHUP"));
        }
        if self.not_before > now {
            found.push(files.certificate_mistake("is not valid yet: clients refuse it; is the clock right?"));
        }
        if self.key_is_open {
            let problem = "can be read by everybody on this machine: `chmod 600` it, and replace it if one may have";
            found.push(files.key_mistake(problem));
        }
        found
    }
}

/// What the first certificate of a file says.
pub struct Facts {
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// The certificates of a PEM file, and what the first of them says.
///
/// # Errors
/// The problem, to be said of the file.
pub fn chain(path: &Path) -> Result<(Vec<CertificateDer<'static>>, Facts), String> {
    let chain = certificates(path)?;
    let leaf = chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
    let Some((_, leaf)) = leaf else {
        return Err("does not begin with an X.509 certificate".to_owned());
    };
    let validity = leaf.validity();
    let facts = Facts {
        subject: leaf.subject().to_string(),
        not_before: timestamp(validity.not_before),
        not_after: timestamp(validity.not_after),
    };
    Ok((chain, facts))
}

/// The certificates of a PEM file, in their order.
///
/// # Errors
/// The problem, to be said of the file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (text, _) = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("holds no certificate in PEM form".to_owned()),
        Ok(chain) => Ok(chain),
        Err(_) => Err("is broken: what it holds between the PEM lines is not base64 to its end".to_owned()),
    }
}

/// The key of a PEM file, and whether everybody may read it.
///
/// # Errors
/// The problem, to be said of the file. It quotes nothing of it.
pub fn private_key(path: &Path) -> Result<(Arc<dyn SigningKey>, bool), String> {
    let (text, is_open) = read(path)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => "holds no unencrypted private key in PEM form".to_owned(),
        _ => "is broken: what it holds between the PEM lines is not base64 to its end".to_owned(),
    })?;
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|_| "holds a key of a kind that TLS here does not know; use ECDSA P-256".to_owned())?;
    Ok((key, is_open))
}

/// The content of a file, and whether everybody may read it.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, bool), String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mode = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.permissions().mode();
    let mut content = Zeroizing::new(Vec::new());
    file.take(FILE_LIMIT).read_to_end(&mut content).map_err(|error| format!("cannot be read: {error}"))?;
    Ok((content, mode & READ_BY_ALL != 0))
}

fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_unix_millis(time.timestamp().saturating_mul(1_000))
}
