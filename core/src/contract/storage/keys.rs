//! Cases of `KeyStore`.

use super::make::{added, added_credential, agent, at, credential, digest, event, grace, is_logged, journal, key};
use super::{Stores, is_conflict, race};
use crate::domain::audit::AuditEvent;
use crate::domain::credential::{Credential, SecretRef};
use crate::domain::key::{KeyState, KeyUse, StoredKey};
use crate::ports::storage::{KeptPolicy, KeyRevocation, Spare};

/// A key that signs from `at(millis)` on.
fn live(kid: &str, millis: i64) -> StoredKey {
    StoredKey { active_from: at(millis), revoked_at: None, ..key(kid, millis) }
}

/// A spare key, and an event of a revocation of the same moment.
fn emergency(number: i64) -> (Spare, AuditEvent) {
    let key = live(&format!("spare{number}"), 100 + number);
    (Spare { key, event: event(100 + number) }, event(100 + number))
}

fn under(key_id: &str) -> SecretRef {
    SecretRef::Digest { key_id: key_id.to_owned(), mac: "00".to_owned() }
}

pub async fn parallel_first_keys_leave_one(stores: &Stores) {
    assert_eq!(stores.keys.list().await.unwrap(), []);
    let keys: Vec<_> = (0..8).map(|number| key(&format!("kid{number}"), number)).collect();
    let results = race(keys.iter().map(|key| stores.keys.insert_first(key))).await;
    let first = results.iter().position(|result| matches!(result, Ok(true))).unwrap();
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(false))).count(), 7, "{results:?}");
    assert_eq!(stores.keys.list().await.unwrap(), [keys[first].clone()]);
}

pub async fn each_use_has_its_first_key_and_its_spare(stores: &Stores) {
    let root = |kid: &str, millis| StoredKey { usage: KeyUse::Biscuit, ..live(kid, millis) };
    assert!(stores.keys.insert_first(&live("a", 0)).await.unwrap());
    assert!(stores.keys.insert_first(&root("7", 1)).await.unwrap());
    assert!(!stores.keys.insert_first(&root("8", 2)).await.unwrap());
    assert_eq!(stores.keys.list().await.unwrap(), [live("a", 0), root("7", 1)]);
    let (spare, revoked) = emergency(0);
    let spare = Spare { key: root("9", 100), ..spare };
    assert_eq!(stores.keys.revoke("7", &revoked, &spare).await.unwrap(), KeyRevocation::Replaced);
    let keys = stores.keys.list().await.unwrap();
    let signing: Vec<_> = keys.iter().filter(|key| key.state(&keys, at(200)) == KeyState::Signs).collect();
    assert_eq!(signing, [&live("a", 0), &spare.key]);
}

pub async fn keys_are_listed_oldest_first(stores: &Stores) {
    let first = key("b", 5);
    assert!(stores.keys.insert_first(&first).await.unwrap());
    assert!(!stores.keys.insert_first(&first).await.unwrap());
    assert!(!stores.keys.insert_first(&key("a", 4)).await.unwrap());
    assert_eq!(stores.keys.list().await.unwrap(), [first]);
}

pub async fn a_key_is_added_beside_others_with_its_event(stores: &Stores) {
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    let rotated = event(1);
    stores.keys.insert(&live("b", 1), &rotated).await.unwrap();
    assert_eq!(stores.keys.list().await.unwrap(), [live("a", 0), live("b", 1)]);
    assert!(is_logged(stores, &rotated).await);
    let again = event(2);
    let refused = stores.keys.insert(&live("b", 2), &again).await.unwrap_err();
    assert!(is_conflict(&refused), "{refused:?}");
    assert!(!is_logged(stores, &again).await);
    assert_eq!(stores.keys.list().await.unwrap(), [live("a", 0), live("b", 1)]);
}

