//! Cases of the writes in `CustodyStore`, and of the changes that commit them.

use super::make::{
    added, added_credential, administrator, agent, at, credential, grace, is_logged, journal, once, vault,
};
use super::places::{due, outside, update};
use super::{Stores, is_stale, race, winners};
use crate::domain::credential::{Backend, Credential, SecretLocation};
use crate::domain::ids::WriteId;
use crate::ports::custody::{ClaimedWrite, Intent, Pending};
use crate::ports::secrets::{SecretOwner, SecretWrite};
use crate::ports::storage::Journal;
use std::future::Future;
use std::pin::Pin;
use uuid::Uuid;

/// When a write that is announced at 0 is due.
const DUE: i64 = 120_000;

fn owner(credential: &Credential) -> SecretOwner {
    SecretOwner { agent_id: credential.agent_id, credential_id: credential.id }
}

fn place(backend: Backend, path: &str) -> SecretLocation {
    SecretLocation { backend, path: path.to_owned() }
}

/// The announcement of a write at `at(millis)`, from the revision `from`.
fn intent(write: SecretWrite, millis: i64, from: Option<i64>) -> Intent {
    Intent { write, location: place(Backend::Vault, "kv/a"), at: at(millis), from }
}

/// What a claim gives of a write that was announced by [`intent`].
fn claimed(write: SecretWrite, attempts: u32) -> ClaimedWrite {
    ClaimedWrite { write, backend: Backend::Vault, path: Some("kv/a".to_owned()), attempts }
}

/// Announces write `number` of the credential at `at(millis)`.
pub async fn announced(stores: &Stores, credential: &Credential, number: u128, millis: i64) -> SecretWrite {
    let write = SecretWrite { id: WriteId::new(Uuid::from_u128(number)), owner: owner(credential) };
    stores.custody.announce(&intent(write, millis, None)).await.unwrap();
    write
}

fn committing(write: SecretWrite) -> Journal {
    Journal { write: Some(write.id), ..journal() }
}

async fn claim_write(stores: &Stores, id: Option<WriteId>, millis: i64) -> Option<ClaimedWrite> {
    stores.custody.claim_write(id, at(millis)).await.unwrap()
}

pub async fn an_announced_write_is_due_in_time_and_then_after_growing_pauses(stores: &Stores) {
    let other = announced(stores, &credential(&agent(1), 1), 1, 5).await;
    let write = announced(stores, &credential(&agent(2), 2), 2, 0).await;
    assert_eq!(claim_write(stores, None, DUE - 1).await, None);
    let mut now = DUE;
    for (attempts, pause) in [(1, 30_000), (2, 60_000), (3, 120_000)] {
        assert_eq!(claim_write(stores, None, now).await, Some(claimed(write, attempts)));
        if attempts == 1 {
            assert_eq!(claim_write(stores, None, DUE + 5).await.unwrap().write, other, "the next one");
            stores.custody.settle_write(other.id).await.unwrap();
        }
        now += pause;
        assert_eq!(claim_write(stores, None, now - 1).await, None);
    }
    stores.custody.settle_write(write.id).await.unwrap();
    stores.custody.settle_write(write.id).await.unwrap();
    assert_eq!(claim_write(stores, None, now).await, None);
}

pub async fn a_write_is_claimed_by_its_id_at_any_time(stores: &Stores) {
    let write = announced(stores, &credential(&agent(1), 1), 1, 0).await;
    let other = announced(stores, &credential(&agent(1), 2), 2, 0).await;
    for attempts in 1..=3 {
        assert_eq!(claim_write(stores, Some(write.id), 0).await, Some(claimed(write, attempts)));
    }
    stores.custody.settle_write(write.id).await.unwrap();
    assert_eq!(claim_write(stores, Some(write.id), DUE).await, None);
    assert_eq!(claim_write(stores, None, DUE).await.unwrap().write, other);
    let early = announced(stores, &credential(&agent(1), 3), 3, DUE).await;
    claim_write(stores, Some(early.id), DUE).await.unwrap();
    assert_eq!(claim_write(stores, None, DUE + DUE - 1).await.map(|claimed| claimed.write), Some(other));
    assert_eq!(claim_write(stores, None, DUE + DUE - 1).await, None, "it is due no sooner than it was");
    assert_eq!(claim_write(stores, None, DUE + DUE).await.unwrap().write, early);
}

