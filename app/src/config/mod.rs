//! What the operator chose: environment first, then `agentidp.toml`, parsed once into typed sections. Nothing starts
//! while there is one mistake, and all of them are reported together, each by the name of its variable.
//!
//! The variables are listed in `docs/CONFIG.md`; a test compares that page with the names that the sections ask for.

mod audit;
mod authorities;
mod aws;
mod database;
mod error;
mod keys;
mod limits;
mod log;
mod policy;
mod reader;
mod redis;
mod secrets;
mod server;
mod source;
mod tls;
mod tokens;
mod url_rules;
mod vault;

#[cfg(test)]
mod tests;

pub use audit::Audit;
pub use aws::Aws;
pub use database::{Database, DatabaseUrl};
pub use error::{ConfigError, Mistake};
pub use keys::{Keys, MasterKey, MasterKeySource};
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use policy::{Policy, PolicyEngineKind};
pub use redis::Redis;
pub use secrets::{Secrets, SecretsBackend};
pub use server::{Issuer, Server, base_url};
pub use source::Source;
pub use tls::TlsFiles;
pub use tokens::Tokens;
pub use url_rules::{IssuerUrl, Origin, ServerUrl};
pub use vault::{Vault, VaultLogin};

use reader::Reader;
use std::path::PathBuf;

/// Where the data of `dev` lies unless `--data-dir` or `DATABASE_URL` says otherwise.
pub const DEFAULT_DATA_DIR: &str = "data";

/// What the configuration is read for: it decides defaults and what is required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Profile {
    /// `agentidp dev`: everything embedded. An option of the command line goes before its variable: `data_dir` before
    /// `DATABASE_URL`, `port` before `PORT`.
    Dev { data_dir: Option<PathBuf>, port: Option<u16> },
    /// `agentidp serve`: `ISSUER` and `MASTER_KEY` are required.
    #[default]
    Serve,
    /// A command over the data of a server (`migrate`, `keys`, `credentials` …): what only a listener needs is not
    /// required, and a master key only by the commands that ask [`Keys::required`].
    Tool,
}

/// The whole configuration. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub secrets: Secrets,
    pub policy: Policy,
    pub keys: Keys,
    pub tokens: Tokens,
    pub limits: Limits,
    /// None: limits are those of this process.
    pub redis: Option<Redis>,
    pub audit: Audit,
    pub log: Log,
}

impl Config {
    /// Parses what `source` holds for `profile`.
    ///
    /// # Errors
    /// Every mistake, in the order of the sections.
    pub fn load(profile: &Profile, source: &Source) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source);
        let config = Self::read(profile, &mut reader);
        match (config, reader.finish()) {
            (Some(config), mistakes) if mistakes.is_empty() => Ok(config),
            (_, mistakes) => Err(ConfigError { mistakes }),
        }
    }

    /// Reads every section before it gives up, so that no mistake hides another. `None` only beside a mistake.
    fn read(profile: &Profile, reader: &mut Reader<'_>) -> Option<Self> {
        let server = Server::read(profile, reader);
        let database = Database::read(profile, reader);
        let secrets = Secrets::read(reader);
        let policy = Policy::read(reader);
        let keys = Keys::read(profile, database.as_ref(), reader);
        let tokens = Tokens::read(reader);
        let limits = Limits::read(reader);
        let redis = Redis::read(reader);
        let audit = Audit::read(reader);
        let log = Log::read(reader);
        Some(Self { server: server?, database: database?, secrets, policy, keys, tokens, limits, redis, audit, log })
    }
}