pub async fn a_key_is_added_only_after_the_newest(stores: &Stores) {
    let add = async |after: &str, key: StoredKey, event: &AuditEvent| {
        stores.keys.insert_after(after, &key, event).await.unwrap()
    };
    let (early, first, second, late) = (event(1), event(2), event(3), event(4));
    assert!(!add("a", live("b", 1), &early).await, "there is no key");
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    assert!(!add("x", live("b", 1), &early).await, "there is no such key");
    // The new key is only published yet, and is the newest all the same.
    assert!(add("a", StoredKey { active_from: at(500), ..live("b", 2) }, &first).await);
    assert!(!add("a", live("c", 3), &late).await);
    assert!(add("b", StoredKey { active_from: at(600), ..live("c", 3) }, &second).await);
    // One that is revoked is not the newest.
    let (spare, revoked) = emergency(0);
    stores.keys.revoke("c", &revoked, &spare).await.unwrap();
    assert!(!add("c", live("d", 101), &event(101)).await);
    let kids: Vec<String> = stores.keys.list().await.unwrap().into_iter().map(|key| key.kid).collect();
    assert_eq!(kids, ["a", "b", "c"]);
    assert!(is_logged(stores, &first).await && is_logged(stores, &second).await);
    assert!(!is_logged(stores, &early).await && !is_logged(stores, &late).await);
}

pub async fn parallel_successors_of_a_key_are_one(stores: &Stores) {
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    let wanted: Vec<_> = (1..9).map(|number| (live(&format!("kid{number}"), number), event(number))).collect();
    let results = race(wanted.iter().map(|(key, event)| stores.keys.insert_after("a", key, event))).await;
    let added: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(added.iter().filter(|added| **added).count(), 1, "{added:?}");
    assert_eq!(stores.keys.list().await.unwrap().len(), 2);
    for ((_, event), added) in wanted.iter().zip(added) {
        assert_eq!(is_logged(stores, event).await, added);
    }
}

pub async fn a_revoked_key_gives_way_to_another(stores: &Stores) {
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    stores.keys.insert(&live("b", 1), &event(1)).await.unwrap();
    let (spare, revoked) = emergency(0);
    let done = stores.keys.revoke("b", &revoked, &spare).await.unwrap();
    assert_eq!(done, KeyRevocation::Done);
    let gone = StoredKey { revoked_at: Some(at(100)), ..live("b", 1) };
    assert_eq!(stores.keys.list().await.unwrap(), [live("a", 0), gone.clone()]);
    assert!(is_logged(stores, &revoked).await && !is_logged(stores, &spare.event).await);

    let (spare, again) = emergency(1);
    assert_eq!(stores.keys.revoke("b", &again, &spare).await.unwrap(), KeyRevocation::Already(at(100)));
    assert_eq!(stores.keys.revoke("c", &again, &spare).await.unwrap(), KeyRevocation::Unknown);
    assert_eq!(stores.keys.list().await.unwrap(), [live("a", 0), gone]);
    assert!(!is_logged(stores, &again).await && !is_logged(stores, &spare.event).await);
}

pub async fn the_last_key_that_signs_gives_way_to_the_spare(stores: &Stores) {
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    // One that is only published does not sign yet.
    stores.keys.insert(&StoredKey { active_from: at(500), ..live("b", 1) }, &event(1)).await.unwrap();
    let (spare, revoked) = emergency(0);
    assert_eq!(stores.keys.revoke("a", &revoked, &spare).await.unwrap(), KeyRevocation::Replaced);
    let keys = stores.keys.list().await.unwrap();
    assert!(keys.contains(&spare.key) && keys.len() == 3, "{keys:?}");
    assert!(is_logged(stores, &revoked).await && is_logged(stores, &spare.event).await);
}

