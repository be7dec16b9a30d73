//! A database of every earlier release comes over, on both databases. Its rows are frozen in `migrations/fixtures`: each
//! was written right after the migration whose number it has, and is read by the ports of today.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_adapters::sql::SqlStore;
use agentidp_core::contract::storage::make::event;
use agentidp_core::domain::agent::{Agent, AgentStatus};
use agentidp_core::domain::audit::{Action, AuditEvent, AuditFilter};
use agentidp_core::domain::credential::{Credential, CredentialStatus, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::key::{KeyUse, SigningAlgorithm};
use agentidp_core::domain::page::PageRequest;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::custody::CustodyStore;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{
    AgentFilter, AgentStore, AuditLog, CredentialStore, IdempotencyStore, Issue, KeyStore, StoreError, TokenStore,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use support::{Scratch, connected, open};
use uuid::Uuid;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/fixtures");
const NOW: Timestamp = Timestamp::from_unix_millis(1_743_465_600_002);

fn uuid(last: u16) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(last))
}

fn agent_id(last: u16) -> AgentId {
    AgentId::new(uuid(last))
}

fn page() -> PageRequest {
    PageRequest::new(100, None).unwrap()
}

/// What the fixtures up to `number` hold of these rows, each beside the migration it came with.
fn since<T, const N: usize>(number: usize, rows: [(usize, T); N]) -> Vec<T> {
    rows.into_iter().filter(|(since, _)| *since <= number).map(|(_, row)| row).collect()
}

/// Writes the rows of a migration. Binary values are written as SQLite reads them: 16 bytes are a UUID.
async fn write_rows(db: &DatabaseConnection, number: usize) {
    let path = format!("{FIXTURES}/{number:06}/rows.sql");
    let rows = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rows = match db.get_database_backend() {
        DbBackend::Postgres => {
            let spelled =
                |rest: &str| if rest.find('\'') == Some(32) { format!("'{rest}") } else { format!("'\\x{rest}") };
            let mut pieces = rows.split("X'");
            let first = pieces.next().unwrap().to_owned();
            pieces.fold(first, |text, rest| text + &spelled(rest))
        }
        _ => rows,
    };
    db.execute_unprepared(&rows).await.unwrap_or_else(|error| panic!("{path}: {error}"));
}

async fn agents_come_over(store: &dyn AgentStore, number: usize) {
    let everyone = AgentFilter {
        owners: Owners::All,
        owner: None,
        agent_type: None,
        status: None,
        deployment_env: None,
        text: None,
    };
    let agents = store.list(&everyone, page()).await.unwrap().items;
    let shape = |agent: &Agent| (agent.id, agent.owner.to_string(), agent.status, agent.generation, agent.revision);
    let row = |last, owner: &str, status, generation, revision| {
        (agent_id(last), owner.to_owned(), status, generation, revision)
    };
    let expected = since(
        number,
        [
            (14, row(0xa005, "ops", AgentStatus::Active, 0, 0)),
            (6, row(0xa004, "ops", AgentStatus::Active, 3, 5)),
            (1, row(0xa003, "Zahlung & Söhne", AgentStatus::Decommissioned, 0, 0)),
            (1, row(0xa002, "hiring", AgentStatus::Suspended, 0, 0)),
            (1, row(0xa001, "hiring", AgentStatus::Active, 0, 0)),
        ],
    );
    assert_eq!(agents.iter().map(shape).collect::<Vec<_>>(), expected);
    let screener = agents.last().unwrap();
    assert_eq!(screener.email.as_str(), "Screener@Example.com");
    let capabilities: Vec<_> = screener.capabilities.iter().map(ToString::to_string).collect();
    assert_eq!(capabilities, ["resume:read", "resume:*"]);
}