/// Two writes of a credential may have been announced for different places, whatever its row names.
pub async fn a_claimed_write_says_where_it_was_to_lie(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let there = outside(stores, &agent, 1, "kv/now").await;
    let places = [(Backend::Vault, "kv/before"), (Backend::AwsSecretsManager, "agentidp/b")];
    for (number, (backend, path)) in (1_u128..).zip(places) {
        let write = SecretWrite { id: WriteId::new(Uuid::from_u128(number)), owner: owner(&there) };
        let at = at(i64::try_from(number).unwrap() * 20_000);
        let intent = Intent { write, location: place(backend, path), at, from: None };
        stores.custody.announce(&intent).await.unwrap();
        let by_id = claim_write(stores, Some(write.id), 0).await.unwrap();
        assert_eq!((by_id.backend, by_id.path.as_deref()), (backend, Some(path)));
    }
    for (backend, path) in places {
        let due = claim_write(stores, None, 2 * DUE).await.unwrap();
        assert_eq!((due.backend, due.path.as_deref()), (backend, Some(path)));
    }
}

pub async fn each_due_write_goes_to_one_claimant(stores: &Stores) {
    for number in 1..=8 {
        announced(stores, &credential(&agent(1), number), number.into(), 0).await;
    }
    let claims = race((0..16).map(|_| async { claim_write(stores, None, DUE).await })).await;
    let mut ids: Vec<WriteId> = claims.into_iter().flatten().map(|claimed| claimed.write.id).collect();
    // Whoever meets a row that another has locked may find nothing; it is not lost.
    while let Some(claimed) = claim_write(stores, None, DUE).await {
        ids.push(claimed.write.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=8).map(|number| WriteId::new(Uuid::from_u128(number))).collect::<Vec<_>>());
}

pub async fn writes_of_one_credential_take_turns(stores: &Stores) {
    let (one, other) = (credential(&agent(1), 1), credential(&agent(1), 2));
    let announce = async |credential: &Credential, number: u32, millis| {
        let write = SecretWrite { id: WriteId::new(Uuid::from_u128(number.into())), owner: owner(credential) };
        stores.custody.announce(&intent(write, millis, None)).await.map(|()| write.id)
    };
    let together: Vec<_> = race((1..=8).map(|number| announce(&one, number, 0))).await;
    assert_eq!(winners(&together, is_stale), 1);
    let first = together.into_iter().find_map(Result::ok).unwrap();
    announce(&other, 10, 0).await.expect("each credential has turns of its own");
    assert!(is_stale(&announce(&one, 11, 9_999).await.unwrap_err()));
    claim_write(stores, Some(first), 0).await.unwrap();
    let second = announce(&one, 12, 0).await.expect("a claimed one has lost its turn");
    stores.custody.settle_write(second).await.unwrap();
    announce(&one, 13, 0).await.expect("a settled one is gone");
    announce(&one, 14, 10_000).await.expect("whoever takes too long has lost its turn");
}

pub async fn a_write_from_an_old_row_is_stale(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let there = added_credential(stores, credential(&agent, 1)).await;
    let announce = async |number: u32, from| {
        let write = SecretWrite { id: WriteId::new(Uuid::from_u128(number.into())), owner: owner(&there) };
        stores.custody.announce(&intent(write, 0, Some(from))).await.map(|()| write)
    };
    for from in [-1, 1] {
        assert!(is_stale(&announce(1, from).await.unwrap_err()));
    }
    let write = announce(2, 0).await.unwrap();
    let rotated = there.clone().rotate(vault("a", 1), &grace(0), at(9)).unwrap();
    stores.credentials.update(&rotated, Some(0), &committing(write)).await.unwrap();
    assert!(is_stale(&announce(3, 0).await.unwrap_err()));
    announce(4, 1).await.unwrap();
}

pub async fn a_change_commits_its_write(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let new = Credential { secret: vault("a", 1), ..credential(&agent, 1) };
    let write = announced(stores, &new, 1, 0).await;
    stores.credentials.insert(&new, 0, 10, &committing(write)).await.unwrap();
    let again = announced(stores, &new, 2, 0).await;
    let rotated = new.rotate(vault("a", 2), &grace(0), at(9)).unwrap();
    stores.credentials.update(&rotated, Some(0), &committing(again)).await.unwrap();
    let admin = administrator(3, "admin:all");
    let first = Credential { secret: vault("b", 1), ..credential(&admin, 3) };
    let third = announced(stores, &first, 3, 0).await;
    assert!(stores.health.bootstrap(&admin, &first, false, &committing(third)).await.unwrap());
    for write in [write, again, third] {
        assert_eq!(claim_write(stores, Some(write.id), DUE).await, None);
    }
    assert_eq!(stores.custody.pending().await.unwrap(), Pending::default());
}

