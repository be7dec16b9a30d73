//! Every metric: its name, its help, its labels and what counts it. `docs/METRICS.md` lists them; a test compares.
//!
//! Values of labels are closed sets: nothing that a client sends becomes one, and no id.

use super::{functions, process};
use agentidp_core::ports::custody::Pending;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use std::collections::BTreeSet;
use std::time::Duration;

/// The text format of Prometheus, which every scraper reads.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Seconds. The objective of 250 ms is read from the bucket of exactly that.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Records; a batch of the audit writer has 256 at most.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Commands to Redis.
const COMMANDS: [&str; 4] = ["evalsha", "ping", "publish", "subscribe"];

/// The outcome of a request for a token that got one; else it is the OAuth error.
pub const SUCCESS: &str = "success";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    path: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Command {
    command: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dependency {
    dependency: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyHash {
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

#[derive(Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS.into_iter())
    }
}

/// The metrics of the process.
pub struct Metrics {
    registry: Registry,
    functions: Option<&'static Registry>,
    tokens: Family<Outcome, Counter>,
    agents: Counter,
    requests: Family<Answered, Counter>,
    request_seconds: Family<Route, Histogram, Seconds>,
    rate_limited: Counter,
    queries: Family<Operation, Histogram, Seconds>,
    query_errors: Family<Operation, Counter>,
    commands: Family<Command, Histogram, Seconds>,
    command_errors: Family<Command, Counter>,
    decisions: Family<Decision, Counter>,
    audit_failures: Counter,
    audit_waiting: Gauge,
    audit_batches: Histogram,
    audit_seconds: Histogram,
    dependencies: Family<Dependency, Gauge>,
    policies: Family<PolicyHash, Gauge>,
    policy_reloads: Family<Outcome, Counter>,
    signing_key_age: Gauge,
    secret_writes_pending: Gauge,
    secret_destructions_pending: Gauge,
    secret_oldest_pending: Gauge,
    secret_writes_abandoned: Counter,
    secrets_destroyed: Counter,
}

/// Registers one; the encoder adds `_total` to counters and a full stop to the help.
fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(format!("agentidp_{name}"), help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        let r = &mut registry;
        let build: Family<Build, Gauge> = add(r, "build_info", "What runs; always 1", Family::default());
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        let metrics = Self {
            tokens: add(
                r,
                "tokens_issued",
                "Requests for a token: `success`, or the OAuth error that they met",
                Family::default(),
            ),
            agents: add(r, "agents_registered", "Agents registered", Counter::default()),
            requests: add(
                r,
                "http_requests",
                "Requests answered; `path` is the template of the route or `<unmatched>`",
                Family::default(),
            ),
            request_seconds: add(
                r,
                "http_request_duration_seconds",
                "From the headers of a request to its answer",
                Family::new_with_constructor(Seconds),
            ),
            rate_limited: add(r, "rate_limit_rejections", "Requests refused by a rate limit", Counter::default()),
            queries: add(
                r,
                "db_query_duration_seconds",
                "Questions to the database, each one transaction or read, waits for a connection included",
                Family::new_with_constructor(Seconds),
            ),
            query_errors: add(
                r,
                "db_errors",
                "Questions that the database did not answer because it was away, or held what it cannot hold",
                Family::default(),
            ),
            commands: add(
                r,
                "redis_command_duration_seconds",
                "Commands to Redis, those without an answer included",
                Family::new_with_constructor(Seconds),
            ),
            command_errors: add(
                r,
                "redis_errors",
                "Commands that Redis refused, or did not answer in time",
                Family::default(),
            ),
            decisions: add(
                r,
                "policy_decisions",
                "Decisions of the policy: `allow`, `deny`, or `error` if it came to none",
                Family::default(),
            ),
            audit_failures: add(
                r,
                "audit_write_failures",
                "Events of no other change that could not be written; what they tell of was refused",
                Counter::default(),
            ),
            audit_waiting: add(
                r,
                "audit_queue_depth",
                "Audit events that waited for their turn when the last batch had ended",
                Gauge::default(),
            ),
            audit_batches: add(
                r,
                "audit_batch_size",
                "Audit events of token issues and of no other change that were written in one transaction",
                Histogram::new(BATCH_BUCKETS.into_iter()),
            ),
            audit_seconds: add(
                r,
                "audit_commit_duration_seconds",
                "From the beginning of such a transaction until it was durable or had failed",
                Seconds.new_metric(),
            ),
            dependencies: add(r, "dependency_up", "Whether a dependency answers: 1 or 0", Family::default()),
            policies: add(r, "policy_info", "The hash of the policy in force; always 1", Family::default()),
            policy_reloads: add(
                r,
                "policy_reloads",
                "Policies that were read while the server ran: `reloaded`, or `rejected` because they are bad",
                Family::default(),
            ),
            signing_key_age: add(
                r,
                "signing_key_age_seconds",
                "How long ago the key was made that signs, the older of the two uses, as of the last look at the keys",
                Gauge::default(),
            ),
            secret_writes_pending: add(
                r,
                "secret_writes_pending",
                "Secrets outside the database that no row names yet, as of the last look",
                Gauge::default(),
            ),
            secret_destructions_pending: add(
                r,
                "secret_destructions_pending",
                "Places outside where secrets of revoked credentials are still to be destroyed, as of the last look",
                Gauge::default(),
            ),
            secret_oldest_pending: add(
                r,
                "secret_oldest_pending_seconds",
                "For how long the oldest of both has been pending, 0 if there is none, as of the last look",
                Gauge::default(),
            ),
            secret_writes_abandoned: add(
                r,
                "secret_writes_abandoned",
                "Secrets outside that were taken back because no row came to name them",
                Counter::default(),
            ),
            secrets_destroyed: add(
                r,
                "secrets_destroyed",
                "Places outside whose secrets were destroyed after a revocation",
                Counter::default(),
            ),
            registry,
            functions: functions::registry(),
        };
        metrics.begin();
        metrics
    }
}