async fn credentials_come_over(store: &dyn CredentialStore, number: usize) {
    use CredentialStatus::{Active, Expired, Revoked};
    let rows = [
        (2, (1, 0xa001, Active, 0, 0)),
        (2, (2, 0xa001, Expired, 0, 0)),
        (2, (3, 0xa002, Active, 0, 0)),
        (2, (4, 0xa003, Revoked, 0, 0)),
        (5, (5, 0xa001, Active, 0, 0)),
        (5, (6, 0xa001, Active, 0, 0)),
        (5, (7, 0xa001, Active, 0, 0)),
        (6, (8, 0xa004, Active, 2, 4)),
    ];
    for (last, agent, status, generation, revision) in since(number, rows) {
        let found = store.find(agent_id(agent), CredentialId::new(uuid(0xc000 | last))).await.unwrap().unwrap();
        let counts = (found.status(NOW), found.generation, found.revision);
        assert_eq!(counts, (status, generation, revision), "credential {last}");
        secret_comes_over(&found, last);
        let graced: Vec<_> = found.graced.iter().map(|graced| graced.secret.backend().as_str()).collect();
        let expected: &[&str] = if last == 5 && number >= 7 { &["vault", "bcrypt"] } else { &[] };
        assert_eq!(graced, expected, "credential {last}");
    }
    let Some((_, legacy)) = store.legacy(agent_id(0xa001)).await.unwrap() else { panic!("the agent is there") };
    let mut ids: Vec<_> = legacy.iter().map(|credential| credential.id.uuid()).collect();
    ids.sort_unstable();
    assert_eq!(ids, since(number, [(2, uuid(0xc001)), (2, uuid(0xc002)), (7, uuid(0xc005))]));
}

fn secret_comes_over(credential: &Credential, last: u16) {
    match (&credential.secret, last) {
        (SecretRef::Bcrypt { hash }, 1..=4) => {
            assert!(bcrypt::verify(format!("test-only legacy secret {last}"), hash).unwrap(), "credential {last}");
        }
        (SecretRef::Vault { path, version }, 5) => {
            assert_eq!((path.as_str(), *version), ("secret/data/agentidp/c005", 7));
        }
        (SecretRef::AwsSecretsManager { name, version_id }, 6) => {
            assert_eq!((name.as_str(), version_id.len()), ("agentidp/c006", 36));
        }
        (SecretRef::Digest { key_id, mac }, 7 | 8) => assert_eq!((key_id.as_str(), mac.len()), ("mk-1", 64)),
        (other, _) => panic!("credential {last} came over as {other:?}"),
    }
}

async fn events_come_over(store: &dyn AuditLog, number: usize) {
    let owned = |owner: &str| Owners::Only(vec![owner.parse().unwrap()]);
    let all = [(13, 0xe007), (8, 0xe006), (3, 0xe005), (3, 0xe004), (3, 0xe003), (3, 0xe002), (3, 0xe001)];
    for (owners, expected) in [
        (Owners::All, since(number, all)),
        (owned("hiring"), since(number, [(8, 0xe006), (3, 0xe004), (3, 0xe001)])),
        (owned("Zahlung & Söhne"), since(number, [(3, 0xe003), (3, 0xe002)])),
    ] {
        let events = store.query(&owners, &AuditFilter::default(), None, page()).await.unwrap().items;
        let ids: Vec<_> = events.iter().map(|event| event.id.uuid()).collect();
        assert_eq!(ids, expected.into_iter().map(uuid).collect::<Vec<_>>(), "{owners:?}");
        for event in events {
            event_comes_over(&event);
        }
    }
}

fn event_comes_over(event: &AuditEvent) {
    let text = |name: &str| event.metadata.get(name).and_then(|value| value.as_text()).unwrap_or_default().to_owned();
    match event.action {
        Action::AuthFailed => {
            assert_eq!(
                (text("clientId").as_str(), event.actor.is_some(), event.reason.is_some()),
                ("unknown", false, false)
            );
        }
        Action::AuthzDenied => {
            let actor = event.actor.as_ref().unwrap();
            assert_eq!((actor.agent_id, actor.token_id.unwrap().uuid()), (agent_id(0xa001), uuid(0xd009)));
            assert_eq!(
                (event.reason.as_deref(), event.policy_hash.as_deref()),
                (Some("owner_mismatch"), Some("c0ffee"))
            );
        }
        _ => assert_eq!(event.actor, None),
    }
}

async fn tokens_come_over(store: &dyn TokenStore, number: usize) {
    if number >= 2 {
        let (agent, credential) = (agent_id(0xa001), CredentialId::new(uuid(0xc001)));
        for (last, since) in [(0xd001, 4), (0xd002, 4), (0xd003, usize::MAX)] {
            let standing = store.standing(agent, credential, &[uuid(last).to_string()]).await.unwrap().unwrap();
            assert_eq!(standing.revoked, since <= number, "{last:x}");
        }
    }
    let issue = |quota| {
        let event = AuditEvent { agent_id: Some(agent_id(0xa001)), timestamp: NOW, ..event(0) };
        Issue { event, used: None, monthly_quota: Some(quota) }
    };
    let used_up = store.record_issue(&issue(41)).await;
    assert_eq!(matches!(used_up, Err(StoreError::LimitReached)), number >= 12, "{used_up:?}");
    store.record_issue(&issue(42)).await.unwrap();
}

