//! The OAuth endpoints: token (RFC 6749 §4.4, RFC 8693), introspection (RFC 7662), revocation (RFC 7009).

use super::answer::Answer;
use super::auth::{bearer, limit, operation, refused, state};
use super::dto::token::{IntrospectionResponse, TokenResponse};
use super::error::{Challenge, Code, Failure};
use super::form::{Form, Presented, invalid_client, presented};
use super::grants::{Grant, grant, not_issued, question};
use super::notes::Notes;
use super::operations::{Access, Operation};
use super::state::AppState;
use agentidp_core::domain::caller::Caller;
use agentidp_core::domain::credential::Credential;
use agentidp_core::domain::rate::RateDecision;
use agentidp_core::ports::policy::PolicyRequest;
use agentidp_core::services::access::{self, AccessRequest, Authorized};
use agentidp_core::services::clients::ClientError;
use agentidp_core::services::tokens::{IssueError, RevokeError};
use autometrics::autometrics;
use poem::Request;
use poem_openapi::OpenApi;
use std::sync::Arc;
use tokio::time::Instant;

/// Handlers of tokens.
pub struct TokensApi;

#[OpenApi]
impl TokensApi {
    /// Issue a token
    #[oai(path = "/token", method = "post", operation_id = "issueToken")]
    #[autometrics]
    async fn issue(&self, request: &Request) -> Result<Answer<200, TokenResponse>, Failure> {
        let call = Call::of(request).await?;
        let (caller, credential) = call.client().await?;
        call.limit(&caller).await?;
        let (tokens, access, context) = (&call.state.tokens, call.access(), &call.notes.context);
        let issued = match grant(&call.form)? {
            Grant::ClientCredentials(wanted) => {
                tokens.issue(caller, &credential, wanted, &access, context).await.map(TokenResponse::from)
            }
            Grant::Exchange(subject, wanted) => {
                let exchanged = tokens.exchange(caller, &credential, &subject, wanted, &access, context).await;
                exchanged.map(TokenResponse::biscuit)
            }
        };
        match issued {
            Ok(response) => Ok(Answer::new(&response)),
            Err(IssueError::CredentialExpired) => Err(call.client_failed(call.tried_basic()).await),
            Err(error) => Err(not_issued(call.operation, error)),
        }
    }

    /// Introspect a token
    #[oai(path = "/token/introspect", method = "post", operation_id = "introspectToken")]
    #[autometrics]
    async fn introspect(&self, request: &Request) -> Result<Answer<200, IntrospectionResponse>, Failure> {
        let call = Call::of(request).await?;
        let caller = call.caller().await?;
        call.limit(&caller).await?;
        let by = call.authorize(caller).await?;
        let (token, question) = (call.form.required("token")?, question(&call.form)?);
        let claims = call.state.tokens.introspect(&by, token, question).await.map_err(Failure::unavailable)?;
        Ok(Answer::new(&IntrospectionResponse::from(claims)))
    }

    /// Revoke a token
    #[oai(path = "/token/revoke", method = "post", operation_id = "revokeToken")]
    #[autometrics]
    async fn revoke(&self, request: &Request) -> Result<Answer<200, RevocationResponse>, Failure> {
        let call = Call::of(request).await?;
        let caller = call.caller().await?;
        call.limit(&caller).await?;
        let by = call.authorize(caller).await?;
        match call.state.tokens.revoke(&by, call.form.required("token")?).await {
            Ok(()) => Ok(Answer::new(&RevocationResponse {})),
            Err(RevokeError::NotYours) => {
                Err(Failure::new(Code::UnauthorizedClient, "the token belongs to another client"))
            }
            Err(RevokeError::Unavailable(cause)) => Err(Failure::unavailable(cause)),
        }
    }
}

/// The answer to a revocation says nothing.
#[derive(Debug, poem_openapi::Object)]
pub struct RevocationResponse {}

/// One request at an OAuth endpoint.
struct Call {
    state: Arc<AppState>,
    notes: Arc<Notes>,
    operation: &'static Operation,
    form: Form,
    /// Or why there is no authentication to look at.
    presented: Result<Presented, Failure>,
    start: Instant,
}

impl Call {
    async fn of(request: &Request) -> Result<Self, Failure> {
        let state = state(request)?;
        let notes = Notes::of(request);
        let operation = operation(request, &notes)?;
        let start = Instant::now();
        let read = Form::of(request);
        // Credentials in a header are looked at even if the body is bad; those in a bad body cannot be.
        let (mut form, bad_form) = match read {
            Ok(form) => (form, None),
            Err(failure) => (Form::default(), Some(failure)),
        };
        let presented = match (presented(request, &mut form), bad_form) {
            (Err(failure), Some(bad)) if failure.challenge == Some(Challenge::Bearer) => Err(bad),
            (presented, None) => presented,
            (presented, Some(bad)) => {
                let call = Self { state, notes, operation, form, presented, start };
                return Err(call.refuse(bad).await?);
            }
        };
        Ok(Self { state, notes, operation, form, presented, start })
    }

