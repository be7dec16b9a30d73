//! Secrets outside the database: whichever step fails, database and store agree after the next pass.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::contract::storage::race;
use agentidp_core::domain::agent::{Agent, AgentStatus};
use agentidp_core::domain::caller::Caller;
use agentidp_core::domain::credential::{Backend, Credential, MAX_ACTIVE_CREDENTIALS, Rotation};
use agentidp_core::domain::ids::CredentialId;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::ports::custody::{Pending, TaskKind};
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretVerifier};
use agentidp_core::ports::storage::{AgentFilter, AgentStore, CredentialStore, Journal, StoreError};
use agentidp_core::services::access::Authorized;
use agentidp_core::services::agents::AgentError;
use agentidp_core::services::bootstrap::BootstrapError;
use agentidp_core::services::credentials::{CredentialError, CredentialService, WithSecret, new_secret};
use agentidp_core::services::custody::Custody;
use std::collections::BTreeSet;
use support::outside::{OutsideSecrets, name};
use support::{World, page, seconds};

async fn outside_store() -> (Box<dyn SecretStore>, ()) {
    (Box::new(OutsideSecrets::default()), ())
}

agentidp_core::secret_store_contract!(outside_as_store, super::outside_store);

const HOUR: u64 = 3600;

/// An agent whose credentials lie outside, and what an administrator may do to it.
struct Scene<'a> {
    world: &'a World,
    agent: Agent,
    by: Authorized,
}

impl<'a> Scene<'a> {
    async fn new(world: &'a World, admin: &Caller) -> Self {
        let agent = world.agent("team-a", &["data:read"]).await;
        let by = world.allowed(admin, "rotateCredential", Some(agent.id)).await;
        Self { world, agent, by }
    }

    async fn generate(&self) -> Result<WithSecret, CredentialError> {
        self.world.credentials().generate(&self.by, None, None).await
    }

    async fn rotate(&self, id: CredentialId) -> Result<WithSecret, CredentialError> {
        let rotation = Rotation { grace: seconds(100 * HOUR), ..Rotation::default() };
        self.world.credentials().rotate(&self.by, id, rotation, None).await
    }

    async fn revoke(&self, id: CredentialId) -> Result<(), CredentialError> {
        self.world.credentials().revoke(&self.by, id, None).await
    }

    /// A credential that is there already, rotated once.
    async fn made(&self) -> CredentialId {
        let id = self.generate().await.unwrap().credential.id;
        self.rotate(id).await.unwrap();
        id
    }
}

/// Every credential in the database.
async fn credentials(world: &World) -> Vec<Credential> {
    let store = world.store.inner.as_ref();
    let (owner, agent_type, status) = (None, None, None);
    let filter = AgentFilter { owners: Owners::All, owner, agent_type, status, deployment_env: None, text: None };
    let mut found = Vec::new();
    for agent in AgentStore::list(store, &filter, page()).await.unwrap().items {
        found.extend(CredentialStore::list(store, agent.id, None, world.now(), page()).await.unwrap().items);
    }
    found
}

/// What rows name of the store outside: current secrets and replaced ones, unless they are revoked.
async fn named(world: &World) -> BTreeSet<String> {
    let credentials = credentials(world).await;
    let live = credentials.iter().filter(|credential| credential.revoked_at().is_none());
    let replaced = |credential: &Credential| credential.graced.iter().map(|graced| graced.secret.clone()).collect();
    let secrets = live.flat_map(|credential| [vec![credential.secret.clone()], replaced(credential)].concat());
    secrets.filter(|at| at.backend() == Backend::Vault).map(|at| name(&at)).collect()
}

/// Passes of the reconciler until nothing is pending. Nothing that no row names may verify then, and all must that a
/// row names.
async fn agree(world: &World, step: &str) {
    for _ in 0..4 {
        world.clock.advance(seconds(HOUR));
        if world.custody.reconcile().await.unwrap() == Pending::default() {
            break;
        }
    }
    assert_eq!(world.custody.reconcile().await.unwrap(), Pending::default(), "{step}");
    assert_eq!(world.outside.inner.references(), named(world).await, "{step}");
}

