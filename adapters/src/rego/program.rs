//! A compiled policy and the two ways to run it.

use super::decision::parse;
use super::{LoadError, PolicySource, builtins, cycles};
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::Scope;
use agentidp_core::ports::policy::{Decision, PolicyInput};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::{ExecutionMode, RegoVM};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, MemoryBudgetConfig, Value};
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

const RULE: &str = "data.agentidp.authz.decision";
/// Steps of a decision: the deterministic bound. The shipped policy needs a few hundred, and fewer than 12,000 for the
/// most that a request can ask.
const MAX_INSTRUCTIONS: usize = 25_000;
/// The second bound, for what is slow within one step. Generous, because a thread may have to wait for its turn.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Bytes that a decision may ask the allocator for, freed ones included. The shipped policy needs some 15,000, and
/// fewer than 320,000 for the most that a request can ask.
const MAX_BYTES: NonZeroU64 = NonZeroU64::MIN.saturating_add(4 * 1024 * 1024 - 1);

/// A compiled policy.
pub(super) struct Program {
    program: Arc<regorus::rvm::program::Program>,
    data: Value,
    engine: Engine,
    /// Its rules are those of this program.
    shipped: bool,
}

impl Program {
    /// Compiles without running anything: unknown built-in functions and rules that conflict show only in a run.
    pub(super) fn compile(source: &PolicySource) -> Result<Self, LoadError> {
        let failed = |error: &dyn std::fmt::Display| LoadError::Compile(located(&source.rego_name(), error));
        let mut engine = engine(source, TIME_LIMIT)?;
        let data = read_data(source)?;
        let policy = engine.compile_with_entrypoint(&RULE.into()).map_err(|error| match error.to_string() {
            text if text.contains("not a valid rule path") => {
                failed(&format!("it has no rule `{RULE}`; its package must be agentidp.authz"))
            }
            text => failed(&text),
        })?;
        let program = Compiler::compile_from_policy(&policy, &[RULE]).map_err(|error| failed(&error))?;
        if let Some(circle) = cycles::circle(&program) {
            return Err(failed(&format!("rules need themselves: {circle}")));
        }
        if let Some(misuse) = builtins::misuse(&program) {
            return Err(failed(&misuse));
        }
        program.check_rule_data_conflicts(&data).map_err(|error| failed(&error))?;
        Ok(Self { program, data, engine, shipped: source.rego == PolicySource::builtin().rego })
    }

    /// Decides. The machine of regorus takes a rule that fails, as by a function that meets a wrong type, for one that does
    /// not hold; if that rule was to refuse, the request would be allowed. Its interpreter is strict. So what another
    /// policy than the shipped one allows, stands if the interpreter comes to the same; the shipped one cannot fail.
    pub(super) fn decide(&self, input: &PolicyInput) -> Result<Decision, String> {
        unharmed(|| {
            let decision = self.run(input)?;
            if !decision.allow || self.shipped || self.interpret(input)? == decision {
                Ok(decision)
            } else {
                Err("compiled it is allowed, and interpreted it is something else".to_owned())
            }
        })
    }

    /// Decides on the virtual machine. Each decision has a new one: it costs little and cannot leak the last one's
    /// state.
    pub(super) fn run(&self, input: &PolicyInput) -> Result<Decision, String> {
        self.run_within(MAX_INSTRUCTIONS, MAX_BYTES, input)
    }

    fn run_within(&self, instructions: usize, bytes: NonZeroU64, input: &PolicyInput) -> Result<Decision, String> {
        let mut vm = RegoVM::new();
        vm.set_strict_builtin_errors(true);
        // Keeps the frames of rules on the heap: what nests without end meets the limit of instructions before the end
        // of the stack, which would take the process with it.
        vm.set_execution_mode(ExecutionMode::Suspendable);
        vm.set_max_instructions(instructions);
        vm.set_memory_budget_config(Some(MemoryBudgetConfig { limit: bytes }));
        vm.set_execution_timer_config(Some(timer(TIME_LIMIT)));
        vm.load_program(Arc::clone(&self.program));
        vm.set_data(self.data.clone()).map_err(|error| error.to_string())?;
        vm.set_input(to_value(input.to_json()));
        let decision = vm.execute_entry_point_by_name(RULE).map_err(|error| self.placed(vm.get_pc(), &error))?;
        parse(&decision)
    }

    /// The message of the machine with the place in the source where it stopped.
    fn placed(&self, stopped_at: usize, error: &dyn std::fmt::Display) -> String {
        place(&self.program, stopped_at).map_or_else(|| error.to_string(), |place| format!("{place}: {error}"))
    }

