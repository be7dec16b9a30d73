//! Many at once over a store of secrets outside, on both databases: what comes out is as if they had come one by one.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_adapters::testing::{Database, TestDatabase};
use agentidp_core::contract::storage::race;
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::credential::{Credential, InvalidTransition, Rotation};
use agentidp_core::domain::idempotency::{Once, StoredResponse};
use agentidp_core::domain::ids::CredentialId;
use agentidp_core::ports::custody::Pending;
use agentidp_core::ports::storage::{CredentialStore, IdempotencyStore};
use agentidp_core::services::access::Authorized;
use agentidp_core::services::credentials::{CredentialError, WithSecret};
use std::collections::BTreeSet;
use std::time::Duration;
use support::outside::name;
use support::{World, page, seconds};

/// Makes one test per database.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Race::new(super::Database::Sqlite).await).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Race::new(super::Database::Postgres).await).await; })+
        }
    };
}

on_both!(
    rotations_together_all_succeed_and_name_what_is_there,
    a_revocation_among_rotations_leaves_nothing,
    twins_of_a_generation_leave_one_secret,
    twins_of_a_rotation_leave_one_secret,
);

const MANY: usize = 50;

/// What is raced for.
struct Race {
    world: World,
    agent: Agent,
    by: Authorized,
    _database: TestDatabase,
}

impl Race {
    async fn new(database: Database) -> Self {
        let database = TestDatabase::make(database).await;
        let world = World::outside_over(&database.url()).await;
        let agent = world.agent("team-a", &["data:read"]).await;
        let admin = world.admin().await;
        let by = world.allowed(&admin, "rotateCredential", Some(agent.id)).await;
        Self { world, agent, by, _database: database }
    }

    /// A credential that is there before the race.
    async fn credential(&self) -> CredentialId {
        self.world.credentials().generate(&self.by, None, None).await.unwrap().credential.id
    }

    async fn stored(&self, id: CredentialId) -> Credential {
        CredentialStore::find(self.world.store.inner.as_ref(), self.agent.id, id).await.unwrap().unwrap()
    }

    /// Every credential of the agent.
    async fn all(&self) -> Vec<Credential> {
        let store = self.world.store.inner.as_ref();
        CredentialStore::list(store, self.agent.id, None, self.world.now(), page()).await.unwrap().items
    }

    /// Whoever asks by a key that is used gets the first answer, before anything is tried.
    async fn key_must_be_free(&self) -> Result<(), CredentialError> {
        let Once { caller, key, .. } = once(self);
        let store: &dyn IdempotencyStore = self.world.store.inner.as_ref();
        let used = store.find(caller, &key, self.world.now()).await.unwrap().is_some();
        if used { Err(CredentialError::Replayed) } else { Ok(()) }
    }

    /// Nothing is left to do, and what is there is what rows name. A place that was cleared while a write was announced is
    /// looked at once more, half a minute later.
    async fn agrees(&self) {
        self.world.clock.advance(Duration::from_secs(31));
        let pending = self.world.custody.reconcile().await.unwrap();
        assert_eq!(pending, Pending::default());
        let mut named = BTreeSet::new();
        for credential in self.all().await.iter().filter(|credential| credential.revoked_at().is_none()) {
            named.insert(name(&credential.secret));
            named.extend(credential.graced.iter().map(|graced| name(&graced.secret)));
        }
        assert_eq!(self.world.outside.inner.references(), named);
    }
}

/// As the HTTP layer does it: what is stale is decided again.
async fn again<T>(attempt: impl AsyncFn() -> Result<T, CredentialError>) -> Result<T, CredentialError> {
    for round in 1_u64.. {
        match attempt().await {
            Err(CredentialError::Stale) => tokio::time::sleep(Duration::from_millis(round % 40)).await,
            other => return other,
        }
    }
    unreachable!("it is tried for ever")
}

/// The old secret stays for an hour; as many as may are in their grace, and then all end.
fn rotation(number: usize) -> Rotation {
    let grace = if number.is_multiple_of(8) { 0 } else { 3600 };
    Rotation { grace: seconds(grace), ..Rotation::default() }
}

