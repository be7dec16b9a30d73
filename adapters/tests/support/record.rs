//! Decisions as JSON Lines, for another engine to make them again: `tests/policy` does, with OPA.

use agentidp_core::domain::json::Json;
use agentidp_core::ports::policy::{Decision, Owners, PolicyInput, Refusal};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is whole, or not there under its name. It begins with the hash of the policy.
pub struct Record {
    file: BufWriter<File>,
    draft: PathBuf,
    path: PathBuf,
}

impl Record {
    pub fn new(policy_hash: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy-decisions.jsonl");
        let _ = std::fs::remove_file(&path);
        let draft = path.with_extension("draft");
        let mut record = Self { file: BufWriter::new(File::create(&draft).unwrap()), draft, path };
        record.line(&json!({ "policyHash": policy_hash }));
        record
    }

    pub fn write(&mut self, input: &PolicyInput, decision: &Decision) {
        self.document(&document(input), &told(decision));
    }

    /// A decision on what no server sends; null if there is none.
    pub fn document(&mut self, input: &Value, decision: &Value) {
        self.line(&json!({ "input": input, "decision": decision }));
    }

    pub fn keep(self) {
        self.file.into_inner().unwrap().sync_all().unwrap();
        std::fs::rename(&self.draft, &self.path).unwrap();
    }

    fn line(&mut self, value: &Value) {
        writeln!(self.file, "{value}").unwrap();
    }
}

/// Every member, those at their default too.
fn told(decision: &Decision) -> Value {
    let owners = match &decision.owners {
        Owners::All => json!("*"),
        Owners::Only(owners) => owners.iter().map(ToString::to_string).collect(),
    };
    let texts = |items: &mut dyn Iterator<Item = String>| items.collect::<Value>();
    json!({
        "allow": decision.allow,
        "reason": decision.reason,
        "owners": owners,
        "rule": decision.rule,
        "status": match decision.refusal { Refusal::Forbidden => 403, Refusal::NotFound => 404 },
        "missing": texts(&mut decision.missing.iter().map(ToString::to_string)),
        "scopes": decision.scopes.as_ref().map(|scopes| texts(&mut scopes.iter().map(ToString::to_string))),
    })
}

/// The input as its engines get it.
pub fn document(input: &PolicyInput) -> Value {
    value(&input.to_json())
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Integer(value) => (*value).into(),
        Json::Text(text) => text.as_str().into(),
        Json::List(items) => items.iter().map(value).collect(),
        Json::Object(members) => members.iter().map(|(key, item)| (key.clone(), value(item))).collect(),
    }
}
