//! What the policy answers, read strictly: what is not exactly a decision is an error, never an allowance.

use agentidp_core::ports::policy::{Decision, Owners, Refusal};
use regorus::Value;

/// Most bytes of a reason and of a rule's name.
const MOST_REASON: usize = 1024;
const MOST_RULE: usize = 64;
const MEMBERS: [&str; 7] = ["allow", "reason", "owners", "rule", "status", "missing", "scopes"];

/// Reads a decision.
pub(super) fn parse(value: &Value) -> Result<Decision, String> {
    if *value == Value::Undefined {
        return Err("the decision is undefined".to_owned());
    }
    let members = value.as_object().map_err(|_| "the decision is no object".to_owned())?;
    for key in members.keys() {
        let name = key.as_string().map_or("", |name| name.as_ref());
        if !MEMBERS.contains(&name) {
            return Err(format!("the decision has a member {key}, which it may not have"));
        }
    }
    let member = |name: &str| members.get(&name.into());
    let allow = *required(member("allow"), "allow")?.as_bool().map_err(|_| wrong("allow", "true or false"))?;
    if allow && member("status").is_some() {
        return Err("the decision allows and has a `status`, which only a refusal has".to_owned());
    }
    Ok(Decision {
        allow,
        reason: short(required(member("reason"), "reason")?, "reason", MOST_REASON)?,
        owners: owners(required(member("owners"), "owners")?)?,
        rule: member("rule").map(|value| short(value, "rule", MOST_RULE)).transpose()?,
        refusal: refusal(member("status"))?,
        missing: member("missing").map(|value| parsed(value, "missing")).transpose()?.unwrap_or_default(),
        scopes: member("scopes").map(|value| parsed(value, "scopes")).transpose()?.map(FromIterator::from_iter),
    })
}

fn wrong(name: &str, expected: &str) -> String {
    format!("`{name}` of the decision is not {expected}")
}

fn required<'a>(value: Option<&'a Value>, name: &str) -> Result<&'a Value, String> {
    value.ok_or_else(|| format!("the decision has no `{name}`"))
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    value.as_string().map(|text| text.to_string()).map_err(|_| wrong(name, "a text"))
}

/// A text that is told and recorded each time.
fn short(value: &Value, name: &str, most: usize) -> Result<String, String> {
    let text = text(value, name)?;
    if text.len() <= most { Ok(text) } else { Err(wrong(name, &format!("at most {most} bytes long"))) }
}

fn owners(value: &Value) -> Result<Owners, String> {
    match value {
        Value::String(text) if text.as_ref() == "*" => Ok(Owners::All),
        Value::Array(_) => Ok(Owners::Only(parsed(value, "owners")?)),
        _ => Err(wrong("owners", "\"*\" or a list")),
    }
}

fn refusal(status: Option<&Value>) -> Result<Refusal, String> {
    match status.map(Value::as_i64) {
        None | Some(Ok(403)) => Ok(Refusal::Forbidden),
        Some(Ok(404)) => Ok(Refusal::NotFound),
        Some(_) => Err(wrong("status", "403 or 404")),
    }
}

/// A list of texts, each of which must be a `T`.
fn parsed<T: std::str::FromStr>(value: &Value, name: &str) -> Result<Vec<T>, String>
where
    T::Err: std::fmt::Display,
{
    let items = value.as_array().map_err(|_| wrong(name, "a list"))?;
    let item = |value: &Value| text(value, name)?.parse().map_err(|error| format!("`{name}` of the decision: {error}"));
    items.iter().map(item).collect()
}
