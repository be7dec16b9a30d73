//! The master key: it seals the signing keys and peppers the digests.

use super::database::Database;
use super::error::ConfigError;
use super::reader::Reader;
use super::{DEFAULT_DATA_DIR, Profile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};
use std::path::PathBuf;

const NAME: &str = "MASTER_KEY";
const PREVIOUS: &str = "MASTER_KEY_PREVIOUS";
const FILE_NAME: &str = "master.key";
const HOW: &str = "make one with `openssl rand -base64 32`";
const LENGTH: usize = 32;

/// 32 random bytes.
#[derive(Debug)]
pub struct MasterKey(SecretBox<[u8; LENGTH]>);

/// Where the master key is.
#[derive(Debug)]
pub enum MasterKeySource {
    Given(MasterKey),
    /// In this file, in base64. `dev` makes it, with mode 0600, when it is not there; other commands only read it.
    File(PathBuf),
}

#[derive(Debug)]
pub struct Keys {
    /// `None` only for a [`Profile::Tool`] on PostgreSQL.
    pub current: Option<MasterKeySource>,
    /// Still read while it is being replaced.
    pub previous: Option<MasterKey>,
}

impl MasterKey {
    /// The bytes, for deriving subkeys from them.
    pub fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }
}

impl std::str::FromStr for MasterKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| format!("is not base64; {HOW}"))?;
        let key = <[u8; LENGTH]>::try_from(bytes.as_slice());
        let key = key.map_err(|_| format!("holds {} bytes and must hold {LENGTH}; {HOW}", bytes.len()))?;
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err(format!("is not random; {HOW}"));
        }
        Ok(Self(SecretBox::new(Box::new(key))))
    }
}

impl Keys {
    pub(super) fn read(profile: &Profile, database: Option<&Database>, reader: &mut Reader<'_>) -> Self {
        let current = reader.parse_secret(NAME, str::parse::<MasterKey>);
        let previous = reader.parse_secret(PREVIOUS, str::parse::<MasterKey>);
        if let (Some(current), Some(previous)) = (&current, &previous)
            && current.expose() == previous.expose()
        {
            reader.mistake(PREVIOUS, "equals MASTER_KEY; unset it once the old key is no longer in use");
        }
        let current = current.map(MasterKeySource::Given).or_else(|| beside(profile, database));
        if current.is_none() && *profile == Profile::Serve && !reader.has_mistake(NAME) {
            reader.mistake(NAME, format!("is required; {HOW}, and keep it: nothing can be read without it"));
        }
        Self { current, previous }
    }

    /// The master key of a command that cannot work without one.
    ///
    /// # Errors
    /// The mistake of not setting it.
    pub fn required(&self) -> Result<&MasterKeySource, ConfigError> {
        self.current.as_ref().ok_or_else(|| ConfigError::one(NAME, "is required; set the key of the servers"))
    }
}

/// The key file beside the SQLite file.
fn beside(profile: &Profile, database: Option<&Database>) -> Option<MasterKeySource> {
    let folder = database.and_then(|database| database.url.folder()).map(PathBuf::from);
    let folder = match profile {
        Profile::Dev { .. } => Some(folder.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR))),
        Profile::Tool => folder,
        Profile::Serve => None,
    };
    folder.map(|folder| MasterKeySource::File(folder.join(FILE_NAME)))
}
