//! What a decision of the policy costs, in microseconds of CPU: each of a few ordinary requests, by the shipped policy, by
//! the same with ten and a hundred times as many operations in `scopes.json`, by a policy of one's own, whose allowances the
//! interpreter confirms, and by the table in plain Rust; and what a decision costs that has no end. `bench/README.md` says how to read it.

use agentidp_adapters::rego::{PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::scope::ScopeSet;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::{PolicyEngine, PolicyInput, PolicyRequest, Subject};
use serde_json::Value;
use std::error::Error;
use std::io::Write;
use std::time::Duration;

/// Rounds, of which the median counts: whatever else the machine does meets all columns alike.
const ROUNDS: usize = 7;
/// CPU time of a column in a round.
const SPAN: Duration = Duration::from_millis(200);
/// A rule without an end, for one owner.
const ENDLESS: &str = "
ten := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

endless if count([0 | some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten]) == 1
";

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let more = |times| Ok::<_, Failure>(RegoPolicy::new(larger(times)?)?);
    let (shipped, ten, hundred) = (RegoPolicy::new(PolicySource::builtin())?, more(10)?, more(100)?);
    let table = TablePolicy::builtin()?;
    let source = PolicySource::builtin();
    let own = RegoPolicy::new(PolicySource::new(source.rego + "\n# changed\n", source.data))?;
    let columns: [(&str, &dyn PolicyEngine); 5] =
        [("shipped", &shipped), ("10 x operations", &ten), ("100 x", &hundred), ("one's own", &own), ("table", &table)];
    let mut out = std::io::stdout();
    write!(out, "{:24}", "us of CPU for a decision")?;
    columns.iter().try_for_each(|(name, _)| write!(out, "{name:>16}"))?;
    for (name, input) in inputs()? {
        write!(out, "\n{name:24}")?;
        let mut costs = vec![Vec::new(); columns.len()];
        for _ in 0..ROUNDS {
            for ((_, engine), costs) in columns.iter().zip(&mut costs) {
                costs.push(cost(&|| engine.decide(&input).is_ok_and(|decided| decided.decision.allow))?);
            }
        }
        costs.into_iter().try_for_each(|costs| write!(out, "{:>16.1}", median(costs)))?;
    }
    let endless = RegoPolicy::new(with_endless())?;
    let (_, mut input) = inputs()?.swap_remove(0);
    input.caller.owner = "endless".parse().map_err(|_| "no owner")?;
    let cost = cost(&|| endless.decide(&input).is_err())?;
    writeln!(out, "\n\nwithout an end, until its limit: {cost:.0}")?;
    Ok(())
}

/// The shipped policy with so many times the operations in each scope.
fn larger(times: usize) -> Result<PolicySource, Failure> {
    let source = PolicySource::builtin();
    let mut data: Value = serde_json::from_str(&source.data)?;
    for operations in data.pointer_mut("/scopes").and_then(Value::as_object_mut).ok_or("no scopes")?.values_mut() {
        let operations = operations.as_object_mut().ok_or("no operations")?;
        let names: Vec<String> = operations.keys().cloned().collect();
        for name in names {
            (1..times).for_each(|n| _ = operations.insert(format!("{name}{n}"), name.clone().into()));
        }
    }
    Ok(PolicySource::new(source.rego, data.to_string()))
}

fn with_endless() -> PolicySource {
    let source = PolicySource::builtin();
    let chain = "\tnot complete\n} else := client_grant if {";
    let branch = "\tnot complete\n} else := no_rule if {\n\tinput.caller.owner == \"endless\"\n\tendless\n} else := client_grant if {";
    PolicySource::new(source.rego.replace(chain, branch) + ENDLESS, source.data)
}

/// Ordinary requests, all of them allowed.
fn inputs() -> Result<Vec<(&'static str, PolicyInput)>, Failure> {
    let own = |operation: &str, scopes: &str| {
        let input = input(operation, scopes)?;
        Ok::<_, Failure>(PolicyInput {
            agent_id: Some(input.caller.agent_id),
            resource: Some(input.caller.clone()),
            ..input
        })
    };
    let asked = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let issue = PolicyRequest { scopes: asked(&["agents:read", "data:read"]), ..PolicyRequest::default() };
    let register = PolicyRequest { capabilities: asked(&["data:read"]), ..PolicyRequest::default() };
    Ok(vec![
        ("listAgents", input("listAgents", "agents:read")?),
        ("getAgent", own("getAgent", "agents:read")?),
        (
            "issueToken",
            PolicyInput {
                request: issue,
                token_type: TokenType::Client,
                ..input("issueToken", "agents:read data:read")?
            },
        ),
        ("introspectToken", input("introspectToken", "tokens:read")?),
        ("registerAgent", PolicyInput { request: register, ..input("registerAgent", "agents:write")? }),
        ("rotateCredential", own("rotateCredential", "agents:read agents:write tokens:read tokens:write audit:read")?),
    ])
}

fn input(operation: &str, scopes: &str) -> Result<PolicyInput, Failure> {
    let caller = Subject {
        agent_id: AgentId::new(uuid::Uuid::from_u128(1)),
        owner: "bench".parse().map_err(|_| "no owner")?,
        agent_type: "custom".to_owned(),
        deployment_env: "production".to_owned(),
        capabilities: ["agents:*", "tokens:*", "audit:*", "data:read"].map(str::to_owned).into(),
        status: "active".to_owned(),
    };
    Ok(PolicyInput {
        operation: operation.to_owned(),
        method: "POST".to_owned(),
        path: "/bench".to_owned(),
        scopes: ScopeSet::parse(scopes).map_err(|_| "no scopes")?,
        agent_id: None,
        time: Timestamp::from_unix_seconds(1_790_000_000),
        source_ip: None,
        caller,
        token_type: TokenType::Jwt,
        resource: None,
        request: PolicyRequest::default(),
    })
}

/// Microseconds of CPU of one call, which must be true.
fn cost(decide: &dyn Fn() -> bool) -> Result<f64, Failure> {
    let (start, mut calls) = (cpu()?, 0_u32);
    loop {
        for _ in 0..64 {
            if !decide() {
                return Err("a decision is not what it has to be".into());
            }
        }
        calls = calls.saturating_add(64);
        let used = cpu()?.saturating_sub(start);
        if used >= SPAN {
            return Ok(used.as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
}

/// CPU time of the main thread, which does it all: the first number of `schedstat` is in nanoseconds.
fn cpu() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().ok_or("no schedstat")?.parse()?))
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied().unwrap_or_default()
}
