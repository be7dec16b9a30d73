//! Cases of `IdempotencyStore`, and of the journal that every change has.

use super::make::{
    DAY, added, added_credential, agent, at, bcrypt, credential, digest, grace, is_logged, journal, once,
};
use super::{Stores, is_conflict, is_replay, race, winners};
use crate::domain::agent::{Agent, AgentChange};
use crate::domain::credential::Credential;
use crate::domain::idempotency::IdempotencyRecord;
use crate::domain::ids::AgentId;
use crate::ports::storage::Journal;
use uuid::Uuid;

async fn kept(stores: &Stores, record: &IdempotencyRecord, millis: i64) -> Option<IdempotencyRecord> {
    stores.idempotency.find(record.caller, &record.key, at(millis)).await.unwrap()
}

fn record(journal: &Journal) -> IdempotencyRecord {
    journal.idempotency.clone().unwrap()
}

pub async fn a_kept_result_reads_back_for_a_day(stores: &Stores) {
    let journal = once("!key~\"'\\", 0);
    stores.agents.insert(&agent(1), None, &journal).await.unwrap();
    let record = record(&journal);
    for (millis, there) in [(0, true), (DAY, true), (DAY + 1, false)] {
        assert_eq!(kept(stores, &record, millis).await, there.then(|| record.clone()), "after {millis} ms");
    }
    let other = IdempotencyRecord { caller: AgentId::new(Uuid::from_u128(2)), ..record.clone() };
    assert_eq!(kept(stores, &other, 0).await, None, "keys are each caller's own");
    let journal = Journal { idempotency: Some(other.clone()), ..super::make::journal() };
    stores.agents.insert(&agent(2), None, &journal).await.unwrap();
    assert_eq!(kept(stores, &other, 0).await, Some(other));
}

pub async fn every_change_under_a_used_key_is_replayed(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let credential = added_credential(stores, credential(&agent, 1)).await;
    stores.agents.insert(&super::make::agent(2), None, &once("k", 0)).await.unwrap();
    let twin = || once("k", DAY);
    let changed = agent.clone().change(AgentChange::default(), at(1)).unwrap();
    let rotated = credential.clone().rotate(digest(2), &grace(0), at(1)).unwrap();
    let new = Credential { id: super::make::credential(&agent, 2).id, ..credential.clone() };
    let legacy = Credential { secret: bcrypt(2), ..new.clone() };
    let stale = Agent { revision: 99, ..agent.clone() };
    let results = [
        stores.agents.insert(&super::make::agent(3), None, &twin()).await,
        stores.agents.insert(&agent, Some(0), &twin()).await,
        stores.agents.update(&changed, &twin()).await,
        stores.agents.update(&stale, &twin()).await,
        stores.credentials.insert(&new, 0, 10, &twin()).await,
        stores.credentials.insert(&new, 7, 0, &twin()).await,
        stores.credentials.import(&legacy, legacy.created_at, &twin()).await,
        stores.credentials.update(&rotated, Some(0), &twin()).await,
    ];
    assert_eq!(winners(&results, is_replay), 0);
    assert_eq!(stores.agents.find(super::make::agent(3).id).await.unwrap(), None);
    assert_eq!(stores.agents.find(agent.id).await.unwrap(), Some(agent.clone()));
    assert_eq!(stores.credentials.find(agent.id, credential.id).await.unwrap(), Some(credential));
    assert_eq!(stores.credentials.find(agent.id, new.id).await.unwrap(), None);
}

pub async fn a_refused_change_keeps_no_key(stores: &Stores) {
    added(stores, agent(1)).await;
    let journal = once("k", 0);
    let twin = Agent { id: agent(2).id, ..agent(1) };
    assert!(is_conflict(&stores.agents.insert(&twin, None, &journal).await.unwrap_err()));
    assert_eq!(kept(stores, &record(&journal), 0).await, None);
    stores.agents.insert(&agent(2), None, &journal).await.unwrap();
    assert!(is_logged(stores, &journal.event).await);
}

pub async fn parallel_twins_change_once(stores: &Stores) {
    for round in 0..2_i64 {
        let millis = round * 2 * DAY;
        let first = u32::try_from(round).unwrap() * 100 + 1;
        let twins: Vec<_> = (first..first + 8).map(|number| (agent(number), once("k", millis))).collect();
        let results = race(twins.iter().map(|(agent, journal)| stores.agents.insert(agent, None, journal))).await;
        assert_eq!(winners(&results, is_replay), 1, "round {round}");
        for ((agent, journal), result) in twins.iter().zip(&results) {
            assert_eq!(stores.agents.find(agent.id).await.unwrap().is_some(), result.is_ok());
            assert_eq!(is_logged(stores, &journal.event).await, result.is_ok());
        }
    }
}

pub async fn an_old_key_gives_way(stores: &Stores) {
    stores.agents.insert(&agent(1), None, &once("k", 0)).await.unwrap();
    let soon = stores.agents.insert(&agent(2), None, &once("k", DAY)).await.unwrap_err();
    assert!(is_replay(&soon), "{soon:?}");
    let journal = once("k", DAY + 1);
    stores.agents.insert(&agent(2), None, &journal).await.unwrap();
    assert_eq!(kept(stores, &record(&journal), DAY + 1).await, Some(record(&journal)));
}

pub async fn purging_removes_results_older_than_a_day(stores: &Stores) {
    for (number, millis) in [(1, 0), (2, 1), (3, 2)] {
        stores.agents.insert(&agent(number), None, &once(&number.to_string(), millis)).await.unwrap();
    }
    assert_eq!(stores.idempotency.purge(at(DAY + 2)).await.unwrap(), 2);
    assert!(kept(stores, &record(&once("3", 2)), 3).await.is_some());
    assert!(kept(stores, &record(&once("2", 1)), 3).await.is_none());
    stores.agents.insert(&agent(4), None, &journal()).await.unwrap();
}

pub async fn purging_leaves_a_key_that_is_taken_over_meanwhile(stores: &Stores) {
    let keys = ["a", "b", "c", "d", "e", "f"];
    for (number, key) in (1..).zip(keys) {
        stores.agents.insert(&agent(number), None, &once(key, 0)).await.unwrap();
    }
    let journals = keys.map(|key| once(key, DAY + 1));
    let steps = (101..).zip(&journals).map(|(number, journal)| async move {
        let purged = stores.idempotency.purge(at(DAY + 1)).await.map(drop);
        let taken_over = stores.agents.insert(&agent(number), None, journal).await;
        purged.and(taken_over).and(stores.idempotency.purge(at(DAY + 1)).await.map(drop))
    });
    assert!(race(steps).await.iter().all(Result::is_ok));
    for journal in &journals {
        assert_eq!(kept(stores, &record(journal), DAY + 1).await, Some(record(journal)));
    }
}