/// How a step fails.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// From here on nothing is done: the process has died.
    Death,
    /// This is done, nothing after it.
    DeathAfter,
    /// Only this is not done.
    Refusal,
    /// Only the answer to this is lost.
    LostAnswer,
}

const FAILURES: [Failure; 4] = [Failure::Death, Failure::DeathAfter, Failure::Refusal, Failure::LostAnswer];

/// Runs a use-case with each of its steps failing in each way, every time on what `prepare` gives; it says whether it
/// promised what it was asked for. After each, the two systems must agree.
async fn each_step_fails<P>(name: &str, world: &World, prepare: impl AsyncFn() -> P, run: impl AsyncFn(P) -> bool) {
    let (mut failures, mut promises) = (0, 0);
    for failure in FAILURES {
        for good in 0.. {
            let prepared = prepare().await;
            world.store.take_calls();
            match failure {
                Failure::Death => world.store.break_after(good),
                Failure::DeathAfter => world.store.lose_answer_after(good),
                Failure::Refusal => world.store.stumble_after(good, false),
                Failure::LostAnswer => world.store.stumble_after(good, true),
            }
            promises += usize::from(run(prepared).await);
            world.store.heal();
            let reached = world.store.take_calls().len() > good;
            agree(world, &format!("{name}, {failure:?} at step {good}")).await;
            if !reached {
                break;
            }
            failures += 1;
        }
    }
    assert!(failures > FAILURES.len(), "there are no steps");
    eprintln!("{name}: {failures} failures of a step, {promises} promised all the same, database and store agree");
}

/// What was promised; a failure must be an "unavailable".
fn promised<T: std::fmt::Debug>(result: Result<T, CredentialError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(
            CredentialError::Unavailable(StoreError::Unavailable(_))
            | CredentialError::Secrets(SecretError::Unavailable(_)),
        ) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// Whether a secret was handed out; it must verify then.
async fn shown(world: &World, result: Result<WithSecret, CredentialError>) -> bool {
    let Some(made) = promised(result) else { return false };
    let presented = PresentedSecret::new(made.secret.expose().to_owned());
    assert!(world.outside.inner.verify(&made.credential.secret, &presented).await.unwrap());
    true
}

#[tokio::test]
async fn each_step_of_a_generation_may_fail() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let run = async |scene: Scene<'_>| shown(&world, scene.generate().await).await;
    each_step_fails("generate", &world, async || Scene::new(&world, &admin).await, run).await;
}

#[tokio::test]
async fn each_step_of_a_rotation_may_fail() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let prepare = async || {
        let scene = Scene::new(&world, &admin).await;
        let id = scene.made().await;
        (scene, id)
    };
    let run = async |(scene, id): (Scene<'_>, CredentialId)| shown(&world, scene.rotate(id).await).await;
    each_step_fails("rotate", &world, prepare, run).await;
}

#[tokio::test]
async fn each_step_of_a_revocation_may_fail() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let prepare = async || {
        let scene = Scene::new(&world, &admin).await;
        let id = scene.made().await;
        (scene, id)
    };
    let run = async |(scene, id): (Scene<'_>, CredentialId)| {
        let done = promised(scene.revoke(id).await).is_some();
        let stored = CredentialStore::find(world.store.inner.as_ref(), scene.agent.id, id).await.unwrap().unwrap();
        assert!(!done || stored.revoked_at().is_some(), "it was promised");
        done
    };
    each_step_fails("revoke", &world, prepare, run).await;
}

#[tokio::test]
async fn each_step_of_a_decommissioning_may_fail() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let prepare = async || {
        let scene = Scene::new(&world, &admin).await;
        scene.made().await;
        scene.made().await;
        scene
    };
    let run = async |scene: Scene<'_>| {
        let done = world.agents().decommission(&scene.by, None).await;
        let done = match done {
            Ok(()) => true,
            Err(AgentError::Unavailable(StoreError::Unavailable(_))) => false,
            Err(other) => panic!("{other:?}"),
        };
        assert!(!done || world.reread(&scene.agent).await.status == AgentStatus::Decommissioned, "it was promised");
        done
    };
    each_step_fails("decommission", &world, prepare, run).await;
}

