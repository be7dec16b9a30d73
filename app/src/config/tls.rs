//! Where the certificate of the listener and its key lie.

use super::Profile;
use super::error::Mistake;
use super::reader::Reader;
use crate::tls;
use std::path::PathBuf;

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
        let files = match (reader.text(CERTIFICATE), reader.text(KEY)) {
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
        if *profile != Profile::Tool
            && let Err(mistake) = tls::prove(&files)
        {
            reader.mistake(&mistake.name, mistake.problem);
        }
        Some(files)
    }

    /// Something is wrong with the file of the certificate.
    pub fn certificate_mistake(&self, problem: impl std::fmt::Display) -> Mistake {
        Mistake { name: CERTIFICATE.to_owned(), problem: format!("`{}` {problem}", self.certificate.display()) }
    }

    /// Something is wrong with the file of the key.
    pub fn key_mistake(&self, problem: impl std::fmt::Display) -> Mistake {
        Mistake { name: KEY.to_owned(), problem: format!("`{}` {problem}", self.key.display()) }
    }
}
