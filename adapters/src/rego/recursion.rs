//! Functions in the sources of an interpreter that call themselves, straight or by others. The interpreter does not
//! notice: its stack would end, and the process with it. [`super::cycles`] does the same for what is compiled.

use super::LoadError;
use regorus::Engine;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Which functions each function calls, by their paths.
type Calls = BTreeMap<String, BTreeSet<String>>;

/// Refuses functions that come to call themselves.
///
/// # Errors
/// There is one, or the sources nest too deeply to be looked through.
pub(super) fn refuse(engine: &Engine) -> Result<(), LoadError> {
    let tree = engine.get_ast_as_json().map_err(|error| LoadError::Compile(error.to_string()))?;
    let tree: Vec<Value> = serde_json::from_str(&tree)
        .map_err(|error| LoadError::Compile(format!("its expressions nest too deeply: {error}")))?;
    let mut calls = Calls::new();
    tree.iter().for_each(|module| Module::of(module).add_to(&mut calls));
    match calls.keys().find(|function| reached(&calls, function).contains(function.as_str())) {
        Some(function) => Err(LoadError::Compile(format!("the function {function} comes to call itself"))),
        None => Ok(()),
    }
}

/// Every function that `from` comes to call.
fn reached<'a>(calls: &'a Calls, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = calls.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(function) = next.pop() {
        if found.insert(function) {
            next.extend(calls.get(function).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// A file of rules, as `regorus` shows its syntax tree.
struct Module<'a> {
    package: String,
    /// The path behind each name that is imported.
    imports: BTreeMap<String, String>,
    rules: &'a [Value],
}

impl<'a> Module<'a> {
    fn of(file: &'a Value) -> Self {
        let text = file.pointer("/source/contents").and_then(Value::as_str).unwrap_or_default();
        let list = |at: &str| file.pointer(at).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let import = |import: &Value| {
            let path = path_at(import, "/refr")?;
            let last = path.rsplit('.').next().map(str::to_owned);
            let name = import.get("as").and_then(|span| written(text, span));
            Some((name.or(last)?, path))
        };
        let package = path_at(file, "/ast/package/refr").unwrap_or_default();
        let imports = list("/ast/imports").iter().filter_map(import).collect();
        Self { package: format!("data.{package}"), imports, rules: list("/ast/rules") }
    }

    fn add_to(&self, calls: &mut Calls) {
        for rule in self.rules {
            let Some(function) = path_at(rule, "/Spec/head/Func/refr") else { continue };
            self.called(rule, calls.entry(format!("{}.{function}", self.package)).or_default());
        }
    }

    /// Adds what is called anywhere in `tree`.
    fn called(&self, tree: &Value, called: &mut BTreeSet<String>) {
        match tree {
            Value::Object(members) => {
                called.extend(path_at(tree, "/Call/fcn").map(|name| self.resolved(&name)));
                members.values().for_each(|member| self.called(member, called));
            }
            Value::Array(items) => items.iter().for_each(|item| self.called(item, called)),
            _ => {}
        }
    }

    fn resolved(&self, name: &str) -> String {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        match (first, self.imports.get(first), rest) {
            ("data", ..) => name.to_owned(),
            (_, Some(path), Some(rest)) => format!("{path}.{rest}"),
            (_, Some(path), None) => path.clone(),
            (_, None, _) => format!("{}.{name}", self.package),
        }
    }
}

/// The reference at a place of the tree as a path, `data.agentidp.authz`. None for what is no chain of names.
fn path_at(tree: &Value, at: &str) -> Option<String> {
    let reference = tree.pointer(at)?;
    if let Some(name) = reference.pointer("/Var/value").and_then(Value::as_str) {
        return Some(name.to_owned());
    }
    let (outer, field) = match reference.pointer("/RefDot/field/1") {
        Some(field) => ("/RefDot/refr", field),
        None => ("/RefBrack/refr", reference.pointer("/RefBrack/index/String/value")?),
    };
    Some(format!("{}.{}", path_at(reference, outer)?, field.as_str()?))
}

/// What the text has where a span says.
fn written(text: &str, span: &Value) -> Option<String> {
    let place = |name: &str| usize::try_from(span.get(name)?.as_u64()?).ok();
    text.get(place("start")?..place("end")?).map(str::to_owned)
}
