//! What handlers have at hand: the services and a few settings.

use super::floor::FailureFloor;
use super::system::Documents;
use crate::telemetry::metrics::Metrics;
use agentidp_core::domain::rate::PerMinute;
use agentidp_core::ports::biscuits::BiscuitReader;
use agentidp_core::ports::limits::RateLimiter;
use agentidp_core::ports::policy::PolicyEngine;
use agentidp_core::ports::storage::IdempotencyStore;
use agentidp_core::ports::tokens::TokenVerifier;
use agentidp_core::services::Ambient;
use agentidp_core::services::access::AccessService;
use agentidp_core::services::agents::AgentService;
use agentidp_core::services::audit::AuditService;
use agentidp_core::services::clients::ClientService;
use agentidp_core::services::credentials::CredentialService;
use agentidp_core::services::freshness::Freshness;
use agentidp_core::services::health::HealthService;
use agentidp_core::services::tokens::TokenService;
use ipnet::IpNet;
use std::sync::Arc;

/// The services and settings of the HTTP surface.
pub struct AppState {
    pub access: Arc<AccessService>,
    pub clients: ClientService,
    pub agents: AgentService,
    pub credentials: CredentialService,
    pub tokens: TokenService,
    pub audit: Arc<AuditService>,
    pub freshness: Arc<Freshness>,
    pub health: Arc<HealthService>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub limiter: Arc<dyn RateLimiter>,
    pub policy: Arc<dyn PolicyEngine>,
    pub verifier: Arc<dyn TokenVerifier>,
    pub biscuits: Arc<dyn BiscuitReader>,
    pub ambient: Ambient,
    pub limits: Limits,
    pub floor: FailureFloor,
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call; none: no CORS.
    pub cors_origins: Vec<String>,
    pub issuer: String,
    pub documents: Documents,
    pub metrics: Arc<Metrics>,
    /// `/metrics` is answered on a listener of its own, and nowhere else.
    pub metrics_apart: bool,
}

/// Rate limits; none: off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Requests of a client.
    pub requests: Option<PerMinute>,
    /// Introspections of a client.
    pub introspections: Option<PerMinute>,
    /// Failed authentications of a source address at the token endpoints.
    pub failures: Option<PerMinute>,
}