pub async fn a_claimed_or_settled_write_is_not_committed(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let there = added_credential(stores, credential(&agent, 1)).await;
    let admin = administrator(3, "admin:all");
    let claimed = announced(stores, &there, 1, 0).await;
    claim_write(stores, Some(claimed.id), 0).await.unwrap();
    let settled = announced(stores, &there, 2, 0).await;
    stores.custody.settle_write(settled.id).await.unwrap();
    for write in [claimed, settled] {
        let journal = Journal { idempotency: once("k", 0).idempotency, ..committing(write) };
        let rotated = there.clone().rotate(vault("a", 2), &grace(0), at(9)).unwrap();
        for refused in [
            stores.credentials.insert(&credential(&agent, 2), 0, 10, &journal).await,
            stores.credentials.update(&rotated, Some(0), &journal).await,
            stores.health.bootstrap(&admin, &credential(&admin, 3), false, &journal).await.map(|_| ()),
        ] {
            assert!(is_stale(&refused.unwrap_err()));
        }
        assert!(!is_logged(stores, &journal.event).await);
        assert_eq!(stores.credentials.find(agent.id, there.id).await.unwrap(), Some(there.clone()));
        assert_eq!(stores.agents.find(admin.id).await.unwrap(), None);
    }
    stores.credentials.insert(&credential(&agent, 2), 0, 10, &once("k", 0)).await.expect("the key is still free");
}

pub async fn a_refused_change_leaves_its_write(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let new = credential(&agent, 1);
    let write = announced(stores, &new, 1, 0).await;
    for (revision, most) in [(7, 10), (0, 0)] {
        stores.credentials.insert(&new, revision, most, &committing(write)).await.unwrap_err();
    }
    stores.health.bootstrap(&administrator(2, "admin:all"), &credential(&agent, 2), false, &journal()).await.unwrap();
    let second = administrator(3, "admin:all");
    let made = stores.health.bootstrap(&second, &credential(&second, 3), false, &committing(write)).await.unwrap();
    assert!(!made);
    assert_eq!(claim_write(stores, None, DUE).await.unwrap().write, write);
}

pub async fn a_claim_and_a_commit_exclude_each_other(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    for number in 1..=10 {
        let new = Credential { secret: vault(&number.to_string(), 1), ..credential(&agent, number) };
        let write = announced(stores, &new, number.into(), 0).await;
        let journal = committing(write);
        let commit: Step<'_> = Box::pin(async {
            let answer = stores.credentials.insert(&new, 0, 100, &journal).await;
            assert!(answer.as_ref().err().is_none_or(is_stale), "{answer:?}");
            answer.is_ok()
        });
        let claim: Step<'_> = Box::pin(async { claim_write(stores, Some(write.id), 0).await.is_some() });
        // Whoever is asked first has the better chance: each in turn.
        let steps = if number % 2 == 0 { [commit, claim] } else { [claim, commit] };
        assert_eq!(race(steps).await.into_iter().filter(|won| *won).count(), 1, "credential {number}");
        let there = stores.credentials.find(agent.id, new.id).await.unwrap().is_some();
        assert_ne!(there, claim_write(stores, Some(write.id), 0).await.is_some());
    }
}

type Step<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

pub async fn what_is_pending_is_counted(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    assert_eq!(stores.custody.pending().await.unwrap(), Pending::default());
    let pending = async || stores.custody.pending().await.unwrap();
    update(stores, outside(stores, &agent, 1, "a").await.revoke(at(50)).unwrap()).await;
    outside(stores, &agent, 2, "b").await;
    assert_eq!(pending().await, Pending { writes: 0, destructions: 1, oldest: Some(at(50)) });
    let late = announced(stores, &credential(&agent, 3), 1, 70).await;
    announced(stores, &credential(&agent, 4), 2, 40).await;
    assert_eq!(pending().await, Pending { writes: 2, destructions: 1, oldest: Some(at(40)) });
    claim_write(stores, None, 40 + DUE).await.unwrap();
    due(stores, None, 50).await;
    assert_eq!(pending().await, Pending { writes: 2, destructions: 1, oldest: Some(at(40)) }, "age goes on");
    stores.custody.settle_write(late.id).await.unwrap();
    assert_eq!(pending().await.writes, 1);
}