impl Metrics {
    /// What alerts look at is there from the start, as 0.
    fn begin(&self) {
        self.tokens.get_or_create(&Outcome { outcome: SUCCESS }).inc_by(0);
        for decision in ["allow", "deny", "error"] {
            self.decisions.get_or_create(&Decision { decision }).inc_by(0);
        }
        for outcome in ["reloaded", "rejected"] {
            self.policy_reloads.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for command in COMMANDS {
            drop(self.commands.get_or_create(&Command { command }));
            self.command_errors.get_or_create(&Command { command }).inc_by(0);
        }
    }

    /// A token was issued ([`SUCCESS`]) or not (the OAuth error).
    pub fn token(&self, outcome: &'static str) {
        self.tokens.get_or_create(&Outcome { outcome }).inc();
    }

    /// An agent was registered.
    pub fn agent_registered(&self) {
        self.agents.inc();
    }

    /// A request was answered. `path` is the template of its route, never what the client sent.
    pub fn answered(&self, method: &'static str, path: &str, status: u16, took: Duration) {
        let route = Route { method, path: path.to_owned() };
        self.request_seconds.get_or_create(&route).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, path: route.path, status }).inc();
    }

    /// A rate limit refused a request.
    pub fn rate_limited(&self) {
        self.rate_limited.inc();
    }

    /// A question to the database is over.
    pub fn query(&self, operation: &'static str, took: Duration) {
        self.queries.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }

    /// The database failed to answer.
    pub fn query_failed(&self, operation: &'static str) {
        self.query_errors.get_or_create(&Operation { operation }).inc();
    }

    /// A command to Redis has ended.
    pub fn command(&self, command: &'static str, took: Duration, answered: bool) {
        self.commands.get_or_create(&Command { command }).observe(took.as_secs_f64());
        if !answered {
            self.command_errors.get_or_create(&Command { command }).inc();
        }
    }

    /// Events could not be written.
    pub fn audit_failed(&self) {
        self.audit_failures.inc();
    }

    /// A batch of the audit writer has ended, and so many events wait.
    pub fn audit_batch(&self, events: usize, took: Duration, waiting: usize) {
        self.audit_batches.observe(f64::from(u32::try_from(events).unwrap_or(u32::MAX)));
        self.audit_seconds.observe(took.as_secs_f64());
        self.audit_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// The policy decided.
    pub fn decided(&self, decision: &'static str) {
        self.decisions.get_or_create(&Decision { decision }).inc();
    }

    /// A dependency answers, or does not.
    pub fn dependency(&self, dependency: &'static str, up: bool) {
        self.dependencies.get_or_create(&Dependency { dependency }).set(i64::from(up));
    }

    /// The policy with this hash is in force, and no other.
    pub fn policy(&self, hash: String) {
        self.policies.clear();
        self.policies.get_or_create(&PolicyHash { hash }).set(1);
    }

    /// Another policy was taken or rejected.
    pub fn policy_reload(&self, outcome: &'static str) {
        self.policy_reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// The key that signs is of this age.
    pub fn signing_key(&self, age: Duration) {
        self.signing_key_age.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    /// What there is to do outside, and for how long the oldest of it has been.
    pub fn secrets_pending(&self, pending: &Pending, age: Duration) {
        self.secret_writes_pending.set(i64::try_from(pending.writes).unwrap_or(i64::MAX));
        self.secret_destructions_pending.set(i64::try_from(pending.destructions).unwrap_or(i64::MAX));
        self.secret_oldest_pending.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    /// A secret that no row came to name was taken back.
    pub fn secret_write_abandoned(&self) {
        self.secret_writes_abandoned.inc();
    }

    /// The secrets of a revoked credential were destroyed.
    pub fn secrets_destroyed(&self) {
        self.secrets_destroyed.inc();
    }

    /// All of them, as [`CONTENT_TYPE`] says.
    ///
    /// # Errors
    /// None that is known: writing to a text does not fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut open = String::new();
        for registry in std::iter::once(&self.registry).chain(self.functions) {
            text::encode_registry(&mut open, registry)?;
        }
        Ok(classic(&open))
    }
}

/// The encoder writes OpenMetrics, where HELP and TYPE leave out the `_total` of a counter; in the text format of
/// Prometheus they name the series as it is.
fn classic(open: &str) -> String {
    let counters: BTreeSet<&str> = open.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(name) => {
                text.push_str(&format!("# {kind} {name}_total {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// The name of the counter that a line declares.
fn counter(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_before_is_told_no_more() {
        let metrics = Metrics::default();
        for hash in ["before", "now"] {
            metrics.policy(hash.to_owned());
        }
        let text = metrics.text().unwrap();
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("agentidp_policy_info{")).collect();
        assert_eq!(told, ["agentidp_policy_info{hash=\"now\"} 1"]);
    }

    #[test]
    fn only_the_descriptions_of_counters_are_rewritten() {
        let open =
            "# HELP a Of a.\n# TYPE a counter\na_total 1\n# HELP b Of a counter.\n# TYPE b gauge\nb{c=\"d e\"} 1\n";
        let expected = open.replace("# HELP a ", "# HELP a_total ").replace("# TYPE a ", "# TYPE a_total ");
        assert_eq!(classic(open), expected);
    }
}
