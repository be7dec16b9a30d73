//! The credentials resource.

use super::answer::{Answer, Empty, Idempotency, JsonBody, nothing, stored};
use super::auth::Authorized;
use super::dto::credential::{
    CredentialPage, CredentialWithSecret, GenerateCredentialRequest, RotateCredentialRequest, credential_filter,
    expiry, rotation,
};
use super::dto::fields::Fields;
use super::error::{Code, Failure};
use super::state::AppState;
use agentidp_core::domain::credential::{self as domain, InvalidTransition};
use agentidp_core::domain::idempotency::StoredResponse;
use agentidp_core::domain::ids::CredentialId;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::services::credentials::{CredentialError, WithSecret};
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use std::sync::Arc;

/// Handlers of credentials.
pub struct CredentialsApi;

type State<'a> = Data<&'a Arc<AppState>>;

#[OpenApi]
impl CredentialsApi {
    /// Generate a credential
    #[oai(path = "/agents/:agentId/credentials", method = "post", operation_id = "generateCredential")]
    async fn generate(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        key: Idempotency,
        #[oai(name = "agentId")] _agent_id: Path<String>,
        body: JsonBody<GenerateCredentialRequest>,
    ) -> Result<Answer<201, CredentialWithSecret>, Failure> {
        if let Some(first) = key.replay(state, &auth).await? {
            return Ok(first);
        }
        let now = state.ambient.clock.now();
        let expires_at = expiry(body.value, now)?;
        key.must_be_free(state, &auth).await?;
        let replay = move |credential: &domain::Credential| created(credential, now, None);
        match state.credentials.generate(&auth.0, expires_at, key.once(&auth.0, &replay)).await {
            Ok(WithSecret { credential, secret }) => {
                Ok(Answer::fresh(created(&credential, now, Some(secret.expose().to_owned()))))
            }
            Err(error) => key.settle(state, &auth, error.into()).await,
        }
    }

    /// List an agent's credentials
    #[oai(path = "/agents/:agentId/credentials", method = "get", operation_id = "listCredentials")]
    async fn list(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        #[oai(name = "agentId")] _agent_id: Path<String>,
        request: &Request,
    ) -> Result<Answer<200, CredentialPage>, Failure> {
        let (status, page) = credential_filter(Fields::of_query(request))?;
        let page = state.credentials.list(&auth.0, status, page).await?;
        Ok(Answer::new(&CredentialPage::at(&page, state.ambient.clock.now())))
    }

    /// Rotate a credential's secret
    #[oai(
        path = "/agents/:agentId/credentials/:credentialId/rotate",
        method = "post",
        operation_id = "rotateCredential"
    )]
    async fn rotate(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        key: Idempotency,
        #[oai(name = "agentId")] _agent_id: Path<String>,
        #[oai(name = "credentialId")] credential_id: Path<String>,
        body: JsonBody<RotateCredentialRequest>,
    ) -> Result<Answer<200, CredentialWithSecret>, Failure> {
        if let Some(first) = key.replay(state, &auth).await? {
            return Ok(first);
        }
        let now = state.ambient.clock.now();
        let rotation = rotation(body.value, now)?;
        key.must_be_free(state, &auth).await?;
        let id = known(state, &auth, &credential_id.0).await?;
        let replay = move |credential: &domain::Credential| shown(credential, now, None);
        match state.credentials.rotate(&auth.0, id, rotation, key.once(&auth.0, &replay)).await {
            Ok(WithSecret { credential, secret }) => {
                Ok(Answer::fresh(shown(&credential, now, Some(secret.expose().to_owned()))))
            }
            Err(error) => {
                let failure = failed(state, &auth, &credential_id.0, error).await?;
                key.settle(state, &auth, failure).await
            }
        }
    }

    /// Revoke a credential
    #[oai(path = "/agents/:agentId/credentials/:credentialId", method = "delete", operation_id = "revokeCredential")]
    async fn revoke(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        key: Idempotency,
        #[oai(name = "agentId")] _agent_id: Path<String>,
        #[oai(name = "credentialId")] credential_id: Path<String>,
    ) -> Result<Answer<204, Empty>, Failure> {
        if let Some(first) = key.replay(state, &auth).await? {
            return Ok(first);
        }
        key.must_be_free(state, &auth).await?;
        let id = known(state, &auth, &credential_id.0).await?;
        match state.credentials.revoke(&auth.0, id, key.once(&auth.0, &|_| nothing())).await {
            Ok(()) => Ok(Answer::done()),
            Err(error) => {
                let failure = failed(state, &auth, &credential_id.0, error).await?;
                key.settle(state, &auth, failure).await
            }
        }
    }
}

fn created(credential: &domain::Credential, now: Timestamp, secret: Option<String>) -> StoredResponse {
    let location = format!("/api/v1/agents/{}/credentials/{}", credential.agent_id, credential.id);
    stored::<201, _>(&CredentialWithSecret::at(credential, now, secret), Some(location))
}

fn shown(credential: &domain::Credential, now: Timestamp, secret: Option<String>) -> StoredResponse {
    stored::<200, _>(&CredentialWithSecret::at(credential, now, secret), None)
}

/// The credential's id; a text that is none is like an id that nobody has.
async fn known(state: &AppState, auth: &Authorized, text: &str) -> Result<CredentialId, Failure> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Err(failed(state, auth, text, CredentialError::NotFound).await?),
    }
}

/// What a failed change answers. A credential that is not found is recorded like an agent that is not found.
async fn failed(state: &AppState, auth: &Authorized, id: &str, error: CredentialError) -> Result<Failure, Failure> {
    if matches!(error, CredentialError::NotFound) {
        state.access.record_not_found(&auth.0, id).await.map_err(Failure::unavailable)?;
    }
    Ok(error.into())
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::AgentNotFound => Self::new(Code::AgentNotFound, "there is no such agent"),
            CredentialError::NotFound => Self::new(Code::CredentialNotFound, "the agent has no such credential"),
            CredentialError::AgentNotActive => Self::new(Code::AgentNotActive, "the agent is not active"),
            CredentialError::Refused(InvalidTransition::AlreadyRevoked) => {
                Self::new(Code::CredentialAlreadyRevoked, "the credential is revoked")
            }
            CredentialError::Refused(InvalidTransition::Expired) => {
                Self::invalid("expiresAt", "is required, since the credential has expired")
            }
            CredentialError::Refused(InvalidTransition::TooManyGraced) => Self::new(
                Code::CredentialLimitReached,
                "too many replaced secrets are in their grace, wait for one to end or rotate without grace",
            ),
            CredentialError::LimitReached => Self::new(
                Code::CredentialLimitReached,
                "the agent has as many active credentials as it may have, revoke one first",
            ),
            CredentialError::Stale => Self::stale(),
            CredentialError::Replayed => Self::unavailable("a request under this idempotency key is under way"),
            CredentialError::Secrets(cause) => Self::unavailable(cause),
            CredentialError::Unavailable(cause) => Self::unavailable(cause),
        }
    }
}
