//! The tests of a policy: the rules named `test_…` in the files `…_test.rego` beside it.

use super::program::{engine, located};
use super::{LoadError, PolicySource, recursion};
use regorus::{Engine, Value};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What the name of a file of tests ends in.
pub(super) const SUFFIX: &str = "_test.rego";
const PREFIX: &str = "test_";
/// What a test may take; one that never ends must not hold up the others.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// After this long the rest of them is not run any more, and does not hold.
const SUITE_LIMIT: Duration = Duration::from_secs(20);
/// How many tests that fail are named.
const NAMED: usize = 3;

/// A file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// Its path, for messages.
    pub name: String,
    pub text: String,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The rule, as `data.agentidp.authz_test.test_…`.
    pub name: String,
    /// Why it does not hold; none if it does.
    pub problem: Option<String>,
}

impl TestFile {
    /// The tests that the product is shipped with.
    pub fn builtin() -> Vec<Self> {
        let [_, _, (name, text)] = PolicySource::BUILTIN;
        vec![Self { name: format!("policies/{name}"), text: text.to_owned() }]
    }
}

/// Runs the tests that the policy comes with.
///
/// # Errors
/// A file of tests does not compile, or a test does not hold.
pub(super) fn prove(source: &PolicySource) -> Result<(), LoadError> {
    if source.tests.is_empty() {
        return Ok(());
    }
    let results = run(source, &source.tests)?;
    let failed: Vec<_> = results.iter().filter_map(|test| Some((&test.name, test.problem.as_ref()?))).collect();
    let named = failed.iter().take(NAMED).map(|(name, problem)| format!("{name}: {problem}"));
    let named = named.collect::<Vec<_>>().join("; ");
    match failed.len().saturating_sub(NAMED) {
        _ if failed.is_empty() => Ok(()),
        0 => Err(LoadError::Tests(named)),
        more => Err(LoadError::Tests(format!("{named}; and {more} more"))),
    }
}

/// Runs every test over the policy, in the order of their names.
///
/// # Errors
/// The policy or a file of tests does not compile.
pub fn run(source: &PolicySource, files: &[TestFile]) -> Result<Vec<TestResult>, LoadError> {
    let mut engine = engine(source, TIME_LIMIT)?;
    let mut names = BTreeSet::new();
    for file in files {
        let package = engine.add_policy(file.name.clone(), file.text.clone());
        let package = package.map_err(|error| LoadError::Compile(located(&file.name, &error)))?;
        names.extend(written(&file.text).map(|test| format!("{package}.{test}")));
    }
    recursion::refuse(&engine)?;
    let begun = Instant::now();
    let run = |name: String| {
        let late = begun.elapsed() >= SUITE_LIMIT;
        let late = late.then(|| format!("it was not run: those before it took {} s", begun.elapsed().as_secs()));
        TestResult { problem: late.or_else(|| problem(&mut engine, &name)), name }
    };
    Ok(names.into_iter().map(run).collect())
}

/// A test that fails is undefined, and so is simply missing among the results: what counts is what the source holds.
fn written(text: &str) -> impl Iterator<Item = &str> {
    let word = |line: &'_ str| line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
    let lines = text.lines().map(str::trim_start).filter(|line| line.starts_with(PREFIX));
    // What takes arguments is a function, or the call of one.
    lines.map(move |line| line.split_at(word(line))).filter(|(_, rest)| !rest.starts_with('(')).map(|(name, _)| name)
}

fn problem(engine: &mut Engine, name: &str) -> Option<String> {
    match engine.eval_rule(name.to_owned()) {
        Ok(Value::Bool(true)) => None,
        Ok(Value::Undefined) => Some("it is undefined: a condition in it does not hold".to_owned()),
        Ok(other) => Some(format!("it is {other}, not true")),
        Err(error) => Some(error.to_string().trim().to_owned()),
    }
}
