//! The first argument of every handler behind a bearer token: authenticate, limit, media type, policy, in this order.

use super::body::{BodyBytes, parse_json};
use super::error::{Challenge, Code, Failure};
use super::notes::Notes;
use super::operations::{Body, Operation};
use super::state::AppState;
use agentidp_core::domain::caller::Caller;
use agentidp_core::domain::rate::PerMinute;
use agentidp_core::ports::policy::{PolicyRequest, Refusal};
use agentidp_core::services::access::{
    AccessError, AccessRequest, AuthenticationError, Authorized as Decided, Call, Denial, Target,
};
use poem::http::header::{AUTHORIZATION, CONTENT_TYPE};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;
use std::sync::Arc;

/// A request that carries a live token and that the policy allows.
pub struct Authorized(pub Decided);

impl<'a> ApiExtractor<'a> for Authorized {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme("Bearer", bearer_scheme());
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["Bearer"]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self(authorize(request).await?))
    }
}

fn bearer_scheme() -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some("An access token of `POST /api/v1/token`."),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: Some("JWT or Biscuit"),
        flows: None,
        openid_connect_url: None,
    }
}

async fn authorize(request: &Request) -> Result<Decided, Failure> {
    let notes = Notes::of(request);
    let operation = operation(request, &notes)?;
    let state = state(request)?;
    let token = match authorization(request)? {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => return Err(Failure::unauthorized(Challenge::Bearer)),
    };
    let target = target(request, operation);
    let call = Call { operation: operation.id, target: target.as_ref().and_then(|target| target.id) };
    let caller = bearer(&state, token, &call, &notes).await?;
    limit(&state, &notes, &caller, "requests", state.limits.requests).await?;
    let body = json_body(request, operation)?;
    let access = AccessRequest {
        operation: operation.id,
        method: operation.method,
        path: operation.path,
        target,
        body: body.as_ref().map(policy_request).unwrap_or_default(),
    };
    state.access.authorize(caller, &access, &notes.context).await.map_err(|error| refused(operation, error))
}

/// The application's state, which the outermost layer puts among the request's data.
///
/// # Errors
/// It did not.
pub fn state(request: &Request) -> Result<Arc<AppState>, Failure> {
    request.data::<Arc<AppState>>().cloned().ok_or_else(|| Failure::new(Code::Internal, "the server is not set up"))
}

/// The operation that the router chose, noted for the log before anything can go wrong with it.
///
/// # Errors
/// It chose none, which no route leads to.
pub fn operation(request: &Request, notes: &Notes) -> Result<&'static Operation, Failure> {
    let operation = Operation::of(request);
    let operation = operation.ok_or_else(|| Failure::new(Code::NotFound, "there is no such operation"))?;
    let _ = notes.operation.set(operation);
    Ok(operation)
}

/// Scheme and credentials of the `Authorization` header.
///
/// # Errors
/// There are two such headers, or it is no text.
pub fn authorization(request: &Request) -> Result<Option<(&str, &str)>, Failure> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let (first, second) = (headers.next(), headers.next());
    if second.is_some() {
        return Err(Failure::invalid("Authorization", "must be given once"));
    }
    let text = first.map(|value| value.to_str().unwrap_or_default());
    Ok(text.map(|text| text.split_once(' ').map_or((text, ""), |(scheme, rest)| (scheme, rest.trim_matches(' ')))))
}

/// The caller that holds `token`, with the rights that it has for `call`.
///
/// # Errors
/// 401, or 503 if nothing is known.
pub async fn bearer(state: &AppState, token: &str, call: &Call, notes: &Notes) -> Result<Caller, Failure> {
    let caller = state.access.authenticate(token, call, &notes.context).await.map_err(|error| match error {
        AuthenticationError::InvalidToken => Failure::unauthorized(Challenge::InvalidToken),
        AuthenticationError::Undecided(cause) => Failure::unavailable(cause),
        AuthenticationError::Unavailable(cause) => Failure::unavailable(cause),
    })?;
    let _ = notes.client.set(caller.agent.id);
    Ok(caller)
}

/// Counts the request of an authenticated client, once, however often it is decided.
///
/// # Errors
/// 429.
pub async fn limit(
    state: &AppState,
    notes: &Notes,
    caller: &Caller,
    kind: &str,
    limit: Option<PerMinute>,
) -> Result<(), Failure> {
    let (Some(limit), None) = (limit, notes.rate.get()) else { return Ok(()) };
    let bucket = format!("{kind}:{}", caller.agent.id);
    let decision = state.limiter.take(&bucket, limit).await.map_err(Failure::unavailable)?;
    let _ = notes.rate.set(decision);
    if decision.allowed { Ok(()) } else { Err(Failure::limited(decision)) }
}

