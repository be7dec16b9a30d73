//! Where the certificate of the listener and its key lie.

use super::Profile;
use super::error::Mistake;
use super::reader::Reader;
use crate::tls;
use std::path::{Path, PathBuf};

const CERTIFICATE: &str = "TLS_CERT_FILE";
const KEY: &str = "TLS_KEY_FILE";

/// The two files of a TLS listener, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that lead to an authority's.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TlsFiles {
    /// `None` without either. What serves has the files proved; a tool need not be able to read the key.
    pub(super) fn read(profile: &Profile, reader: &mut Reader<'_>) -> Option<Self> {
        let (certificate, key) = (reader.text(CERTIFICATE), reader.text(KEY));
        let serves = *profile != Profile::Tool;
        // Each file by itself first: neither hides what is wrong with the other.
        if serves {
            prove(CERTIFICATE, certificate.as_deref(), tls::prove_certificate, reader);
            prove(KEY, key.as_deref(), tls::prove_key, reader);
        }
        let files = match (certificate, key) {
            (Some(certificate), Some(key)) => Self { certificate: certificate.into(), key: key.into() },
            (Some(_), None) => {
                reader.mistake(KEY, format!("is required beside {CERTIFICATE}"));
                return None;
            }
            (None, Some(_)) => {
                reader.mistake(CERTIFICATE, format!("is required beside {KEY}"));
                return None;
            }
            (None, None) => return None,
        };
        if serves
            && !reader.has_mistake(CERTIFICATE)
            && !reader.has_mistake(KEY)
            && let Err(mistake) = tls::prove(&files)
        {
            reader.mistake(&mistake.name, mistake.problem);
        }
        Some(files)
    }

    /// Something is wrong with the file of the certificate.
    pub fn certificate_mistake(&self, problem: impl std::fmt::Display) -> Mistake {
        Mistake { name: CERTIFICATE.to_owned(), problem: about(&self.certificate, problem) }
    }

    /// Something is wrong with the file of the key.
    pub fn key_mistake(&self, problem: impl std::fmt::Display) -> Mistake {
        Mistake { name: KEY.to_owned(), problem: about(&self.key, problem) }
    }
}

fn about(path: &Path, problem: impl std::fmt::Display) -> String {
    format!("`{}` {problem}", path.display())
}

/// Notes what is wrong with one file, if it is named.
fn prove(name: &str, path: Option<&str>, proof: fn(&Path) -> Result<(), String>, reader: &mut Reader<'_>) {
    if let Some(path) = path.map(Path::new)
        && let Err(problem) = proof(path)
    {
        reader.mistake(name, about(path, problem));
    }
}
