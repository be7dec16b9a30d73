//! Inputs that no server sends: with a member that is missing or of another type. Who runs the policy elsewhere may make
//! them, and a guard in it that only looks as if it held shows here.

use crate::record::{Record, document};
use agentidp_adapters::rego::PolicySource;
use agentidp_core::contract::policy::generated;
use regorus::{Engine, Value as RegoValue};
use serde_json::{Value, json};

const OBJECTS: [&str; 4] = ["", "/caller", "/resource", "/request"];

/// Writes `count` of them with the decision of the interpreter; the machine takes typed inputs alone.
pub fn record(record: &mut Record, count: usize) {
    let source = PolicySource::builtin();
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.add_policy("authz.rego".to_owned(), source.rego).unwrap();
    engine.add_data_json(&source.data).unwrap();
    let mut places = 0;
    for (number, input) in generated(0x0DD, count).enumerate() {
        let mut input = document(&input);
        places += distort(&mut input, number);
        record.document(&input, &decide(&mut engine, &input));
    }
    assert!(places > count / 2, "only {places} of {count} inputs were distorted");
}

/// Takes a member away or puts something else in its place. Gives how many it changed: none if there is no such object.
fn distort(input: &mut Value, number: usize) -> usize {
    let odd = [json!(null), json!(7), json!(-0.5), json!(true), json!(""), json!("data:x"), json!([]), json!({})];
    let deep = [json!([null, 7, {}, [], "data:read"]), json!({"a": ["admin:all"], "0": "data:read"})];
    let place = OBJECTS[number % OBJECTS.len()];
    let Some(members) = input.pointer_mut(place).and_then(Value::as_object_mut).filter(|members| !members.is_empty())
    else {
        return 0;
    };
    let name = members.keys().nth(number / 4 % members.len()).cloned().unwrap();
    match odd.iter().chain(&deep).nth(number / 7 % (odd.len() + deep.len() + 1)) {
        Some(other) => members.insert(name, other.clone()),
        None => members.remove(&name),
    };
    1
}

/// The decision with the members that it may leave out.
fn decide(engine: &mut Engine, input: &Value) -> Value {
    engine.set_input_json(&input.to_string()).unwrap();
    let decided = engine.eval_rule("data.agentidp.authz.decision".to_owned());
    let Ok(decided @ RegoValue::Object(_)) = decided else { return Value::Null };
    let mut whole = json!({ "rule": null, "status": 403, "missing": [], "scopes": null });
    let decided: Value = serde_json::from_str(&decided.to_json_str().unwrap()).unwrap();
    whole.as_object_mut().unwrap().extend(decided.as_object().unwrap().clone());
    whole
}
