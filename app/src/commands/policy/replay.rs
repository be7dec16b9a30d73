//! `agentidp policy replay`: recorded decisions, made again by a policy that is not in force yet.

use super::{decision, input};
use crate::commands::{CommandError, output, tool_config};
use crate::config::Source;
use crate::http::dto::audit::AuditEvent;
use crate::wiring::{self, GivenPolicy};
use agentidp_core::domain::audit::AuditFilter;
use agentidp_core::domain::page::PageRequest;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::{Decided, Owners, PolicyError, PolicyInput};
use agentidp_core::ports::storage::{AuditLog, KeyStore};
use agentidp_core::services::replay::{Comparison, Difference, Replayed, replay};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

pub const EXAMPLE: &str = "Examples:
  agentidp policy replay --policy ./candidate --since 1h
  agentidp policy replay --policy ./candidate --since 2026-01-01T00:00:00Z --json";

/// How often the command says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);
/// Most policies of the past that are held at a time.
const HELD: usize = 16;

#[derive(Debug, Args)]
pub struct Replay {
    /// The folder of the policy to try, with authz.rego and data/scopes.json
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// How far back: 30s, 15m, 1h, 7d, or a moment (RFC 3339)
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: Since,
    /// Print JSON Lines: each difference, and at last a summary
    #[arg(long)]
    json: bool,
}

/// From when on events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    Moment(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::Moment(moment));
        }
        let wrong = || "must be a number with s, m, h or d, or a moment as in RFC 3339".to_owned();
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let number: u32 = number.parse().map_err(|_| wrong())?;
        Ok(Self::Ago(Duration::from_secs(seconds.saturating_mul(number.into()))))
    }
}

impl Since {
    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(time) => now.before(time),
            Self::Moment(moment) => moment,
        }
    }
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    events: u64,
    decisions: u64,
    same: u64,
    other_rule: u64,
    /// Events whose input or policy this release cannot read.
    unreadable: u64,
    different: BTreeMap<Difference, u64>,
}

impl Replay {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let candidate = wiring::given_policy(Some(&self.policy))?;
        let config = tool_config(source)?;
        let store = wiring::open_current_store(&config.database.url).await?;
        let from = self.since.moment(wiring::ambient().clock.now());
        let (log, kept) = (store.as_ref(), store.as_ref());
        let mut run =
            Run { log, kept, candidate, policies: BTreeMap::new(), counts: Counts::default(), json: self.json };
        run.all(from).await?;
        run.summary(from)
    }
}

struct Run<'a> {
    log: &'a dyn AuditLog,
    kept: &'a dyn KeyStore,
    candidate: GivenPolicy,
    /// By hash; none: this program cannot run it.
    policies: BTreeMap<String, Option<GivenPolicy>>,
    counts: Counts,
    json: bool,
}