#[tokio::test]
async fn each_step_of_a_bootstrap_may_fail() {
    let world = World::outside().await;
    let run = async |()| match world.bootstrap().run("system".parse().unwrap(), true).await {
        Ok(admin) => {
            world.store.heal();
            world.login(&admin.agent.id.to_string(), admin.secret.expose()).await.expect("its secret works");
            true
        }
        Err(BootstrapError::Unavailable(StoreError::Unavailable(_)))
        | Err(BootstrapError::Secrets(SecretError::Unavailable(_))) => false,
        Err(other) => panic!("{other:?}"),
    };
    each_step_fails("bootstrap", &world, async || (), run).await;
}

#[tokio::test]
async fn a_bootstrap_that_is_refused_writes_nothing_outside() {
    let world = World::outside().await;
    world.bootstrap().run("system".parse().unwrap(), false).await.unwrap();
    world.store.take_calls();
    let refused = world.bootstrap().run("system".parse().unwrap(), false).await;
    assert!(matches!(refused, Err(BootstrapError::AlreadyDone)), "{refused:?}");
    assert_eq!((world.outside.inner.written(), world.told.take()), (1, vec![]));
    assert_eq!(world.store.take_calls(), ["health.has_administrator"]);
}

/// Both find no administrator, and both write.
#[tokio::test]
async fn of_two_bootstraps_the_one_that_is_refused_leaves_nothing_outside() {
    let world = World::outside().await;
    let service = world.bootstrap();
    let results = race([1, 2].map(|_| service.run("system".parse().unwrap(), false))).await;
    assert_eq!(results.iter().filter(|result| matches!(result, Err(BootstrapError::AlreadyDone))).count(), 1);
    assert_eq!((world.outside.inner.written(), world.told.take()), (2, vec![(TaskKind::Undo, 1, None)]));
    assert_eq!(world.outside.inner.references(), named(&world).await);
}

#[tokio::test]
async fn a_credential_too_many_writes_nothing_outside() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let scene = Scene::new(&world, &admin).await;
    let soon = world.now().after(seconds(60));
    let short = world.credentials().generate(&scene.by, Some(soon), None).await.unwrap().credential.id;
    world.clock.set(soon);
    for _ in 0..MAX_ACTIVE_CREDENTIALS {
        scene.generate().await.unwrap();
    }
    let (written, revival) = (world.outside.inner.written(), Some(soon.after(seconds(60))));
    let rotation = Rotation { expires_at: revival, ..Rotation::default() };
    world.store.take_calls();
    for refused in [scene.generate().await, world.credentials().rotate(&scene.by, short, rotation, None).await] {
        assert!(matches!(refused, Err(CredentialError::LimitReached)), "{refused:?}");
    }
    assert_eq!((world.outside.inner.written(), world.told.take()), (written, vec![]));
    assert_eq!(world.store.take_calls(), ["credentials.list", "credentials.find", "credentials.list"]);
    let other = credentials(&world).await.iter().find(|credential| credential.id != short).unwrap().id;
    scene.rotate(other).await.expect("one that is active needs no room");
    scene.revoke(other).await.unwrap();
    world.credentials().rotate(&scene.by, short, rotation, None).await.expect("there is room now");
}

/// Both find room for one, and both write.
#[tokio::test]
async fn of_two_last_credentials_the_one_that_is_refused_leaves_nothing_outside() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let scene = Scene::new(&world, &admin).await;
    for _ in 1..MAX_ACTIVE_CREDENTIALS {
        scene.generate().await.unwrap();
    }
    let written = world.outside.inner.written();
    let results = race([1, 2].map(|_| scene.generate())).await;
    assert_eq!(results.iter().filter(|result| matches!(result, Err(CredentialError::LimitReached))).count(), 1);
    assert_eq!((world.outside.inner.written(), world.told.take()), (written + 2, vec![(TaskKind::Undo, 1, None)]));
    assert_eq!(world.outside.inner.references(), named(&world).await);
}

