//! `agentidp policy explain`: one decision, made again, and what would have changed it.

use super::{PolicyFolder, decision, input};
use crate::commands::{CommandError, output, tool_config};
use crate::config::Source;
use crate::http::body::parse_json;
use crate::http::dto::audit::AuditEvent;
use crate::wiring::{self, GivenPolicy, StartError};
use agentidp_core::domain::ids::EventId;
use agentidp_core::ports::policy::{Owners, PolicyInput};
use agentidp_core::ports::storage::AuditLog;
use agentidp_core::services::explain::{Change, Explanation, Remedy, explain};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Most bytes of an input.
const MAX_INPUT_BYTES: u64 = 1024 * 1024;

pub const EXAMPLE: &str = "Examples:
  agentidp policy explain --event 01a20f75-7b71-72a6-86db-4b2116d6d4fa
  agentidp policy explain --input request.json ./policies

where request.json holds an input as the audit log keeps them:
  {\"operation\": \"queryAuditLog\", \"method\": \"GET\", \"path\": \"/api/v1/audit\",
   \"time\": \"2026-01-02T03:04:05.678Z\", \"scopes\": [\"agents:read\"],
   \"caller\": {\"agentId\": \"01a20f75-7b71-72a6-86db-4b2116d6d4fa\", \"owner\": \"team-red\",
              \"agentType\": \"monitor\", \"deploymentEnv\": \"staging\", \"status\": \"active\",
              \"capabilities\": [\"agents:read\"], \"tokenType\": \"jwt\"}}
and, where they matter, agentId, sourceIp, resource (an agent, without tokenType) and request.";

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["input", "event"])))]
pub struct Explain {
    /// The input of a decision, as JSON; `-` is stdin
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// An event of the audit log, decided again by the policy that was in force
    #[arg(long, value_name = "ID", conflicts_with = "folder")]
    event: Option<EventId>,
    #[command(flatten)]
    policy: PolicyFolder,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// A decision to be made again.
struct Case {
    policy: GivenPolicy,
    input: PolicyInput,
    /// The event that recorded it.
    event: Option<AuditEvent>,
}

impl Explain {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let case = match (&self.input, self.event) {
            (_, Some(id)) => recorded(id, source).await?,
            (Some(file), None) => {
                let text = crate::commands::input::text(file, MAX_INPUT_BYTES)?;
                let value = parse_json(text.as_bytes())
                    .map_err(|problem| CommandError::Usage(format!("the input {problem}")))?;
                let input = input::read(value).map_err(|error| CommandError::Usage(error.0))?;
                Case { policy: wiring::given_policy(self.policy.folder.as_deref())?, input, event: None }
            }
            (None, None) => return Err(CommandError::Usage("give --input or --event".to_owned())),
        };
        let explanation =
            explain(case.policy.engine.as_ref(), &case.input, &case.policy.scopes).map_err(CommandError::failed)?;
        if self.json { output::json(&to_json(&case, &explanation)) } else { print(&case, &explanation) }
    }
}

/// The decision that an event tells of, and the policy that made it.
async fn recorded(id: EventId, source: &Source) -> Result<Case, CommandError> {
    let config = tool_config(source)?;
    let store = wiring::open_current_store(&config.database.url).await?;
    let event = AuditLog::find(store.as_ref(), id, &Owners::All, None).await.map_err(StartError::from)?;
    let event = event.ok_or_else(|| CommandError::Failed(format!("the audit log has no event {id}")))?;
    let event = AuditEvent::from(&event);
    let (Some(input), Some(hash)) = (event.metadata.get("input"), &event.policy_hash) else {
        let text =
            format!("the event {id} ({}) carries no input; changes, refusals and issued tokens do", event.action);
        return Err(CommandError::Failed(text));
    };
    let input = input::read(input.clone())
        .map_err(|error| CommandError::Failed(format!("the input of the event {id} cannot be read: {}", error.0)))?;
    Ok(Case { policy: wiring::kept_policy(store.as_ref(), hash).await?, input, event: Some(event) })
}

