//! The use-cases on the real adapters: SQLite in memory, digests, the table policy, a ring of one key. Time and
//! randomness are the test's own, and every port can be made to fail.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod ambient;
pub mod doubles;
pub mod faulty;
pub mod faulty_secrets;
pub mod outside;
pub mod services;

use agentidp_adapters::bcrypt_legacy::BcryptLegacy;
use agentidp_adapters::biscuit::{self, BiscuitRing};
use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_adapters::jwt::{self, KeyRing, SealingKey};
use agentidp_adapters::secret_router::SecretRouter;
use agentidp_adapters::sql::{self, SqlStore};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::domain::agent::{Agent, AgentType, DeploymentEnv, NewAgent};
use agentidp_core::domain::audit::{AuditEvent, AuditFilter};
use agentidp_core::domain::caller::{Caller, RequestContext};
use agentidp_core::domain::credential::{Backend, Credential};
use agentidp_core::domain::ids::{AgentId, CredentialId, EventId, WriteId};
use agentidp_core::domain::key::SigningAlgorithm;
use agentidp_core::domain::page::PageRequest;
use agentidp_core::domain::scope::CapabilitySet;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use agentidp_core::ports::policy::{Owners, PolicyEngine, PolicyRequest};
use agentidp_core::ports::secrets::{SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use agentidp_core::ports::storage::{AgentFilter, AgentStore, AuditLog, CredentialStore, Journal, KeyStore};
use agentidp_core::services::Ambient;
use agentidp_core::services::access::{AccessRequest, AccessService, Authorized, Target};
use agentidp_core::services::audit::AuditService;
use agentidp_core::services::clients::LegacyPresence;
use agentidp_core::services::credentials::new_secret;
use agentidp_core::services::custody::Custody;
use agentidp_core::services::freshness::Freshness;
use agentidp_core::services::presented::PresentedTokens;
use ambient::HandClock;
use doubles::Told;
use faulty::Faulty;
use outside::OutsideSecrets;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const ISSUER: &str = "https://idp.example";

/// Everything that the services stand on.
pub struct World {
    pub clock: Arc<HandClock>,
    /// The clock that tells how old is what is known of others' changes. It goes by itself, so that a test may let a
    /// token grow old without a thought of them.
    pub watch: Arc<HandClock>,
    pub freshness: Arc<Freshness>,
    pub ambient: Ambient,
    pub store: Arc<Faulty<SqlStore>>,
    pub secrets: Arc<Faulty<DigestSecrets>>,
    /// Breaks together with the database.
    pub outside: Arc<Faulty<OutsideSecrets>>,
    pub custody: Arc<Custody>,
    pub told: Arc<Told>,
    pub verifier: Arc<Faulty<SecretRouter>>,
    pub ring: Arc<KeyRing>,
    pub biscuits: Arc<BiscuitRing>,
    pub presented: Arc<PresentedTokens>,
    pub legacy: Arc<LegacyPresence>,
    pub audit: Arc<AuditService>,
    pub access: Arc<AccessService>,
    seen: Mutex<HashSet<EventId>>,
}

/// An agent with a credential and its secret.
#[derive(Debug, Clone)]
pub struct Client {
    pub agent: Agent,
    pub credential: Credential,
    pub secret: String,
}

impl World {
    pub async fn new() -> Self {
        Self::under(Arc::new(TablePolicy::builtin().unwrap())).await
    }

    /// A world of another policy.
    pub async fn under(policy: Arc<dyn PolicyEngine>) -> Self {
        Self::keeping(policy, None).await
    }

    /// A world that forgets its events.
    pub async fn keeping(policy: Arc<dyn PolicyEngine>, retention: Option<Duration>) -> Self {
        Self::over("sqlite::memory:", policy, retention).await
    }

    /// A world that keeps new secrets outside.
    pub async fn outside() -> Self {
        Self::outside_over("sqlite::memory:").await
    }

    /// A world over the database of this URL that keeps new secrets outside.
    pub async fn outside_over(url: &str) -> Self {
        let mut world = Self::over(url, Arc::new(TablePolicy::builtin().unwrap()), None).await;
        world.custody = world.custody_in(world.outside.clone());
        world
    }

    async fn over(url: &str, policy: Arc<dyn PolicyEngine>, retention: Option<Duration>) -> Self {
        let options = sql::Options { deadline: Duration::from_secs(20), connections: 8 };
        let store = sql::connect(url, &options).await.unwrap();
        store.migrate().await.unwrap();
        let store = Faulty::around(store);
        let clock = HandClock::at_start();
        let ambient = ambient::ambient(&clock);
        let digest = DigestSecrets::new(Pepper::new("key-1", &[7; 32]), None);
        let secrets = Faulty::around(digest.clone());
        let outside = Faulty::beside(&store, OutsideSecrets::default());
        let backends: [(Backend, Arc<dyn SecretVerifier>); 3] = [
            (Backend::Digest, Arc::new(digest)),
            (Backend::Bcrypt, Arc::new(BcryptLegacy::default())),
            (Backend::Vault, outside.inner.clone()),
        ];
        let told = Arc::new(Told::default());
        let custody = Arc::new(Custody {
            current: secrets.clone(),
            stores: vec![secrets.clone(), outside.clone()],
            records: store.clone(),
            observer: told.clone(),
            ambient: ambient.clone(),
        });
        let sealing = SealingKey::new("key-1", &[9; 32]);
        let key = jwt::generate(SigningAlgorithm::EdDsa, &sealing, clock.now(), clock.now()).unwrap();
        let root = biscuit::generate(&sealing, clock.now(), clock.now()).unwrap();
        let (keys, sealing) = ([key, root], [sealing]);
        let ring = Arc::new(KeyRing::open(&keys, &sealing, ISSUER, clock.clone()).unwrap());
        let biscuits = Arc::new(BiscuitRing::open(&keys, &sealing, ISSUER, clock.clone()).unwrap());
        let watch = HandClock::at_start();
        let freshness = Arc::new(Freshness::new(watch.clone()));
        let presented = Arc::new(PresentedTokens {
            tokens: store.clone(),
            verifier: ring.clone(),
            biscuits: biscuits.clone(),
            clock: clock.clone(),
            freshness: freshness.clone(),
        });
        let audit = Arc::new(AuditService::new(store.clone(), ambient.clone(), retention));
        let access = Arc::new(AccessService {
            agents: store.clone(),
            presented: presented.clone(),
            policy,
            audit: audit.clone(),
            ambient: ambient.clone(),
            issuer: ISSUER.to_owned(),
        });
        Self {
            clock,
            watch,
            freshness,
            ambient,
            store,
            secrets,
            outside,
            custody,
            told,
            verifier: Faulty::around(SecretRouter::new(backends)),
            ring,
            biscuits,
            presented,
            legacy: Arc::new(LegacyPresence::default()),
            audit,
            access,
            seen: Mutex::default(),
        }
    }

    /// The same custody with another place for new secrets.
    pub fn custody_in(&self, current: Arc<dyn SecretStore>) -> Arc<Custody> {
        Arc::new(Custody { current, ..self.custody_of() })
    }

    /// A custody of its own, over the same stores and records.
    pub fn custody_of(&self) -> Custody {
        Custody {
            current: self.custody.current.clone(),
            stores: self.custody.stores.clone(),
            records: self.store.clone(),
            observer: self.told.clone(),
            ambient: self.ambient.clone(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a registration asks for, with an address of its own.
    pub fn new_agent(&self, owner: &str, capabilities: &[&str]) -> NewAgent {
        NewAgent {
            email: format!("{}@example.com", self.ambient.uuid().simple()).parse().unwrap(),
            agent_type: AgentType::Custom,
            version: "1.0.0".parse().unwrap(),
            capabilities: CapabilitySet::parse(capabilities).unwrap(),
            owner: owner.parse().unwrap(),
            deployment_env: DeploymentEnv::Production,
        }
    }

    /// An agent that is there already.
    pub async fn agent(&self, owner: &str, capabilities: &[&str]) -> Agent {
        let id = AgentId::new(self.ambient.uuid());
        let agent = Agent::register(id, self.new_agent(owner, capabilities), self.now());
        AgentStore::insert(self.store.inner.as_ref(), &agent, None, &self.silent()).await.unwrap();
        agent
    }

    /// A credential of `agent` that is there already; its secret is a digest.
    pub async fn credential(&self, agent: &Agent, expires_at: Option<Timestamp>) -> Client {
        let id = CredentialId::new(self.ambient.uuid());
        let secret = new_secret(id, self.ambient.entropy.as_ref());
        let owner = SecretOwner { agent_id: agent.id, credential_id: id };
        let write = SecretWrite { id: WriteId::new(self.ambient.uuid()), owner };
        let at = self.secrets.inner.put(write, &secret).await.unwrap();
        let credential = Credential::new(id, agent.id, at, expires_at, self.now());
        let store = self.store.inner.as_ref();
        CredentialStore::insert(store, &credential, agent.revision, 100, &self.silent()).await.unwrap();
        Client { agent: agent.clone(), credential, secret: secret.expose().to_owned() }
    }

    pub async fn client(&self, owner: &str, capabilities: &[&str]) -> Client {
        self.credential(&self.agent(owner, capabilities).await, None).await
    }

    /// A journal of an event that `news` does not tell.
    pub fn silent(&self) -> Journal {
        let event = self.ambient.event(agentidp_core::domain::audit::Action::PolicyReloaded, &context());
        self.seen.lock().unwrap().insert(event.id);
        Journal { event, idempotency: None, write: None }
    }

    /// The events that were written since the last question, oldest first.
    pub async fn news(&self) -> Vec<AuditEvent> {
        let log: &dyn AuditLog = self.store.inner.as_ref();
        let page = log.query(&Owners::All, &AuditFilter::default(), None, page()).await.unwrap();
        assert!(page.next.is_none(), "more events than are looked at");
        let mut seen = self.seen.lock().unwrap();
        page.items.into_iter().rev().filter(|event| seen.insert(event.id)).collect()
    }

    /// The only event since the last question.
    pub async fn only_news(&self) -> AuditEvent {
        let mut events = self.news().await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// The agent as it is stored.
    pub async fn reread(&self, agent: &Agent) -> Agent {
        AgentStore::find(self.store.inner.as_ref(), agent.id).await.unwrap().unwrap()
    }

    /// The credential as it is stored.
    pub async fn recall(&self, credential: &Credential) -> Credential {
        let store = self.store.inner.as_ref();
        CredentialStore::find(store, credential.agent_id, credential.id).await.unwrap().unwrap()
    }

    /// All that the database holds, as text.
    async fn contents(&self) -> String {
        let store = self.store.inner.as_ref();
        let everyone = AgentFilter {
            owners: Owners::All,
            owner: None,
            agent_type: None,
            status: None,
            deployment_env: None,
            text: None,
        };
        let agents = AgentStore::list(store, &everyone, page()).await.unwrap();
        let keys = KeyStore::list(store).await.unwrap();
        let mut text = format!("{agents:?}{keys:?}");
        for agent in &agents.items {
            text += &format!("{:?}", CredentialStore::list(store, agent.id, None, self.now(), page()).await.unwrap());
        }
        text + &format!("{:?}", AuditLog::query(store, &Owners::All, &AuditFilter::default(), None, page()).await)
    }

    /// Runs a use-case while the database breaks at its first call, at its second, and so on, until it gets through.
    /// Each failure must be an "unavailable" that changed nothing.
    pub async fn breaks_cleanly<R: std::fmt::Debug, E: std::fmt::Debug>(
        &self,
        run: impl AsyncFn() -> Result<R, E>,
        unavailable: fn(&E) -> bool,
    ) -> R {
        let before = self.contents().await;
        for good in 0..10 {
            self.store.break_after(good);
            let result = run().await;
            self.store.heal();
            match result {
                Ok(result) => {
                    assert!(good > 0, "the database was not asked");
                    return result;
                }
                Err(error) => assert!(unavailable(&error), "{error:?} after {good} calls"),
            }
            assert_eq!(self.contents().await, before, "after {good} calls");
        }
        panic!("it never got through");
    }

    /// What the policy allows to `caller`.
    pub async fn allowed(&self, caller: &Caller, operation: &'static str, target: Option<AgentId>) -> Authorized {
        let request = ask(operation, target);
        self.access.authorize(caller.clone(), &request, &context()).await.unwrap()
    }
}

pub fn page() -> PageRequest {
    PageRequest::new(100, None).unwrap()
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The request that all calls of a test come with.
pub fn context() -> RequestContext {
    RequestContext {
        request_id: "request-1".to_owned(),
        source_ip: Some([192, 0, 2, 7].into()),
        user_agent: Some("tests/1".to_owned()),
    }
}

/// A request for an operation, on an agent if there is a target.
pub fn ask(operation: &'static str, target: Option<AgentId>) -> AccessRequest {
    AccessRequest {
        operation,
        method: "POST",
        path: if target.is_some() { "/api/v1/agents/{agentId}" } else { "/api/v1/agents" },
        target: target.map(|id| Target { text: id.to_string(), id: Some(id) }),
        body: PolicyRequest::default(),
    }
}

/// A member of an event's metadata, as text.
pub fn text<'a>(event: &'a AuditEvent, member: &str) -> &'a str {
    event.metadata.get(member).and_then(|value| value.as_text()).unwrap_or("-")
}
