//! `agentidp keys list|rotate|revoke`: which keys sign JWTs and Biscuits.

use super::{CommandError, output, tool_config};
use crate::config::{Config, Source};
use crate::wiring::{self, StartError};
use agentidp_core::domain::key::{KeyState, KeyUse, StoredKey};
use agentidp_core::services::keys::{KeyService, list};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the signing keys, oldest first
    ///
    /// `published` is in the key set and will sign, `signs` does, `retired` only verifies, `ended` has left the key
    /// set, `revoked` is worth nothing.
    #[command(after_help = "Example:\n  agentidp keys list --json")]
    List(List),
    /// Make new signing keys
    ///
    /// One for JWTs and one for Biscuits, unless `--use` names one of them. A new key is published at once and signs
    /// after 305 seconds, when every key set that somebody keeps has been fetched anew. The key before it goes on to
    /// verify until its last token is over. Servers do this themselves every KEY_ROTATION_DAYS.
    #[command(after_help = "Example:\n  agentidp keys rotate --use jwt")]
    Rotate(Rotate),
    /// Drop a signing key that leaked
    ///
    /// Every token that it signed is void within 5 seconds. If no other key signs, a new one does at once.
    #[command(after_help = "Example:\n  agentidp keys revoke 5UFlzVuDHVHmdAQZYbXN-2VqKWzTQ7IVvuEdpqqjA5c")]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub struct List {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Rotate {
    /// What the new key signs: `jwt` or `biscuit`; both if it is not given
    #[arg(long = "use", value_name = "USE")]
    usage: Option<KeyUse>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// The key, as `keys list` names it
    // The name is base64url, so it may begin with a hyphen.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl KeysCommand {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        match self {
            Self::List(list) => list.run(source).await,
            Self::Rotate(rotate) => rotate.run(source).await,
            Self::Revoke(revoke) => revoke.run(source).await,
        }
    }
}

/// The use-cases over the server's data, under its own master key.
async fn service(config: &Config) -> Result<KeyService, CommandError> {
    let keys = wiring::master_keys(config, false)?;
    let store = wiring::open_writable_store(&config.database.url).await?;
    wiring::must_fit(&store, &keys).await?;
    Ok(wiring::key_service(config, &store, &keys, wiring::ambient()))
}

fn to_json(key: &StoredKey, state: KeyState) -> Value {
    json!({
        "kid": key.kid, "use": key.usage.as_str(), "algorithm": key.algorithm.as_str(), "state": state.as_str(),
        "createdAt": key.created_at.to_string(), "activeFrom": key.active_from.to_string(),
        "revokedAt": key.revoked_at.map(|at| at.to_string()),
    })
}

fn to_text(key: &StoredKey, state: KeyState) -> String {
    let since = match (state, key.revoked_at) {
        (KeyState::Revoked, Some(at)) => format!("at {at}"),
        (KeyState::Published, _) => format!("signs from {}", key.active_from),
        _ => format!("from {}", key.active_from),
    };
    format!("{:<43}  {:<7}  {}  {state:<9}  {since}", key.kid, key.usage, key.algorithm)
}

impl List {
    async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let store = wiring::key_store(&wiring::open_current_store(&config.database.url).await?);
        for (key, state) in list(store.as_ref(), wiring::system_time()).await.map_err(StartError::from)? {
            if self.json {
                output::json(&to_json(&key, state))?;
            } else {
                output::line(&to_text(&key, state))?;
            }
        }
        Ok(())
    }
}

impl Rotate {
    async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let service = service(&config).await?;
        for usage in KeyUse::ALL.iter().copied().filter(|usage| self.usage.is_none_or(|wanted| wanted == *usage)) {
            let key = service.rotate(usage).await.map_err(CommandError::failed)?;
            wiring::tell_of_keys(&config).await;
            let state = if key.active_from > key.created_at { KeyState::Published } else { KeyState::Signs };
            if self.json { output::json(&to_json(&key, state)) } else { output::line(&to_text(&key, state)) }?;
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let done = service(&config).await?.revoke(&self.kid).await.map_err(CommandError::failed)?;
        wiring::tell_of_keys(&config).await;
        let replacement = done.replacement.map(|key| key.kid);
        if self.json {
            output::json(&json!({ "kid": self.kid, "revokedAt": done.at.to_string(), "replacedBy": replacement }))
        } else {
            output::line(&format!("{}  revoked at {}", self.kid, done.at))?;
            replacement.map_or(Ok(()), |kid| output::line(&format!("{kid}  signs now, for no other key did")))
        }
    }
}
