//! Rows for the cases. A number makes each: it is in the id, and higher numbers are newer.

use super::Stores;
use crate::domain::agent::{Agent, AgentType, DeploymentEnv, NewAgent};
use crate::domain::audit::{Action, AuditEvent, Outcome};
use crate::domain::credential::{Credential, Rotation, SecretRef};
use crate::domain::idempotency::{IdempotencyRecord, StoredResponse};
use crate::domain::ids::{AgentId, CredentialId, EventId};
use crate::domain::json::Json;
use crate::domain::key::{KeyUse, SigningAlgorithm, StoredKey};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::scope::CapabilitySet;
use crate::domain::time::Timestamp;
use crate::ports::policy::Owners;
use crate::ports::storage::{AgentFilter, Journal};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// One day in milliseconds.
pub const DAY: i64 = 86_400_000;

/// A moment some milliseconds after noon of a day.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_764_000_000_000 + millis)
}

/// Agent `number` of owner `team-a`.
pub fn agent(number: u32) -> Agent {
    agent_of("team-a", number)
}

/// Agent `number` of `owner`.
pub fn agent_of(owner: &str, number: u32) -> Agent {
    let new = NewAgent {
        email: format!("Agent{number}@Example.com").parse().unwrap(),
        agent_type: AgentType::Screener,
        version: "1.0.0-rc.1+b".parse().unwrap(),
        capabilities: CapabilitySet::parse(&["data:read", "mail:*"]).unwrap(),
        owner: owner.parse().unwrap(),
        deployment_env: DeploymentEnv::Production,
    };
    Agent::register(AgentId::new(Uuid::from_u128(number.into())), new, at(number.into()))
}

/// An administrator.
pub fn administrator(number: u32, capability: &str) -> Agent {
    Agent { capabilities: CapabilitySet::parse(&["data:read", capability]).unwrap(), ..agent_of("system", number) }
}

/// The digest numbered `number`, under the master key `k1`.
pub fn digest(number: u32) -> SecretRef {
    SecretRef::Digest { key_id: "k1".to_owned(), mac: format!("{number:064x}") }
}

/// A version of the secret at `path` in Vault.
pub fn vault(path: &str, version: i64) -> SecretRef {
    SecretRef::Vault { path: path.to_owned(), version }
}

/// A bcrypt hash. No secret makes it.
pub fn bcrypt(number: u32) -> SecretRef {
    SecretRef::Bcrypt { hash: format!("$2b$10${number:053}") }
}

/// Credential `number` of `agent`, without an end.
pub fn credential(agent: &Agent, number: u32) -> Credential {
    let id = CredentialId::new(Uuid::from_u128(number.into()));
    Credential::new(id, agent.id, digest(number), None, at(number.into()))
}

/// A rotation whose replaced secret works for some seconds more.
pub fn grace(seconds: u64) -> Rotation {
    Rotation { grace: Duration::from_secs(seconds), ..Default::default() }
}

/// An event of `team-a` about nobody; each has an id of its own.
pub fn event(millis: i64) -> AuditEvent {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    AuditEvent {
        id: EventId::new(Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into())),
        timestamp: at(millis),
        agent_id: None,
        owner: Some("team-a".parse().unwrap()),
        actor: None,
        action: Action::TokenIssued,
        outcome: Outcome::Success,
        reason: None,
        ip_address: None,
        user_agent: None,
        request_id: None,
        policy_hash: None,
        metadata: Json::object::<&str>([]),
    }
}

/// A new event and no idempotency key.
pub fn journal() -> Journal {
    Journal { event: event(0), idempotency: None, write: None }
}

/// A new event and a key of caller 1, used at `at(millis)`.
pub fn once(key: &str, millis: i64) -> Journal {
    let record = IdempotencyRecord {
        caller: AgentId::new(Uuid::from_u128(1)),
        key: key.parse().unwrap(),
        fingerprint: format!("{:064x}", 7),
        response: StoredResponse {
            status: 201,
            location: Some("/api/v1/agents/x".to_owned()),
            body: "{\"a\": 1 }".to_owned(),
        },
        created_at: at(millis),
    };
    Journal { idempotency: Some(record), ..journal() }
}

/// The signing key `kid`, made at `at(millis)`.
pub fn key(kid: &str, millis: i64) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        usage: KeyUse::Jwt,
        algorithm: SigningAlgorithm::EdDsa,
        public_jwk: "{\"kty\":\"OKP\"}".to_owned(),
        sealed_private: vec![0, 255, 7],
        master_key_id: "k0".to_owned(),
        created_at: at(millis),
        active_from: at(millis + 1),
        revoked_at: Some(at(millis + 2)),
    }
}

/// Every agent.
pub fn everyone() -> AgentFilter {
    AgentFilter { owners: Owners::All, owner: None, agent_type: None, status: None, deployment_env: None, text: None }
}

/// Some owners.
pub fn owners(names: &[&str]) -> Owners {
    Owners::Only(names.iter().map(|name| name.parse().unwrap()).collect())
}

/// A page of at most `limit` rows.
pub fn page(limit: u32, after: Option<Cursor>) -> PageRequest {
    PageRequest::new(limit, after).unwrap()
}

/// Adds the agent to the database.
pub async fn added(stores: &Stores, agent: Agent) -> Agent {
    stores.agents.insert(&agent, None, &journal()).await.unwrap();
    agent
}

/// Adds the credential, which must be of an agent at revision 0.
pub async fn added_credential(stores: &Stores, credential: Credential) -> Credential {
    stores.credentials.insert(&credential, 0, 100, &journal()).await.unwrap();
    credential
}

/// Whether the event is in the log.
pub async fn is_logged(stores: &Stores, event: &AuditEvent) -> bool {
    stores.audit.find(event.id, &Owners::All, None).await.unwrap().is_some()
}

/// Reads pages of two to the end by `next`; after the first, `meanwhile` is run.
pub async fn read_on<T, P: Future<Output = Page<T>>>(
    mut next: impl FnMut(PageRequest) -> P,
    meanwhile: impl Future<Output = ()>,
) -> Vec<T> {
    let first = next(page(2, None)).await;
    meanwhile.await;
    let (mut items, mut cursor) = (first.items, first.next);
    while let Some(place) = cursor {
        let more = next(page(2, Some(place))).await;
        assert!(!more.items.is_empty(), "a page that was announced is empty");
        items.extend(more.items);
        cursor = more.next;
    }
    items
}