/// The media type, and the body as far as it can be read: what is no JSON is an empty request to the policy.
fn json_body(request: &Request, operation: &Operation) -> Result<Option<Value>, Failure> {
    if operation.body == Body::None {
        return Ok(None);
    }
    let bytes = body_bytes(request);
    if bytes.is_empty() && operation.body == Body::OptionalJson {
        return Ok(None);
    }
    must_be(request, "application", "json")?;
    Ok(parse_json(&bytes).ok())
}

/// The body that the body middleware read.
pub fn body_bytes(request: &Request) -> bytes::Bytes {
    request.data::<BodyBytes>().map(|body| body.0.clone()).unwrap_or_default()
}

/// Checks the `Content-Type`; the one charset that is taken is UTF-8.
///
/// # Errors
/// 415.
pub fn must_be(request: &Request, kind: &str, subtype: &str) -> Result<(), Failure> {
    let mut headers = request.headers().get_all(CONTENT_TYPE).iter();
    let text = headers.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let named = essence.trim().eq_ignore_ascii_case(&format!("{kind}/{subtype}"));
    let utf8 =
        parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()).all(|parameter| match parameter
            .split_once('=')
        {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        });
    if named && utf8 && headers.next().is_none() {
        Ok(())
    } else {
        Err(Failure::new(Code::UnsupportedMediaType, format!("the body must be `{kind}/{subtype}` in UTF-8")))
    }
}

fn target(request: &Request, operation: &Operation) -> Option<Target> {
    let named = operation.path.contains("{agentId}");
    let text = named.then(|| request.raw_path_param("param0").unwrap_or_default().to_owned())?;
    Some(Target { id: text.parse().ok(), text })
}

/// Most characters of a text and most items of a list that the policy looks at. Longer ones are invalid whatever it says, and
/// neither a decision nor its record is to be made of them.
const MOST_CHARACTERS: usize = 256;
const MOST_ITEMS: usize = 64;

/// What the policy may look at in a body. Members of another type or beyond those limits are absent: validation, later,
/// refuses them.
fn policy_request(body: &Value) -> PolicyRequest {
    let short = |text: &&str| text.chars().nth(MOST_CHARACTERS).is_none();
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(short).map(str::to_owned);
    let capabilities = body.get("capabilities").and_then(Value::as_array).filter(|items| items.len() <= MOST_ITEMS);
    let words = |items: &Vec<Value>| items.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    PolicyRequest {
        capabilities: capabilities.map(words).filter(|words| words.iter().all(|word| short(&word.as_str()))),
        owner: text("owner"),
        agent_type: text("agentType"),
        deployment_env: text("deploymentEnv"),
        status: text("status"),
        scopes: None,
        resources: None,
        expires_at: text("expiresAt"),
        grace_seconds: body.get("graceSeconds").and_then(Value::as_i64),
    }
}

/// How the policy's answer to `operation` reads on the wire.
pub fn refused(operation: &Operation, error: AccessError) -> Failure {
    match error {
        AccessError::Denied(denial) => denied(operation, denial),
        AccessError::Undecided(cause) => Failure::unavailable(cause),
        AccessError::Unavailable(cause) => Failure::unavailable(cause),
    }
}

fn denied(operation: &Operation, denial: Denial) -> Failure {
    match denial.refusal {
        Refusal::NotFound => operation.not_found(),
        Refusal::Forbidden => Failure {
            missing_scopes: denial.missing.iter().map(ToString::to_string).collect(),
            ..Failure::new(Code::Forbidden, denial.reason)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_too_long_is_not_there() {
        let request = |value: Value| policy_request(&value);
        let long = "ü".repeat(MOST_CHARACTERS);
        let body = json!({"owner": long, "capabilities": ["a:b"], "status": 1});
        let read = request(body);
        assert_eq!(
            (read.owner, read.capabilities, read.status),
            (Some(long.clone()), Some(vec!["a:b".to_owned()]), None)
        );
        let longer = format!("{long}x");
        let read = request(json!({"owner": longer, "capabilities": ["a:b", longer]}));
        assert_eq!(read, PolicyRequest::default());
        assert!(request(json!({"capabilities": vec!["a:b"; MOST_ITEMS]})).capabilities.is_some());
        assert!(request(json!({"capabilities": vec!["a:b"; MOST_ITEMS + 1]})).capabilities.is_none());
    }

    #[tokio::test]
    async fn the_operation_is_noted_before_anything_can_go_wrong() {
        let notes = Arc::new(Notes::default());
        let mut request = Request::builder().finish();
        request.set_data(poem::PathPattern("/api/v1/agents".into()));
        request.set_data(Arc::clone(&notes));
        // There is no state, so it fails at once; a request that panics or comes to its deadline is logged alike.
        assert_eq!(authorize(&request).await.unwrap_err().code, Code::Internal);
        assert_eq!(notes.operation.get().map(|operation| operation.id), Some("listAgents"));
    }
}
