//! The services of a world, and the callers that go through them.

use super::{Client, ISSUER, World, ask, context};
use agentidp_core::domain::audit::{Action, AuditEvent, Outcome};
use agentidp_core::domain::caller::{Caller, TokenType};
use agentidp_core::domain::credential::Credential;
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::ScopeSet;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::tokens::TokenVerifier;
use agentidp_core::services::access::{AuthenticationError, Authorized, Call};
use agentidp_core::services::agents::AgentService;
use agentidp_core::services::bootstrap::BootstrapService;
use agentidp_core::services::clients::{ClientError, ClientService};
use agentidp_core::services::credentials::CredentialService;
use agentidp_core::services::import::ImportService;
use agentidp_core::services::tokens::{IssueError, IssuedToken, TokenRequest, TokenService};
use std::time::Duration;

impl World {
    pub fn agents(&self) -> AgentService {
        AgentService {
            agents: self.store.clone(),
            custody: self.custody.clone(),
            ambient: self.ambient.clone(),
            most_per_owner: None,
        }
    }

    pub fn credentials(&self) -> CredentialService {
        CredentialService {
            credentials: self.store.clone(),
            custody: self.custody.clone(),
            ambient: self.ambient.clone(),
        }
    }

    pub fn clients(&self) -> ClientService {
        ClientService {
            agents: self.store.clone(),
            credentials: self.store.clone(),
            tokens: self.store.clone(),
            verifier: self.verifier.clone(),
            access: self.access.clone(),
            legacy: self.legacy.clone(),
            freshness: self.freshness.clone(),
            ambient: self.ambient.clone(),
        }
    }

    /// Tokens that live for an hour.
    pub fn tokens(&self) -> TokenService {
        TokenService {
            tokens: self.store.clone(),
            signer: self.ring.clone(),
            minter: self.biscuits.clone(),
            presented: self.presented.clone(),
            access: self.access.clone(),
            audit: self.audit.clone(),
            ambient: self.ambient.clone(),
            issuer: ISSUER.to_owned(),
            lifetime: Duration::from_secs(3600),
            monthly_quota: None,
        }
    }

    pub fn bootstrap(&self) -> BootstrapService {
        BootstrapService { store: self.store.clone(), custody: self.custody.clone(), ambient: self.ambient.clone() }
    }

    pub fn import(&self) -> ImportService {
        ImportService { agents: self.store.clone(), credentials: self.store.clone(), ambient: self.ambient.clone() }
    }

    /// Authenticates a client by a secret.
    pub async fn login(&self, client_id: &str, secret: &str) -> Result<(Caller, Credential), ClientError> {
        self.clients().authenticate(client_id, &PresentedSecret::new(secret.to_owned()), &context()).await
    }

    /// What a client gets that authenticates and asks for a token.
    pub async fn issued(
        &self,
        service: &TokenService,
        client: &Client,
        request: TokenRequest,
    ) -> Result<IssuedToken, IssueError> {
        let (caller, credential) = self.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
        service.issue(caller, &credential, request, &ask("issueToken", None), &context()).await
    }

    /// A token with the scopes named, or the default ones.
    pub async fn token(&self, client: &Client, scopes: Option<&str>) -> String {
        let request = TokenRequest { scopes: scopes.map(|text| ScopeSet::parse(text).unwrap()), resources: vec![] };
        self.issued(&self.tokens(), client, request).await.unwrap().text.0
    }

    pub async fn bearer(&self, token: &str) -> Result<Caller, AuthenticationError> {
        self.access.authenticate(token, &Call { operation: "listAgents", target: None }, &context()).await
    }

    /// Whether the token opens the API. What is written of it is not news.
    pub async fn lives(&self, token: &str) -> bool {
        let lives = self.bearer(token).await.is_ok();
        self.news().await;
        lives
    }

    /// The caller that holds a fresh token of the client; what went before is no news.
    pub async fn caller(&self, client: &Client, scopes: Option<&str>) -> Caller {
        let token = self.token(client, scopes).await;
        let caller = self.bearer(&token).await.unwrap();
        self.news().await;
        caller
    }

    /// An administrator with a token of all its scopes.
    pub async fn admin(&self) -> Caller {
        let capabilities = ["agents:*", "tokens:*", "audit:*", "admin:all", "data:*"];
        let client = self.client("system", &capabilities).await;
        self.caller(&client, None).await
    }

    pub fn claims(&self, token: &str) -> Claims {
        self.ring.read(token).unwrap()
    }
}

/// Fails unless the event is a success of `by` that says all of who, where, and by which policy.
pub fn is_of(event: &AuditEvent, by: &Authorized, action: Action) {
    assert_eq!((event.action, event.outcome, &event.reason), (action, Outcome::Success, &None));
    is_by(event, &by.caller);
    assert_eq!(event.policy_hash.as_deref(), Some(by.policy_hash.as_str()));
}

/// Fails unless the event names the caller, its token and its request.
pub fn is_by(event: &AuditEvent, caller: &Caller) {
    let actor = event.actor.clone().expect("an actor");
    assert_eq!((actor.agent_id, actor.token_type), (caller.agent.id, caller.token_type));
    assert_eq!((actor.credential_id, actor.token_id), (Some(caller.credential_id), caller.token_id()));
    assert_eq!(actor.token_id.is_some(), caller.token_type == TokenType::Jwt);
    assert_eq!(event.request_id.as_deref(), Some("request-1"));
    assert_eq!((event.ip_address, event.user_agent.as_deref()), (context().source_ip, Some("tests/1")));
}

/// Fails unless the event is about the agent in `owner`, and keeps the input of the decision.
pub fn is_change(event: &AuditEvent, by: &Authorized, action: Action, agent: agentidp_core::domain::ids::AgentId) {
    is_of(event, by, action);
    assert_eq!(event.agent_id, Some(agent));
    assert_eq!(event.metadata.get("input"), Some(&by.input.to_json()));
    let decision = event.metadata.get("decision").unwrap();
    assert_eq!(decision.get("rule"), Some(&Json::text(by.decision.rule.as_ref().unwrap())));
    assert_eq!(decision.get("reason"), Some(&Json::text(&by.decision.reason)));
}
