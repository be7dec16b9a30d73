//! The `input` document of a decision, read back: as the audit log keeps it, or as somebody wrote it.

use crate::commands::input::mistakes;
use crate::http::dto::fields::{Fields, integer, text, texts};
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::scope::{Scope, ScopeSet};
use agentidp_core::domain::text::Invalid;
use agentidp_core::ports::policy::{PolicyInput, PolicyRequest, Subject};
use serde_json::Value;
use std::net::IpAddr;

/// Reads an input. `agentId`, `sourceIp`, `resource` and `request` may be left out.
///
/// # Errors
/// Every mistake.
pub fn read(value: Value) -> Result<PolicyInput, Invalid> {
    let mut fields = Fields::of_object(value).map_err(|_| Invalid::new("the input is no JSON object"))?;
    let (operation, method) = (fields.required("operation", word), fields.required("method", word));
    let (path, time) = (fields.required("path", word), fields.required("time", text));
    let scopes = fields.required("scopes", scopes);
    let agent_id = fields.optional("agentId", |value| nullable(value, text)).flatten();
    let source_ip = fields.optional("sourceIp", |value| nullable(value, ip)).flatten();
    let caller = fields.required("caller", caller);
    let resource = fields.optional("resource", |value| nullable(value, resource)).flatten();
    let request = fields.optional("request", request).unwrap_or_default();
    let input = || {
        let (caller, token_type) = caller?;
        let (operation, method, path) = (operation?, method?, path?);
        let (scopes, time) = (scopes?, time?);
        Some(PolicyInput {
            operation,
            method,
            path,
            scopes,
            agent_id,
            time,
            source_ip,
            caller,
            token_type,
            resource,
            request,
        })
    };
    fields.finish(input).map_err(|failure| Invalid(mistakes(&failure)))
}

fn nullable<T>(value: &Value, parse: impl FnOnce(&Value) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    if value.is_null() { Ok(None) } else { parse(value).map(Some) }
}

fn word(value: &Value) -> Result<String, Invalid> {
    value.as_str().map(str::to_owned).ok_or_else(|| Invalid::new("must be a string"))
}

fn ip(value: &Value) -> Result<IpAddr, Invalid> {
    word(value)?.parse().map_err(|_| Invalid::new("must be an IP address"))
}

fn scopes(value: &Value) -> Result<ScopeSet, Invalid> {
    texts(value)?.iter().map(|name| name.parse::<Scope>()).collect()
}

/// Reads the members of an agent, and what `more` reads beside them.
fn subject<T>(value: &Value, more: impl FnOnce(&mut Fields) -> Option<T>) -> Result<(Subject, T), Invalid> {
    let mut fields = Fields::of_object(value.clone()).map_err(|_| Invalid::new("must be an object"))?;
    let (agent_id, owner) = (fields.required("agentId", text), fields.required("owner", text));
    let (agent_type, deployment_env) = (fields.required("agentType", word), fields.required("deploymentEnv", word));
    let (capabilities, status) = (fields.required("capabilities", texts), fields.required("status", word));
    let more = more(&mut fields);
    let read = || {
        let (agent_id, owner, agent_type) = (agent_id?, owner?, agent_type?);
        let (deployment_env, capabilities, status) = (deployment_env?, capabilities?, status?);
        Some((Subject { agent_id, owner, agent_type, deployment_env, capabilities, status }, more?))
    };
    fields.finish(read).map_err(|failure| Invalid(format!("is not whole: {}", mistakes(&failure))))
}

fn caller(value: &Value) -> Result<(Subject, TokenType), Invalid> {
    subject(value, |fields| fields.required("tokenType", text))
}

fn resource(value: &Value) -> Result<Subject, Invalid> {
    subject(value, |_| Some(())).map(|(subject, ())| subject)
}

fn request(value: &Value) -> Result<PolicyRequest, Invalid> {
    let mut fields = Fields::of_object(value.clone()).map_err(|_| Invalid::new("must be an object"))?;
    let request = PolicyRequest {
        capabilities: fields.optional("capabilities", texts),
        owner: fields.optional("owner", word),
        agent_type: fields.optional("agentType", word),
        deployment_env: fields.optional("deploymentEnv", word),
        status: fields.optional("status", word),
        scopes: fields.optional("scopes", texts),
        resources: fields.optional("resources", texts),
        expires_at: fields.optional("expiresAt", word),
        grace_seconds: fields.optional("graceSeconds", |value| integer(value, i64::MIN, i64::MAX)),
    };
    fields.finish(|| Some(request)).map_err(|failure| Invalid(format!("is not whole: {}", mistakes(&failure))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dto::audit::json;
    use agentidp_core::contract::policy::generated;

    #[test]
    fn what_the_audit_log_keeps_reads_back() {
        for input in generated(0xAB1E, 500) {
            assert_eq!(read(json(&input.to_json())).as_ref(), Ok(&input));
        }
    }

    #[test]
    fn every_mistake_is_told() {
        let mut value = json(&generated(1, 1).next().unwrap().to_json());
        value["operatoin"] = "getAgent".into();
        value["caller"]["owner"] = 1.into();
        value["scopes"] = serde_json::json!(["agents"]);
        value["request"] = serde_json::json!({"grace": 1});
        value.as_object_mut().unwrap().remove("time");
        let told = read(value).unwrap_err().0;
        for words in
            ["`operatoin` is not", "`owner` must be a string", "`scopes` a scope is", "`time` is required", "`grace`"]
        {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert_eq!(read(Value::Null).unwrap_err().0, "the input is no JSON object");
    }
}