pub async fn parallel_revocations_leave_a_key_that_signs(stores: &Stores) {
    stores.keys.insert_first(&live("kid0", 0)).await.unwrap();
    for number in 1..4 {
        stores.keys.insert(&live(&format!("kid{number}"), number), &event(number)).await.unwrap();
    }
    let wanted: Vec<_> = (0..4).map(|number| (format!("kid{number}"), emergency(number))).collect();
    let revocations = wanted.iter().map(|(kid, (spare, event))| stores.keys.revoke(kid, event, spare));
    let results: Vec<_> = race(revocations).await.into_iter().map(Result::unwrap).collect();
    let replaced = results.iter().filter(|result| **result == KeyRevocation::Replaced).count();
    assert!((1..=4).contains(&replaced), "{results:?}");
    let keys = stores.keys.list().await.unwrap();
    assert_eq!(keys.len(), 4 + replaced);
    let signing = keys.iter().filter(|key| key.state(&keys, at(200)) == KeyState::Signs).count();
    assert_eq!(signing, 1, "{keys:?}");
}

pub async fn parallel_revocations_of_one_key_are_one(stores: &Stores) {
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    let wanted: Vec<_> = (0..4).map(|_| emergency(0)).collect();
    let results = race(wanted.iter().map(|(spare, event)| stores.keys.revoke("a", event, spare))).await;
    let of = |expected| results.iter().filter(|result| matches!(result, Ok(found) if *found == expected)).count();
    assert_eq!((of(KeyRevocation::Replaced), of(KeyRevocation::Already(at(100)))), (1, 3), "{results:?}");
    assert_eq!(stores.keys.list().await.unwrap().len(), 2);
}

pub async fn a_key_is_sealed_anew_once(stores: &Stores) {
    stores.keys.insert_first(&live("a", 0)).await.unwrap();
    stores.keys.insert(&live("b", 1), &event(1)).await.unwrap();
    let (spare, revoked) = emergency(0);
    stores.keys.revoke("a", &revoked, &spare).await.unwrap();
    // What is sealed was read before the revocation, and knows nothing of it.
    let sealed = |text: u8| StoredKey { sealed_private: vec![text], master_key_id: "k9".to_owned(), ..live("a", 0) };
    assert!(stores.keys.reseal(&sealed(1), "k0").await.unwrap());
    assert!(!stores.keys.reseal(&sealed(2), "k0").await.unwrap());
    assert!(!stores.keys.reseal(&StoredKey { kid: "c".to_owned(), ..sealed(3) }, "k0").await.unwrap());
    let expected = StoredKey { revoked_at: Some(at(100)), ..sealed(1) };
    assert_eq!(stores.keys.list().await.unwrap(), [expected, live("b", 1)]);
}

pub async fn master_keys_in_use_are_named(stores: &Stores) {
    assert_eq!(stores.keys.master_key_ids().await.unwrap(), Vec::<String>::new());
    stores.keys.insert_first(&key("a", 0)).await.unwrap();
    let agent = added(stores, agent(1)).await;
    let mut credentials = Vec::new();
    for (number, key_id) in [(1, "gone"), (2, "used"), (3, "used"), (4, "graced")] {
        let new = Credential { secret: under(key_id), ..credential(&agent, number) };
        credentials.push(added_credential(stores, new).await);
    }
    let revoked = credentials[0].clone().revoke(at(9)).unwrap();
    stores.credentials.update(&revoked, None, &journal()).await.unwrap();
    let rotated = credentials[3].clone().rotate(digest(7), &grace(60), at(9)).unwrap();
    stores.credentials.update(&rotated, None, &journal()).await.unwrap();
    let mut ids = stores.keys.master_key_ids().await.unwrap();
    ids.sort_unstable();
    assert_eq!(ids, ["graced", "k0", "k1", "used"]);
}

pub async fn a_policy_is_kept_once_and_reads_back(stores: &Stores) {
    let keeps = (0..4).map(|number| stores.keys.keep_policy("hash", "package authz", "{}", at(number)));
    assert!(race(keeps).await.iter().all(Result::is_ok));
    stores.keys.keep_policy("hash", "package other", "[]", at(9)).await.unwrap();
    let kept = KeptPolicy { rego: "package authz".to_owned(), data: "{}".to_owned() };
    assert_eq!(stores.keys.find_policy("hash").await.unwrap(), Some(kept));
    assert_eq!(stores.keys.find_policy("other").await.unwrap(), None);
}
