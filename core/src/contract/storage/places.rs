//! Cases of the places of secrets in `CustodyStore`, and of what changes of credentials do to them.

use super::custody::announced;
use super::make::{added, added_credential, agent, at, credential, digest, grace, journal, vault};
use super::{Stores, race};
use crate::domain::agent::Agent;
use crate::domain::credential::{Backend, Credential, SecretLocation, SecretRef};
use crate::ports::custody::ClaimedLocation;
use crate::ports::secrets::SecretOwner;

/// A credential of `agent` whose secret lies at `path` in Vault.
pub async fn outside(stores: &Stores, agent: &Agent, number: u32, path: &str) -> Credential {
    added_credential(stores, Credential { secret: vault(path, 1), ..credential(agent, number) }).await
}

/// Writes a change over the credential's row.
pub async fn update(stores: &Stores, after: Credential) -> Credential {
    stores.credentials.update(&after, None, &journal()).await.unwrap();
    after
}

/// Claims every place that is due at `at(millis)`; in the order of their paths.
pub async fn due(stores: &Stores, agent: Option<&Agent>, millis: i64) -> Vec<ClaimedLocation> {
    let mut claimed = Vec::new();
    while let Some(place) = stores.custody.claim_location(agent.map(|agent| agent.id), at(millis)).await.unwrap() {
        claimed.push(place);
    }
    claimed.sort_by(|one, other| one.location.path.cmp(&other.location.path));
    claimed
}

fn paths(places: &[ClaimedLocation]) -> Vec<&str> {
    places.iter().map(|place| place.location.path.as_str()).collect()
}

pub async fn a_revocation_makes_every_place_due(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let first = outside(stores, &agent, 1, "a").await;
    outside(stores, &agent, 2, "z").await;
    let again = update(stores, first.rotate(vault("a", 2), &grace(0), at(9)).unwrap()).await;
    let name = SecretRef::AwsSecretsManager { name: "b".to_owned(), version_id: "x".to_owned() };
    let moved = update(stores, again.rotate(name, &grace(0), at(10)).unwrap()).await;
    let inside = update(stores, moved.rotate(digest(1), &grace(0), at(11)).unwrap()).await;
    assert_eq!(due(stores, None, 99_999).await, [], "what the credential has moved from is kept until it is revoked");
    update(stores, inside.revoke(at(50)).unwrap()).await;
    assert_eq!(due(stores, None, 49).await, []);
    let owner = SecretOwner { agent_id: agent.id, credential_id: credential(&agent, 1).id };
    let places = due(stores, None, 50).await;
    let expected = [(Backend::Vault, "a"), (Backend::AwsSecretsManager, "b")].map(|(backend, path)| ClaimedLocation {
        owner,
        location: SecretLocation { backend, path: path.to_owned() },
        attempts: 1,
    });
    assert_eq!(places, expected);
    assert_eq!(due(stores, None, 50 + 29_999).await, []);
    assert_eq!(due(stores, None, 50 + 30_000).await.iter().map(|place| place.attempts).collect::<Vec<_>>(), [2, 2]);
}

pub async fn a_decommissioning_makes_the_places_of_its_agent_due(stores: &Stores) {
    let (agent, bystander) = (added(stores, agent(1)).await, added(stores, agent(2)).await);
    for (number, path) in [(1, "a"), (2, "b"), (3, "c")] {
        outside(stores, &agent, number, path).await;
    }
    outside(stores, &bystander, 9, "z").await;
    update(stores, outside(stores, &agent, 4, "d").await.revoke(at(5)).unwrap()).await;
    assert_eq!(paths(&due(stores, None, 5).await), ["d"]);
    stores.agents.update(&agent.clone().decommission(at(60)).unwrap(), &journal()).await.unwrap();
    assert_eq!(due(stores, Some(&bystander), 60).await, []);
    assert_eq!(paths(&due(stores, Some(&agent), 60).await), ["a", "b", "c"], "the other one is not due again");
    assert_eq!(due(stores, None, 60).await, []);
}

pub async fn a_place_in_use_stays(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let there = outside(stores, &agent, 1, "a").await;
    let location = there.secret.location().unwrap();
    stores.custody.settle_location(there.id, &location).await.unwrap();
    update(stores, there.clone().revoke(at(50)).unwrap()).await;
    assert_eq!(paths(&due(stores, None, 50).await), ["a"]);
    for other in [SecretLocation { backend: Backend::AwsSecretsManager, ..location.clone() }, location.clone()] {
        assert_eq!(stores.custody.pending().await.unwrap().destructions, 1);
        stores.custody.settle_location(there.id, &other).await.unwrap();
    }
    stores.custody.settle_location(there.id, &location).await.unwrap();
    assert_eq!(due(stores, None, 99_999).await, []);
}

/// A write that was announced before the revocation may still bring something there.
pub async fn a_place_stays_while_a_write_is_announced(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let there = outside(stores, &agent, 1, "a").await;
    let location = there.secret.location().unwrap();
    let write = announced(stores, &there, 9, 40).await;
    update(stores, there.clone().revoke(at(50)).unwrap()).await;
    assert_eq!(paths(&due(stores, None, 50).await), ["a"]);
    stores.custody.settle_location(there.id, &location).await.unwrap();
    assert_eq!(paths(&due(stores, None, 90_000).await), ["a"], "it is due again");
    stores.custody.settle_write(write.id).await.unwrap();
    stores.custody.settle_location(there.id, &location).await.unwrap();
    assert_eq!(stores.custody.pending().await.unwrap().destructions, 0);
}

pub async fn each_due_place_goes_to_one_claimant(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    for number in 1..=8 {
        let there = outside(stores, &agent, number, &number.to_string()).await;
        update(stores, there.revoke(at(50)).unwrap()).await;
    }
    let claims = race((0..16).map(|_| stores.custody.claim_location(Some(agent.id), at(50)))).await;
    let mut places: Vec<ClaimedLocation> = claims.into_iter().filter_map(Result::unwrap).collect();
    places.extend(due(stores, None, 50).await);
    places.sort_by(|one, other| one.location.path.cmp(&other.location.path));
    assert_eq!(paths(&places), ["1", "2", "3", "4", "5", "6", "7", "8"]);
}
