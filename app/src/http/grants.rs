//! What a form at the token endpoints asks for, and what a token that is not issued answers.

use super::auth::refused;
use super::error::{Code, Failure};
use super::form::{Form, invalid_client};
use super::operations::Operation;
use agentidp_core::domain::scope::ScopeSet;
use agentidp_core::services::access::AccessError;
use agentidp_core::services::tokens::{IssueError, Question, TokenRequest};
use url::Url;

/// Most resource indicators of a request, and the longest: a token must fit into the headers of a request.
const MAX_RESOURCES: usize = 8;
const MAX_RESOURCE_LENGTH: usize = 256;

/// The grant types.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The kinds of tokens of an exchange (RFC 8693 §3): from the first to the second.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const BISCUIT: &str = "urn:agentidp:params:oauth:token-type:biscuit";

/// A token request.
#[derive(Debug)]
pub enum Grant {
    ClientCredentials(TokenRequest),
    /// The subject token, and what is asked for.
    Exchange(String, TokenRequest),
}

/// Which token the form asks for.
///
/// # Errors
/// A parameter is missing, or has a value that no token is issued for.
pub fn grant(form: &Form) -> Result<Grant, Failure> {
    match form.required("grant_type")? {
        CLIENT_CREDENTIALS => Ok(Grant::ClientCredentials(token_request(form)?)),
        TOKEN_EXCHANGE => exchange(form),
        _ => Err(unsupported()),
    }
}

/// The answer to every other grant type.
pub fn unsupported() -> Failure {
    let message = format!("the grant types are: `{CLIENT_CREDENTIALS}`, `{TOKEN_EXCHANGE}`");
    Failure::new(Code::UnsupportedGrantType, message)
}

/// RFC 8693 §2.1, for an access token of the client that becomes a Biscuit.
fn exchange(form: &Form) -> Result<Grant, Failure> {
    let subject = form.required("subject_token")?;
    must_be(form, "subject_token_type", ACCESS_TOKEN)?;
    must_be(form, "requested_token_type", BISCUIT)?;
    for name in ["actor_token", "actor_token_type"] {
        if form.get(name).is_some() {
            return Err(Failure::new(Code::Validation, format!("the parameter `{name}` is not supported")));
        }
    }
    Ok(Grant::Exchange(subject.to_owned(), token_request(form)?))
}

fn must_be(form: &Form, name: &str, value: &str) -> Result<(), Failure> {
    if form.required(name)? == value {
        Ok(())
    } else {
        Err(Failure::new(Code::Validation, format!("the parameter `{name}` must be `{value}`")))
    }
}

fn token_request(form: &Form) -> Result<TokenRequest, Failure> {
    let scopes = form.get("scope").map(ScopeSet::parse).transpose();
    let scopes = scopes.map_err(|error| Failure::new(Code::InvalidScope, error.0))?;
    let given = form.all("resource");
    let resources: Vec<String> = given.iter().filter(|text| !text.is_empty()).cloned().collect();
    if given.len() > MAX_RESOURCES || !resources.iter().all(|text| is_resource(text)) {
        return Err(Failure::new(Code::InvalidTarget, "a `resource` is an absolute URI without a fragment"));
    }
    Ok(TokenRequest { scopes, resources })
}

/// Whether `text` is a resource indicator. The parser alone would mend white space, which no URI holds.
fn is_resource(text: &str) -> bool {
    let written_plainly = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    text.len() <= MAX_RESOURCE_LENGTH && written_plainly && Url::parse(text).is_ok()
}

/// What an introspection asks about the token. Two resources would be two facts, of which a check needs but one.
///
/// # Errors
/// There is more than one `resource`.
pub fn question(form: &Form) -> Result<Question, Failure> {
    let given: Vec<&String> = form.all("resource").iter().filter(|text| !text.is_empty()).collect();
    let resource = match given.as_slice() {
        [] => None,
        [resource] => Some((*resource).clone()),
        _ => return Err(Failure::new(Code::Validation, "a token is introspected for one `resource`")),
    };
    Ok(Question { resource, target: form.get("target").map(str::to_owned) })
}

/// What a token that is not issued answers; an expired credential is a failed authentication and no case of this.
pub fn not_issued(operation: &Operation, error: IssueError) -> Failure {
    match error {
        IssueError::InvalidScope => {
            let message =
                "a scope is not within the agent's capabilities or the subject token, or there is none to give";
            Failure::new(Code::InvalidScope, message)
        }
        IssueError::InvalidTarget => {
            let message = "a token for this issuer is for no other resource, and an exchange keeps the resources";
            Failure::new(Code::InvalidTarget, message)
        }
        IssueError::InvalidSubject => {
            Failure::new(Code::Validation, "the `subject_token` must be a live JWT access token of this client")
        }
        IssueError::CredentialExpired => invalid_client(false),
        IssueError::QuotaExceeded => Failure::new(Code::QuotaExceeded, "the tokens of this month are used up"),
        IssueError::Access(AccessError::Denied(denial)) => Failure::new(Code::UnauthorizedClient, denial.reason),
        IssueError::Access(error) => refused(operation, error),
        IssueError::Sign(cause) => {
            Failure { cause: Some(cause.into()), ..Failure::new(Code::Internal, "no token can be signed") }
        }
        IssueError::Unavailable(cause) => Failure::unavailable(cause),
    }
}