impl Run<'_> {
    /// Only reads. Events that arrive meanwhile are newer than the first page, and do not count.
    async fn all(&mut self, from: Timestamp) -> Result<(), CommandError> {
        let filter = AuditFilter { from: Some(from), ..AuditFilter::default() };
        let (mut after, mut told) = (None, Instant::now());
        loop {
            let request = PageRequest::new(100, after).map_err(|error| CommandError::Failed(error.0))?;
            let page = self.log.query(&Owners::All, &filter, None, request).await;
            let page = page.map_err(wiring::StartError::from)?;
            for event in &page.items {
                self.event(&AuditEvent::from(event)).await?;
            }
            if told.elapsed() >= PROGRESS {
                output::note(&format!("{} events read, {} decisions", self.counts.events, self.counts.decisions));
                told = Instant::now();
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn event(&mut self, event: &AuditEvent) -> Result<(), CommandError> {
        self.counts.events = self.counts.events.saturating_add(1);
        let (Some(input), Some(hash)) = (event.metadata.get("input"), &event.policy_hash) else { return Ok(()) };
        self.counts.decisions = self.counts.decisions.saturating_add(1);
        self.look_up(hash).await?;
        let (Some(in_force), Ok(input)) =
            (self.policies.get(hash).and_then(Option::as_ref), input::read(input.clone()))
        else {
            self.counts.unreadable = self.counts.unreadable.saturating_add(1);
            return Ok(());
        };
        let replayed = replay(in_force.engine.as_ref(), self.candidate.engine.as_ref(), &input);
        let count = match replayed.compare() {
            Comparison::Same => &mut self.counts.same,
            Comparison::OtherRule => &mut self.counts.other_rule,
            Comparison::Differs(difference) => {
                tell(event, &input, &replayed, difference, self.json)?;
                self.counts.different.entry(difference).or_default()
            }
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Holds the policy that was in force under `hash`.
    async fn look_up(&mut self, hash: &str) -> Result<(), CommandError> {
        if self.policies.contains_key(hash) {
            return Ok(());
        }
        if self.policies.len() >= HELD {
            self.policies.clear();
        }
        let policy = match wiring::kept_policy(self.kept, hash).await {
            Ok(policy) => Some(policy),
            Err(error @ wiring::StartError::Database(_)) => return Err(error.into()),
            Err(error) => {
                output::note(&format!("decisions under the policy {hash} are left out: {error}"));
                None
            }
        };
        self.policies.insert(hash.to_owned(), policy);
        Ok(())
    }

    fn summary(&self, from: Timestamp) -> Result<(), CommandError> {
        let Counts { decisions, same, other_rule, unreadable, different, .. } = &self.counts;
        let hash = self.candidate.engine.hash();
        let total = different.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if self.json {
            let different: Value =
                different.iter().map(|(kind, count)| (kind.as_str().to_owned(), json!(count))).collect();
            return output::json(&json!({"summary": {
                "policyHash": hash, "from": from.to_string(), "decisions": decisions, "same": same,
                "otherRule": other_rule, "unreadable": unreadable, "different": different,
            }}));
        }
        let kinds = different.iter().map(|(kind, count)| format!("{count} {}", kind.as_str()));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let kinds = if kinds.is_empty() { kinds } else { format!(" ({kinds})") };
        output::line(&format!("policy {hash}"))?;
        output::line(&format!(
            "{decisions} decisions since {from}: {same} the same, {other_rule} the same by another rule, \
             {total} different{kinds}"
        ))?;
        if *unreadable > 0 {
            output::line(&format!("{unreadable} were left out: this program cannot read them"))?;
        }
        Ok(())
    }
}

fn tell(
    event: &AuditEvent,
    input: &PolicyInput,
    replayed: &Replayed,
    difference: Difference,
    json: bool,
) -> Result<(), CommandError> {
    let (caller, kind) = (&input.caller, difference.as_str());
    if json {
        return output::json(&json!({
            "difference": kind, "eventId": event.event_id, "timestamp": event.timestamp, "operation": input.operation,
            "caller": {"agentId": caller.agent_id.to_string(), "owner": caller.owner.to_string()},
            "before": as_json(&replayed.before), "after": as_json(&replayed.after),
        }));
    }
    output::line(&format!(
        "{}  {}  {} of {}, {}: {kind}",
        event.timestamp, event.event_id, input.operation, caller.owner, caller.agent_id
    ))?;
    output::line(&format!("    was    {}", in_words(&replayed.before)))?;
    output::line(&format!("    would  {}", in_words(&replayed.after)))
}

fn as_json(decided: &Result<Decided, PolicyError>) -> Value {
    match decided {
        Ok(decided) => decision::to_json(&decided.decision),
        Err(error) => json!({"problem": error.problem}),
    }
}

fn in_words(decided: &Result<Decided, PolicyError>) -> String {
    let decision = match decided {
        Ok(decided) => &decided.decision,
        Err(error) => return format!("no decision: {}", error.problem),
    };
    let rule = decision.rule.as_deref().unwrap_or("-");
    let scopes = decision.scopes.as_ref().map(|scopes| format!(", scopes {scopes}")).unwrap_or_default();
    let owners = match &decision.owners {
        _ if !decision.allow => String::new(),
        Owners::All => ", all owners".to_owned(),
        Owners::Only(owners) => {
            format!(", owners {}", owners.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        }
    };
    format!("{} by {rule}{scopes}{owners}: {}", decision::verdict(decision), decision.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_or_a_moment() {
        let seconds = |seconds| Ok(Since::Ago(Duration::from_secs(seconds)));
        for (text, expected) in
            [("30s", seconds(30)), ("15m", seconds(900)), ("1h", seconds(3600)), ("7d", seconds(604_800))]
        {
            assert_eq!(text.parse(), expected, "{text}");
        }
        let moment = "2026-01-01T00:00:00.000Z";
        assert_eq!(moment.parse(), Ok(Since::Moment(moment.parse().unwrap())));
        for text in ["", "h", "1", "1w", "-1h", "1.5h", "yesterday", "1é", "99999999999h"] {
            assert!(text.parse::<Since>().unwrap_err().contains("RFC 3339"), "{text}");
        }
    }
}