#[tokio::test]
async fn a_digest_costs_no_more_than_its_row() {
    let world = World::new().await;
    let admin = world.admin().await;
    let scene = Scene::new(&world, &admin).await;
    world.store.take_calls();
    let id = scene.generate().await.unwrap().credential.id;
    scene.rotate(id).await.unwrap();
    let expected = ["credentials.insert", "credentials.find", "credentials.update"];
    assert_eq!(world.store.take_calls(), expected);
    assert_eq!(world.outside.inner.references(), BTreeSet::new());
}

#[tokio::test]
async fn a_change_that_comes_too_late_changes_nothing() {
    let world = World::outside().await;
    let agent = world.agent("team-a", &["data:read"]).await;
    let id = CredentialId::new(world.ambient.uuid());
    let secret = new_secret(id, world.ambient.entropy.as_ref());
    let owner = SecretOwner { agent_id: agent.id, credential_id: id };
    let kept = world.custody.keep(owner, None, &secret).await.unwrap();
    world.clock.advance(seconds(119));
    assert_eq!(world.custody.reconcile().await.unwrap().writes, 1, "it may still be under way");
    world.clock.advance(seconds(1));
    assert_eq!(world.custody.reconcile().await.unwrap(), Pending::default());
    assert_eq!(world.told.take(), [(TaskKind::Undo, 1, None)]);
    let credential = Credential::new(id, agent.id, kept.at, None, world.now());
    let journal = Journal { write: kept.write, ..world.silent() };
    let late = CredentialStore::insert(world.store.inner.as_ref(), &credential, 0, 10, &journal).await;
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    agree(&world, "late").await;
}

#[tokio::test]
async fn a_write_is_taken_back_where_it_was_announced() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let scene = Scene::new(&world, &admin).await;
    let id = scene.made().await;
    // The change never comes: the process has died, and the next one puts secrets elsewhere.
    let owner = SecretOwner { agent_id: scene.agent.id, credential_id: id };
    let secret = new_secret(id, world.ambient.entropy.as_ref());
    let kept = world.custody.keep(owner, Some(1), &secret).await.unwrap();
    assert!(world.outside.inner.references().contains(&name(&kept.at)));
    world.outside.inner.move_to("elsewhere");
    agree(&world, "moved").await;
    assert_eq!(world.told.take(), [(TaskKind::Undo, 1, None)]);
    scene.rotate(id).await.expect("the credential moves there");
    agree(&world, "rotated").await;
}

#[tokio::test]
async fn a_revocation_destroys_wherever_the_credential_was() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let scene = Scene::new(&world, &admin).await;
    let id = scene.made().await;
    let inside = CredentialService { custody: world.custody_in(world.secrets.clone()), ..world.credentials() };
    inside.rotate(&scene.by, id, Rotation::default(), None).await.unwrap();
    assert_eq!(world.outside.inner.live().len(), 2, "history stays");
    inside.revoke(&scene.by, id, None).await.unwrap();
    assert_eq!(world.outside.inner.live(), []);
    assert_eq!(world.told.take(), [(TaskKind::Destroy, 1, None)]);
    assert_eq!(world.custody.reconcile().await.unwrap(), Pending::default());
}

#[tokio::test]
async fn a_revocation_counts_while_the_store_is_away_and_the_pauses_grow() {
    let world = World::outside().await;
    let admin = world.admin().await;
    let scene = Scene::new(&world, &admin).await;
    let id = scene.made().await;
    let forgotten = Custody { stores: vec![world.secrets.clone()], ..world.custody_of() };
    scene.world.outside.inner.away(true);
    scene.revoke(id).await.unwrap();
    assert_eq!(world.outside.inner.live().len(), 2);
    let mut attempts = 1;
    for pause in [30, 60, 120, 240] {
        world.clock.advance(seconds(pause - 1));
        assert_eq!(world.custody.reconcile().await.unwrap().destructions, 1);
        world.clock.advance(seconds(1));
        // Of a backend that is not configured any more the pass says what to do, and goes on.
        forgotten.reconcile().await.unwrap();
        attempts += 1;
        let told = world.told.take().pop().unwrap();
        assert_eq!((told.0, told.1), (TaskKind::Destroy, attempts));
        assert!(told.2.unwrap().contains("secrets lie in `vault`; configure it"));
    }
    world.outside.inner.away(false);
    agree(&world, "back again").await;
    assert_eq!(world.outside.inner.live(), []);
}
