//! The database.

use super::authorities;
use super::reader::Reader;
use super::{DEFAULT_DATA_DIR, Profile};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use url::Url;

const FILE_NAME: &str = "agentidp.db";
/// What reads and writes in common has three, and a change one.
const MIN_CONNECTIONS: u32 = 4;

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const PARAMETERS: [&str; 7] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "options", "statement-cache-capacity"];

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
    let url = Url::parse(text)
        .map_err(|error| format!("is no URL ({error}); special characters of a password are written as %XX"))?;
    url.query_pairs().try_for_each(|(name, value)| check_parameter(&name, &value))?;
    Ok(DatabaseUrl::Postgres { url: text.to_owned().into(), connections })
}

/// The driver ignores what it does not know, a misspelt `sslmode` among it, and does not name a file that is not there.
fn check_parameter(name: &str, value: &str) -> Result<(), String> {
    match name {
        "sslmode" if SSL_MODES.contains(&value) => Ok(()),
        "sslmode" => Err(format!("has no `sslmode` that is known; write one of {}", SSL_MODES.join(", "))),
        // The driver would pass over a file without certificates.
        "sslrootcert" => {
            authorities::read(value).map(drop).map_err(|problem| format!("names in `sslrootcert` the file {problem}"))
        }
        "sslcert" | "sslkey" => std::fs::File::open(value)
            .map(drop)
            .map_err(|error| format!("names in `{name}` the file `{value}`, which cannot be opened: {error}")),
        "host" | "options" | "statement-cache-capacity" => Ok(()),
        _ => Err(format!("has a parameter `{name}`, which is not one of {}", PARAMETERS.join(", "))),
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
