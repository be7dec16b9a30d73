//! `agentidp credentials import|status`: the way off bcrypt.

use super::{CommandError, input, output, tool_config};
use crate::config::Source;
use crate::http::body::parse_json;
use crate::http::dto::fields::{Fields, text};
use crate::wiring::{self, StartError};
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::domain::text::Invalid;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::services::import::{ImportError, Imported, LegacyCredential};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Take over existing bcrypt hashes
    ///
    /// FILE holds one JSON object a line: {"clientId", "secretHash"} and, if known, "credentialId", "createdAt",
    /// "expiresAt". Nothing is written unless every line is good; doing it again changes nothing.
    #[command(after_help = "Example:\n  agentidp credentials import hashes.jsonl")]
    Import(Import),
    /// Count the credentials on each backend
    #[command(after_help = "Example:\n  agentidp credentials status --json")]
    Status(Status),
}

#[derive(Debug, Args)]
pub struct Import {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

impl CredentialsCommand {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        match self {
            Self::Import(import) => import.run(source).await,
            Self::Status(status) => status.run(source).await,
        }
    }
}

impl Import {
    async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let credentials = parse_file(&input::text(&self.file, MAX_FILE_BYTES)?)?;
        let store = wiring::open_writable_store(&config.database.url).await?;
        let service = wiring::import_service(&store);
        let (mut new, mut known, mut refused) = (0_u64, 0_u64, Vec::new());
        for (line, credential) in &credentials {
            if let Err(error) = service.check(credential).await {
                refused.push((*line, error.to_string()));
            }
        }
        let credentials = if refused.is_empty() { credentials } else { Vec::new() };
        for (line, credential) in credentials {
            match service.import(credential).await {
                Ok(Imported::New(_)) => new = new.saturating_add(1),
                Ok(Imported::AlreadyThere(_)) => known = known.saturating_add(1),
                Err(error @ ImportError::Unavailable(_)) => return Err(CommandError::failed(error)),
                Err(error) => refused.push((line, error.to_string())),
            }
        }
        for (line, reason) in &refused {
            output::note(&format!("line {line}: {reason}"));
        }
        let summary = json!({ "imported": new, "alreadyThere": known, "refused": refused.len() });
        if self.json {
            output::json(&summary)?;
        } else {
            output::line(&format!("imported {new}, already there {known}, refused {}", refused.len()))?;
        }
        if refused.is_empty() { Ok(()) } else { Err(CommandError::Failed("some lines were refused".to_owned())) }
    }
}

/// Reads every line before any is taken over.
fn parse_file(text: &str) -> Result<Vec<(usize, LegacyCredential)>, CommandError> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let lines = text.lines().zip(1_usize..).filter(|(line, _)| !line.trim().is_empty());
    for (line, number) in lines {
        match parse_line(line) {
            Ok(credential) => good.push((number, credential)),
            Err(reason) => bad.push(format!("line {number}: {reason}")),
        }
    }
    if bad.is_empty() {
        Ok(good)
    } else {
        Err(CommandError::Usage(format!("nothing was imported:\n{}", bad.join("\n"))))
    }
}

fn parse_line(line: &str) -> Result<LegacyCredential, String> {
    let mut fields = Fields::of_object(parse_json(line.as_bytes())?).map_err(|_| "is no JSON object".to_owned())?;
    let agent_id = fields.required("clientId", text);
    let secret = fields.required("secretHash", hash);
    let credential_id = fields.optional("credentialId", text);
    let created_at = fields.optional("createdAt", past);
    let expires_at = fields.optional("expiresAt", text);
    let legacy =
        || Some(LegacyCredential { agent_id: agent_id?, credential_id, secret: secret?, created_at, expires_at });
    fields.finish(legacy).map_err(|failure| input::mistakes(&failure))
}

fn past(value: &Value) -> Result<Timestamp, Invalid> {
    let at: Timestamp = text(value)?;
    if at <= wiring::system_time() { Ok(at) } else { Err(Invalid::new("must not be in the future")) }
}

fn hash(value: &Value) -> Result<SecretRef, Invalid> {
    SecretRef::bcrypt(value.as_str().unwrap_or_default())
}

impl Status {
    async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let store = wiring::open_current_store(&config.database.url).await?;
        let now = wiring::system_time();
        let mut counts = wiring::credential_store(&store).count(now).await.map_err(StartError::from)?;
        counts.sort_unstable();
        if self.json {
            let rows = counts.iter().map(|(backend, status, count)| {
                json!({"backend": backend.as_str(), "status": status.as_str(), "count": count})
            });
            output::json(&json!({ "credentials": rows.collect::<Vec<_>>() }))
        } else if counts.is_empty() {
            output::line("there are no credentials")
        } else {
            counts
                .into_iter()
                .try_for_each(|(backend, status, count)| output::line(&format!("{backend:<20} {status:<8} {count}")))
        }
    }
}