fn to_json(case: &Case, explanation: &Explanation) -> Value {
    let event = case.event.as_ref();
    json!({
        "event": event.map(|event| json!({
            "eventId": event.event_id, "timestamp": event.timestamp, "action": event.action,
            "outcome": event.outcome, "reason": event.reason,
        })),
        "operation": case.input.operation,
        "decision": decision::to_json(&explanation.decided.decision),
        "policyHash": explanation.decided.policy_hash,
        "wouldAllow": explanation.remedies.iter().map(|remedy| remedy.iter().map(change).collect()).collect::<Vec<Value>>(),
    })
}

fn change(change: &Change) -> Value {
    match change {
        Change::Scope(scope) => json!({ "change": "scope", "scope": scope.as_str() }),
        Change::OwnAgent => json!({ "change": "agentOwner" }),
        Change::OwnOwner => json!({ "change": "requestedOwner" }),
        Change::Capabilities(names) => json!({ "change": "capabilities", "capabilities": names }),
        Change::Jwt => json!({ "change": "tokenType", "tokenType": "jwt" }),
    }
}

fn print(case: &Case, explanation: &Explanation) -> Result<(), CommandError> {
    let decision = &explanation.decided.decision;
    if let Some(event) = &case.event {
        let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        output::line(&format!(
            "event      {} of {}: {}, {}{reason}",
            event.event_id, event.timestamp, event.action, event.outcome
        ))?;
    }
    output::line(&format!("operation  {}", case.input.operation))?;
    output::line(&format!("decision   {}", decision::verdict(decision)))?;
    output::line(&format!("reason     {}", decision.reason))?;
    output::line(&format!("rule       {}", decision.rule.as_deref().unwrap_or("-")))?;
    output::line(&format!("owners     {}", words(&decision::owners(&decision.owners))))?;
    if !decision.missing.is_empty() {
        output::line(&format!("missing    {}", joined(decision.missing.iter(), " or ")))?;
    }
    if let Some(scopes) = &decision.scopes {
        output::line(&format!("scopes     {scopes}"))?;
    }
    output::line(&format!("policy     {}", explanation.decided.policy_hash))?;
    if decision.allow { Ok(()) } else { print_remedies(case, &explanation.remedies) }
}

fn print_remedies(case: &Case, remedies: &[Remedy]) -> Result<(), CommandError> {
    if remedies.is_empty() {
        output::line("\nNo scope and no other change that was tried would have been enough.")?;
    } else {
        output::line("\nEach of these would have been enough:")?;
        remedies.iter().try_for_each(|remedy| {
            output::line(&format!(
                "  * {}",
                joined(remedy.iter().map(|change| in_words(change, &case.input)), ", and ")
            ))
        })?;
    }
    // The caller's owner reads the audit log too.
    if case.event.is_some() && case.input.resource.is_none() && case.input.agent_id.is_some() {
        output::note(
            "an event does not tell whether there is an agent of another owner under the id that was asked for",
        );
    }
    Ok(())
}

fn in_words(change: &Change, input: &PolicyInput) -> String {
    let owner = &input.caller.owner;
    match change {
        Change::Scope(scope) => format!("the scope {scope} in the token"),
        Change::OwnAgent => format!("that the agent in the path is one of the owner {owner}"),
        Change::OwnOwner => format!("{owner} as the owner in the request"),
        Change::Capabilities(names) => format!("these capabilities of the calling agent: {}", names.join(" ")),
        Change::Jwt => "a JWT in place of a Biscuit".to_owned(),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => joined(items.iter().filter_map(Value::as_str), ", "),
        Value::String(text) if text == "*" => "all".to_owned(),
        other => other.to_string(),
    }
}

fn joined<T: ToString>(items: impl Iterator<Item = T>, by: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(by)
}