    /// The scopes that the data names; a name that is no scope opens nothing.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let names = self.data["scopes"].as_object().map(|scopes| scopes.keys().cloned().collect()).unwrap_or_default();
        let names: Vec<Value> = names;
        names.iter().filter_map(|name| name.as_string().ok()?.parse().ok()).collect()
    }

    /// Decides with the interpreter.
    pub(super) fn interpret(&self, input: &PolicyInput) -> Result<Decision, String> {
        let mut engine = self.engine.clone();
        engine.set_input(to_value(input.to_json()));
        parse(&engine.eval_rule(RULE.to_owned()).map_err(|error| error.to_string())?)
    }
}

/// A panic of regorus is a decision that failed, and nothing worse.
fn unharmed<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("regorus panicked".to_owned()))
}

/// Where an instruction comes from, as `file:line:column`.
pub(super) fn place(program: &regorus::rvm::program::Program, instruction: usize) -> Option<String> {
    let span = program.get_instruction_span(instruction)?;
    let source = program.sources.get(span.source_index)?;
    Some(format!("{}:{}:{}", source.name, span.line, span.column))
}

/// An interpreter that holds the policy and its data, and gives up after `limit`.
pub(super) fn engine(source: &PolicySource, limit: Duration) -> Result<Engine, LoadError> {
    let data = read_data(source)?;
    let failed = |error: &dyn std::fmt::Display| LoadError::Compile(located(&source.rego_name(), error));
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.set_execution_timer_config(timer(limit));
    engine.add_policy(source.rego_name(), source.rego.clone()).map_err(|error| failed(&error))?;
    engine.add_data(data).map_err(|error| failed(&error))?;
    Ok(engine)
}

fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: NonZeroU32::MIN.saturating_add(127) }
}

fn read_data(source: &PolicySource) -> Result<Value, LoadError> {
    let name = source.data_name();
    let data = Value::from_json_str(&source.data).map_err(|error| LoadError::Data(format!("{name}: {error}")))?;
    if data.as_object().is_err() {
        return Err(LoadError::Data(format!("{name}:1:1: it begins with something else than `{{`")));
    }
    // A policy of one's own may do without the table, but hardly with one that is spelt wrong.
    match data["scopes"].as_object() {
        Ok(scopes) if scopes.values().all(|operations| operations.as_object().is_ok()) => Ok(data),
        _ => {
            Err(LoadError::Data(format!("{name}: `scopes` is no object of objects: scope, operation, what it permits")))
        }
    }
}

/// The message of regorus, with the file's name where it has none of its own.
pub(super) fn located(name: &str, error: &dyn std::fmt::Display) -> String {
    let message = error.to_string();
    if message.contains(name) { message.trim().to_owned() } else { format!("{name}: {message}") }
}

/// The same value in regorus's own type.
fn to_value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => value.into(),
        Json::Integer(value) => value.into(),
        Json::Text(text) => text.into(),
        Json::List(items) => items.into_iter().map(to_value).collect::<Vec<_>>().into(),
        Json::Object(members) => {
            let member = |(key, value): (String, Json)| (key.into(), to_value(value));
            members.into_iter().map(member).collect::<BTreeMap<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::probes::{largest, list};

    fn bytes(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    /// With how many instructions at most there is no decision.
    fn needs(program: &Program, input: &PolicyInput) -> usize {
        let counts: Vec<usize> = (0..MAX_INSTRUCTIONS).collect();
        counts.partition_point(|count| program.run_within(*count, MAX_BYTES, input).is_err())
    }

    /// The shipped policy with so many times the operations in each scope.
    fn with_operations(times: usize) -> Program {
        let mut source = PolicySource::builtin();
        let name = "\"listAgents\": \"list agents\"";
        let more = (1..times).fold(name.to_owned(), |text, n| format!("{text}, \"listAgents{n}\": \"list agents\""));
        source.data = source.data.replace(name, &more);
        Program::compile(&source).unwrap()
    }

    /// Counts, which do not depend on the machine: a scan that slips into the policy is found by them.
    #[test]
    fn a_decision_needs_what_the_limits_were_chosen_by() {
        let program = with_operations(1);
        let (list, largest) = (list().unwrap(), largest().unwrap());
        let ordinary = needs(&program, &list);
        assert!(ordinary < 250, "{ordinary}");
        assert!(program.run_within(MAX_INSTRUCTIONS, bytes(20_000), &list).is_ok());
        assert!(needs(&program, &largest) < 12_000, "{}", needs(&program, &largest));
        assert!(program.run_within(MAX_INSTRUCTIONS, bytes(320_000), &largest).is_ok());
        assert_eq!(needs(&with_operations(100), &list), ordinary, "flat in the number of operations");
    }
}
