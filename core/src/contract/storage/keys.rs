//! Cases of `KeyStore`.

use super::make::{added, added_credential, agent, at, credential, digest, grace, journal, key};
use super::{Stores, race};
use crate::domain::credential::{Credential, SecretRef};

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

pub async fn keys_are_listed_oldest_first(stores: &Stores) {
    let first = key("b", 5);
    assert!(stores.keys.insert_first(&first).await.unwrap());
    assert!(!stores.keys.insert_first(&first).await.unwrap());
    assert!(!stores.keys.insert_first(&key("a", 4)).await.unwrap());
    assert_eq!(stores.keys.list().await.unwrap(), [first]);
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

pub async fn a_policy_is_kept_once(stores: &Stores) {
    let keeps = (0..4).map(|number| stores.keys.keep_policy("hash", "package authz", "{}", at(number)));
    assert!(race(keeps).await.iter().all(Result::is_ok));
}