async fn rotations_together_all_succeed_and_name_what_is_there(scene: Race) {
    let id = scene.credential().await;
    let rotate = async || scene.world.credentials().rotate(&scene.by, id, Rotation::default(), None).await;
    let results = race((0..MANY).map(|_| again(rotate))).await;
    let made: Vec<WithSecret> = results.into_iter().map(Result::unwrap).collect();
    let references: BTreeSet<String> = made.iter().map(|made| name(&made.credential.secret)).collect();
    assert_eq!(references.len(), MANY, "each has a version of its own");
    let stored = scene.stored(id).await;
    assert_eq!(stored.revision, i64::try_from(MANY).unwrap());
    assert!(references.contains(&name(&stored.secret)));
    assert!(scene.world.outside.inner.references().contains(&name(&stored.secret)), "what the row names is there");
    assert_eq!(scene.world.custody.records.pending().await.unwrap(), Pending::default());
}

async fn a_revocation_among_rotations_leaves_nothing(scene: Race) {
    let (id, other) = (scene.credential().await, scene.credential().await);
    let service = &scene.world.credentials();
    let by = &scene.by;
    let change = async |number: usize| match number % 10 {
        5 => again(async || service.revoke(by, id, None).await).await.map(|()| None),
        _ => again(async || service.rotate(by, id, rotation(number), None).await).await.map(Some),
    };
    let (mut rotated, mut revoked) = (0, 0);
    for result in race((0..MANY).map(change)).await {
        match result {
            Ok(Some(_)) => rotated += 1,
            Ok(None) => revoked += 1,
            Err(CredentialError::Refused(InvalidTransition::AlreadyRevoked | InvalidTransition::TooManyGraced)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(revoked, 1);
    let stored = scene.stored(id).await;
    assert_eq!((stored.revision, stored.revoked_at().is_some()), (rotated + 1, true));
    let events = scene.world.news().await;
    let of = |action| events.iter().filter(|event| event.action == action).count();
    assert_eq!(i64::try_from(of(Action::CredentialRotated)).unwrap(), rotated);
    assert_eq!(of(Action::CredentialRevoked), 1);
    let last = scene.stored(other).await;
    assert_eq!(scene.world.outside.inner.references(), BTreeSet::from([name(&last.secret)]));
    scene.agrees().await;
}

fn once(scene: &Race) -> Once<'static, Credential> {
    let key = "twins".parse().unwrap();
    Once { caller: scene.by.caller.agent.id, key, fingerprint: "ab".repeat(32), present: &present }
}

fn present(credential: &Credential) -> StoredResponse {
    StoredResponse { status: 200, location: None, body: credential.id.to_string() }
}

/// One of the results is what was asked for, the others found the key in use.
fn only(results: Vec<Result<WithSecret, CredentialError>>) -> WithSecret {
    let mut made = Vec::new();
    for result in results {
        match result {
            Ok(one) => made.push(one),
            Err(CredentialError::Replayed) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(made.len(), 1);
    made.remove(0)
}

async fn twins_of_a_generation_leave_one_secret(scene: Race) {
    let generate = async || {
        scene.key_must_be_free().await?;
        scene.world.credentials().generate(&scene.by, None, Some(once(&scene))).await
    };
    let made = only(race((0..MANY).map(|_| again(generate))).await);
    assert_eq!(scene.all().await, [made.credential]);
    scene.agrees().await;
}

async fn twins_of_a_rotation_leave_one_secret(scene: Race) {
    let id = scene.credential().await;
    let rotate = async || {
        scene.key_must_be_free().await?;
        scene.world.credentials().rotate(&scene.by, id, rotation(1), Some(once(&scene))).await
    };
    let made = only(race((0..MANY).map(|_| again(rotate))).await);
    assert_eq!(scene.stored(id).await, made.credential);
    assert_eq!(made.credential.revision, 1);
    scene.agrees().await;
}
