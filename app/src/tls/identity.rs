//! A certificate and its key, read from files and proved before anything is served with them.

use super::provider;
use crate::config::{Mistake, TlsFiles};
use agentidp_core::domain::time::Timestamp;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
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
        let chain = certificates(&files.certificate).map_err(|problem| files.certificate_mistake(problem))?;
        let facts = chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
        let Some((_, facts)) = facts else {
            return Err(files.certificate_mistake("does not begin with an X.509 certificate"));
        };
        let (subject, validity) = (facts.subject().to_string(), facts.validity().clone());
        let (key, key_is_open) = private_key(&files.key).map_err(|problem| files.key_mistake(problem))?;
        let key = provider().key_provider.load_private_key(key);
        let key =
            key.map_err(|_| files.key_mistake("holds a key of a kind that TLS here does not know; use ECDSA P-256"))?;
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
            subject,
            not_before: timestamp(validity.not_before),
            not_after: timestamp(validity.not_after),
            key_is_open,
        })
    }

    /// What is legal and still wants to be looked at.
    pub fn warnings(&self, now: Timestamp) -> Vec<&'static str> {
        let found = [
            (self.not_after < now, "the certificate has expired: clients refuse it; renew it and send SIGHUP"),
            (self.not_before > now, "the certificate is not valid yet: clients refuse it; is the clock right?"),
            (
                self.key_is_open,
                "everybody on this machine can read the key: `chmod 600` it, and replace it if one may have",
            ),
        ];
        found.into_iter().filter(|(wrong, _)| *wrong).map(|(_, warning)| warning).collect()
    }
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

fn private_key(path: &Path) -> Result<(PrivateKeyDer<'static>, bool), String> {
    let (text, is_open) = read(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok((key, is_open)),
        Err(pem::Error::NoItemsFound) => Err("holds no unencrypted private key in PEM form".to_owned()),
        // The cause might quote a line of the key.
        Err(_) => Err("is broken: what it holds between the PEM lines is not base64 to its end".to_owned()),
    }
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
