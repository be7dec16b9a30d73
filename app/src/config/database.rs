//! The database.

use super::reader::Reader;
use super::{DEFAULT_DATA_DIR, Profile};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use url::Url;

const FILE_NAME: &str = "agentidp.db";
/// What reads and writes in common has three, and a change one.
const MIN_CONNECTIONS: u32 = 4;

/// Which database. The text of a PostgreSQL URL is a secret, since it may hold a password.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// The path of the file.
    Sqlite(PathBuf),
    Postgres {
        url: SecretString,
        /// Most connections of this process.
        connections: u32,
    },
}

#[derive(Debug, Clone)]
pub struct Database {
    /// What the server uses.
    pub url: DatabaseUrl,
    /// What `migrate` uses: the role that owns the tables.
    pub migration_url: DatabaseUrl,
}

impl Database {
    pub(super) fn read(profile: &Profile, reader: &mut Reader<'_>) -> Option<Self> {
        let connections = reader.number("DATABASE_MAX_CONNECTIONS", 32, MIN_CONNECTIONS, 1_000);
        let url = reader.parse_secret("DATABASE_URL", |text| parse(text, connections));
        let migration_url = reader.parse_secret("MIGRATION_DATABASE_URL", |text| parse(text, connections));
        if let Profile::Dev { data_dir: Some(folder), .. } = profile {
            return Some(Self::in_folder(folder));
        }
        if reader.has_mistake("DATABASE_URL") || reader.has_mistake("MIGRATION_DATABASE_URL") {
            return None;
        }
        let Some(url) = url else {
            let database = Self::in_folder(Path::new(DEFAULT_DATA_DIR));
            return Some(Self { migration_url: migration_url.unwrap_or(database.migration_url), ..database });
        };
        Some(Self { migration_url: migration_url.unwrap_or_else(|| url.clone()), url })
    }

    fn in_folder(folder: &Path) -> Self {
        let url = DatabaseUrl::Sqlite(folder.join(FILE_NAME));
        Self { migration_url: url.clone(), url }
    }
}

impl DatabaseUrl {
    /// The URL as a driver takes it. That of a file has no `//`, after which a relative path would be read as a host,
    /// and characters that would end the path are written as %XX.
    pub fn connection_string(&self) -> SecretString {
        match self {
            Self::Sqlite(path) => {
                let path = path.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
                format!("sqlite:{path}").into()
            }
            Self::Postgres { url, .. } => url.expose_secret().to_owned().into(),
        }
    }

    /// The folder of a SQLite file.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => path.parent(),
            Self::Postgres { .. } => None,
        }
    }
}

fn parse(text: &str, connections: u32) -> Result<DatabaseUrl, String> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        return parse_sqlite(path.strip_prefix("//").unwrap_or(path));
    }
    // Only one spelling of the scheme is said in `docs/CONFIG.md`, but every driver takes both.
    if !text.starts_with("postgres:") && !text.starts_with("postgresql:") {
        return Err("must begin with `sqlite:` or `postgres:`".to_owned());
    }
    match Url::parse(text) {
        Ok(_) => Ok(DatabaseUrl::Postgres { url: text.to_owned().into(), connections }),
        Err(error) => Err(format!("is no URL ({error}); special characters of a password are written as %XX")),
    }
}

fn parse_sqlite(path: &str) -> Result<DatabaseUrl, String> {
    match path {
        "" => Err("names no file; write `sqlite://` and its path".to_owned()),
        ":memory:" => Err("`:memory:` keeps nothing; name a file".to_owned()),
        path if path.contains(['?', '%']) => Err("takes a path alone, without `?` and `%`".to_owned()),
        path => Ok(DatabaseUrl::Sqlite(path.into())),
    }
}