    /// A bad form comes after authentication, limit and, unless it is of another type, the policy.
    async fn refuse(&self, bad: Failure) -> Result<Failure, Failure> {
        let for_client = self.operation.access == Access::Client;
        let caller = if for_client { self.client().await?.0 } else { self.caller().await? };
        self.limit(&caller).await?;
        if !for_client && bad.code != Code::UnsupportedMediaType {
            self.authorize(caller).await?;
        }
        Ok(bad)
    }

    fn source(&self) -> Option<String> {
        let ip = self.notes.context.source_network()?;
        Some(format!("failures:{ip}"))
    }

    /// Refuses a source that failed too often, before any secret is looked at.
    async fn must_not_be_blocked(&self) -> Result<(), Failure> {
        let (Some(limit), Some(source)) = (self.state.limits.failures, self.source()) else { return Ok(()) };
        let decision = self.state.limiter.look(&source, limit).await.map_err(Failure::unavailable)?;
        if decision.allowed { Ok(()) } else { Err(self.limited(decision)) }
    }

    /// The answer to a source that failed too often says how far it is over the limit.
    fn limited(&self, decision: RateDecision) -> Failure {
        let _ = self.notes.rate.set(decision);
        Failure::limited(decision)
    }

    /// Counts a failed authentication. Of failures that arrive together, those beyond the limit learn nothing else.
    async fn count_failure(&self, failure: Failure) -> Failure {
        let (Some(limit), Some(source)) = (self.state.limits.failures, self.source()) else { return failure };
        match self.state.limiter.take(&source, limit).await {
            Ok(decision) if decision.allowed => failure,
            Ok(decision) => self.limited(decision),
            Err(error) => Failure::unavailable(error),
        }
    }

    /// The client that authenticates with its secret; a bearer token is no client authentication.
    async fn client(&self) -> Result<(Caller, Credential), Failure> {
        self.must_not_be_blocked().await?;
        match &self.presented {
            Ok(Presented::Client { id, secret, basic }) => self.authenticated(id, secret, *basic).await,
            Ok(Presented::Bearer(_)) => Err(self.not_presented(&invalid_client(false)).await),
            Err(failure) => Err(self.not_presented(failure).await),
        }
    }

    /// The caller, by bearer token or client authentication.
    async fn caller(&self) -> Result<Caller, Failure> {
        self.must_not_be_blocked().await?;
        match &self.presented {
            Ok(Presented::Client { id, secret, basic }) => {
                let (caller, credential) = self.authenticated(id, secret, *basic).await?;
                self.state.clients.note_use(&credential).await.map_err(Failure::unavailable)?;
                Ok(caller)
            }
            Ok(Presented::Bearer(token)) => {
                let asked = access::Call { operation: self.operation.id, target: None };
                match bearer(&self.state, token, &asked, &self.notes).await {
                    Err(failure) if failure.code == Code::Unauthorized => Err(self.count_failure(failure).await),
                    other => other,
                }
            }
            Err(failure) => Err(self.not_presented(failure).await),
        }
    }

    /// What a request without client authentication, or with one that cannot be read, answers.
    async fn not_presented(&self, failure: &Failure) -> Failure {
        let again = Failure {
            challenge: failure.challenge,
            fields: failure.fields.clone(),
            ..Failure::new(failure.code, failure.message.clone())
        };
        if again.code != Code::InvalidClient {
            return again;
        }
        match self.state.access.note_failure("no_client_authentication", None, &self.notes.context).await {
            Ok(()) => self.count_failure(again).await,
            Err(error) => Failure::unavailable(error),
        }
    }

    async fn authenticated(
        &self,
        id: &str,
        secret: &agentidp_core::domain::secret::PresentedSecret,
        basic: bool,
    ) -> Result<(Caller, Credential), Failure> {
        match self.state.clients.authenticate(id, secret, &self.notes.context).await {
            Ok((caller, credential)) => {
                let _ = self.notes.client.set(caller.agent.id);
                Ok((caller, credential))
            }
            Err(ClientError::Failed) => Err(self.client_failed(basic).await),
            Err(ClientError::Secrets(cause)) => Err(Failure::unavailable(cause)),
            Err(ClientError::Unavailable(cause)) => Err(Failure::unavailable(cause)),
        }
    }

    async fn client_failed(&self, basic: bool) -> Failure {
        let failure = self.count_failure(invalid_client(basic)).await;
        self.state.floor.wait(self.start).await;
        failure
    }

    /// Introspection has a limit of its own.
    async fn limit(&self, caller: &Caller) -> Result<(), Failure> {
        let limits = self.state.limits;
        let (kind, most) = match self.operation.id {
            "introspectToken" => ("introspections", limits.introspections),
            _ => ("requests", limits.requests),
        };
        limit(&self.state, &self.notes, caller, kind, most).await
    }

    fn access(&self) -> AccessRequest {
        let operation = self.operation;
        let body = PolicyRequest::default();
        AccessRequest { operation: operation.id, method: operation.method, path: operation.path, target: None, body }
    }

    async fn authorize(&self, caller: Caller) -> Result<Authorized, Failure> {
        self.state
            .access
            .authorize(caller, &self.access(), &self.notes.context)
            .await
            .map_err(|error| refused(self.operation, error))
    }

    fn tried_basic(&self) -> bool {
        matches!(self.presented, Ok(Presented::Client { basic: true, .. }))
    }
}