async fn keys_come_over<S: KeyStore + IdempotencyStore>(store: &S, number: usize) {
    let keys = KeyStore::list(store).await.unwrap();
    let found: Vec<_> = keys
        .iter()
        .map(|key| {
            (key.kid.as_str(), key.usage, key.algorithm, key.sealed_private.as_slice(), key.revoked_at.is_some())
        })
        .collect();
    let expected = [
        (10, ("key-10", KeyUse::Jwt, SigningAlgorithm::Es256, [0x00, 0xff, 0x10].as_slice(), false)),
        (15, ("key-15", KeyUse::Biscuit, SigningAlgorithm::EdDsa, [0x08, 0x15].as_slice(), true)),
    ];
    assert_eq!(found, since(number, expected));
    let policy = store.find_policy("c0ffee").await.unwrap();
    assert_eq!(policy.map(|policy| policy.rego), (number >= 11).then(|| "package agentidp".to_owned()));
    let record = IdempotencyStore::find(store, agent_id(0xa001), &"order-9".parse().unwrap(), NOW).await.unwrap();
    let kept = record.map(|record| (record.response.status, record.response.location, record.fingerprint));
    assert_eq!(kept, (number >= 9).then(|| (201, Some("/api/v1/agents/9".to_owned()), "f00d".to_owned())));
}

async fn custody_comes_over(store: &dyn CustodyStore, number: usize) {
    let expected = match number {
        0..16 => (0, 0),
        16 => (1, 1),
        17 => (2, 1),
        _ => (2, 2),
    };
    let pending = store.pending().await.unwrap();
    assert_eq!((pending.writes, pending.destructions), expected);
    let mut writes = Vec::new();
    while let Some(claimed) = store.claim_write(None, NOW).await.unwrap() {
        let (id, owner) = (claimed.write.id.uuid(), claimed.write.owner.credential_id.uuid());
        writes.push((id, owner, claimed.attempts, claimed.path));
    }
    let place = format!("kv/agentidp/agents/{}/credentials/{}", uuid(0xa001), uuid(0xc005));
    let rows = [(16, (uuid(0xf001), uuid(0xc006), 3, None)), (17, (uuid(0xf002), uuid(0xc005), 1, Some(place)))];
    assert_eq!(writes, since(number, rows));
    let mut places = Vec::new();
    while let Some(claimed) = store.claim_location(None, NOW).await.unwrap() {
        places.push((claimed.location.path, claimed.owner.agent_id, claimed.attempts));
    }
    let rows = [
        (16, ("secret/data/agentidp/c004".to_owned(), agent_id(0xa003), 2)),
        (18, ("agentidp/c008".to_owned(), agent_id(0xa004), 5)),
    ];
    assert_eq!(places, since(number, rows));
}

/// A database at the migration `number`, written to all along the way, comes over.
async fn comes_over(url: String, number: usize) {
    let store = connected(&url).await;
    let db = open(&url).await;
    for step in 1..=number {
        assert_eq!(store.migrate_steps(Some(1)).await.unwrap().len(), 1);
        write_rows(&db, step).await;
    }
    let pending = store.pending_migrations().await.unwrap();
    assert_eq!(store.migrate().await.unwrap(), pending);
    assert!(store.schema_is_current().await.unwrap());
    agents_come_over(&store, number).await;
    credentials_come_over(&store, number).await;
    events_come_over(&store, number).await;
    keys_come_over(&store, number).await;
    custody_comes_over(&store, number).await;
    tokens_come_over(&store, number).await;
    for sql in ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"] {
        assert!(db.execute_unprepared(sql).await.is_err(), "{sql}");
    }
    db.close().await.unwrap();
    store.close().await.unwrap();
}

/// How many migrations there are.
async fn newest() -> usize {
    let store: SqlStore = connected("sqlite::memory:").await;
    let newest = store.pending_migrations().await.unwrap().len();
    store.close().await.unwrap();
    newest
}

#[tokio::test]
async fn every_release_comes_over_on_sqlite() {
    for number in 1..=newest().await {
        Scratch::sqlite().await.run(move |url| comes_over(url, number)).await;
    }
}

#[tokio::test]
async fn every_release_comes_over_on_postgres() {
    for number in 1..=newest().await {
        Scratch::postgres().await.run(move |url| comes_over(url, number)).await;
    }
}
