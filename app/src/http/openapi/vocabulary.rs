//! The closed sets of words, each a schema of its own, from the types that parse them.

use crate::http::error::Code;
use agentidp_core::domain::agent::{AgentStatus, AgentType, DeploymentEnv};
use agentidp_core::domain::audit::{Action, Outcome};
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::credential::{Backend, CredentialStatus};
use serde_json::{Value, json};

/// Adds them to the schemas of the document.
pub fn add(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    let sets = [
        set("AgentType", "What kind of work the agent does.", AgentType::ALL, |word| word.as_str()),
        set("DeploymentEnv", "Where the agent runs.", DeploymentEnv::ALL, |word| word.as_str()),
        set("AgentStatus", "Whether the agent may act. `decommissioned` is final.", AgentStatus::ALL, |word| {
            word.as_str()
        }),
        set("CredentialStatus", "Whether the credential works.", CredentialStatus::ALL, |word| word.as_str()),
        set(
            "Backend",
            "What verifies the secret. `bcrypt` is of old, nothing new is kept there.",
            Backend::ALL,
            |word| word.as_str(),
        ),
        set("AuditAction", "What was done. Later versions add words.", Action::ALL, |word| word.as_str()),
        set("Outcome", "How it ended.", Outcome::ALL, |word| word.as_str()),
        set(
            "ActorTokenType",
            "How the caller proved who it is; `client` is client authentication.",
            TokenType::ALL,
            |word| word.as_str(),
        ),
        set("ErrorCode", "What went wrong.", &codes(|code| (!is_oauth_only(*code)).then(|| code.api())), |word| word),
        set("OAuthErrorCode", "What went wrong.", &codes(|code| Some(code.oauth())), |word| word),
    ];
    schemas.extend(sets);
}

fn set<T: Copy>(name: &str, description: &str, all: &[T], word: impl Fn(T) -> &'static str) -> (String, Value) {
    let words: Vec<&str> = all.iter().map(|value| word(*value)).collect();
    (name.to_owned(), json!({"type": "string", "title": name, "description": description, "enum": words}))
}

fn codes(word: impl Fn(&Code) -> Option<&'static str>) -> Vec<&'static str> {
    let mut words = Vec::new();
    for word in Code::ALL.iter().filter_map(word) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Codes that the API itself never answers with.
fn is_oauth_only(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidClient
            | Code::InvalidScope
            | Code::InvalidTarget
            | Code::UnsupportedGrantType
            | Code::UnauthorizedClient
    )
}
