//! Cases of `CredentialStore`.

use super::make::{
    added, added_credential, agent, at, bcrypt, credential, digest, event, grace, is_logged, journal, once, page,
    read_on,
};
use super::{Stores, is_limit, is_stale, race, winners};
use crate::domain::agent::{Agent, AgentStatus};
use crate::domain::credential::{Backend, Credential, CredentialStatus, GracedSecret, Rotation, SecretRef};
use crate::domain::time::Timestamp;
use crate::ports::storage::{Issue, Journal};

fn rotated(credential: &Credential, secret: SecretRef, seconds: u64) -> Credential {
    credential.clone().rotate(secret, &grace(seconds), at(10)).unwrap()
}

/// Writes a change over the credential's row.
async fn put(stores: &Stores, credential: Credential) -> Credential {
    stores.credentials.update(&credential, None, &journal()).await.unwrap();
    credential
}

async fn found(stores: &Stores, credential: &Credential) -> Credential {
    stores.credentials.find(credential.agent_id, credential.id).await.unwrap().unwrap()
}

pub async fn every_kind_of_secret_reads_back(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let kinds = [
        digest(1),
        SecretRef::Vault { path: "secret/agentidp/agents/a".to_owned(), version: i64::MAX },
        SecretRef::AwsSecretsManager { name: "agentidp/x".to_owned(), version_id: "0-1-2".to_owned() },
        bcrypt(1),
    ];
    let graced: Vec<_> =
        (0..).zip(&kinds).map(|(n, kind)| GracedSecret { secret: kind.clone(), until: at(n) }).collect();
    for (number, secret) in (1..).zip(kinds.clone()) {
        let full = Credential {
            secret,
            graced: graced.clone(),
            last_used_at: Some(at(1)),
            expires_at: Some(at(2)),
            generation: 3,
            ..credential(&agent, number)
        };
        let full = added_credential(stores, full).await;
        assert_eq!(found(stores, &full).await, full);
        let fewer = Credential { graced: graced[1..3].to_vec(), revision: 1, ..full };
        assert_eq!(found(stores, &put(stores, fewer.clone()).await).await, fewer);
    }
}

pub async fn a_credential_is_found_only_under_its_agent(stores: &Stores) {
    let (one, other) = (added(stores, agent(1)).await, added(stores, agent(2)).await);
    let credential = added_credential(stores, credential(&one, 1)).await;
    assert_eq!(stores.credentials.find(other.id, credential.id).await.unwrap(), None);
    let stolen = Credential { agent_id: other.id, revision: 1, ..credential.clone() };
    assert!(is_stale(&stores.credentials.update(&stolen, None, &journal()).await.unwrap_err()));
    assert_eq!(found(stores, &credential).await, credential);
}

pub async fn a_credential_needs_an_active_agent_at_its_revision(stores: &Stores) {
    let active = added(stores, agent(1)).await;
    let suspended = added(stores, Agent { status: AgentStatus::Suspended, ..agent(2) }).await;
    for (agent, revision) in [(&active, 1), (&active, -1), (&suspended, 0), (&agent(3), 0)] {
        let journal = once("k", 0);
        let refused = stores.credentials.insert(&credential(agent, 1), revision, 10, &journal).await.unwrap_err();
        assert!(is_stale(&refused), "{refused:?}");
        assert!(!is_logged(stores, &journal.event).await);
    }
    stores.credentials.insert(&credential(&active, 1), 0, 10, &once("k", 0)).await.unwrap();
}

pub async fn the_credential_limit_counts_active_ones(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let add = |credential: Credential| async move { stores.credentials.insert(&credential, 0, 2, &journal()).await };
    add(Credential { expires_at: Some(at(50)), ..credential(&agent, 1) }).await.unwrap();
    let second = credential(&agent, 2);
    add(second.clone()).await.unwrap();
    let at_50 = |number| Credential { created_at: at(50), ..credential(&agent, number) };
    let at_49 = Credential { created_at: at(49), ..credential(&agent, 3) };
    assert!(is_limit(&add(at_49).await.unwrap_err()));
    add(at_50(4)).await.unwrap();
    assert!(is_limit(&add(at_50(5)).await.unwrap_err()));
    put(stores, second.revoke(at(60)).unwrap()).await;
    add(at_50(6)).await.unwrap();
}

pub async fn the_credential_limit_holds_under_parallel_inserts(stores: &Stores) {
    let agent = &added(stores, agent(1)).await;
    let inserts = (1..=15)
        .map(|number| async move { stores.credentials.insert(&credential(agent, number), 0, 10, &journal()).await });
    assert_eq!(winners(&race(inserts).await, is_limit), 10);
    let listed = stores.credentials.list(agent.id, None, at(99), page(100, None)).await.unwrap();
    assert_eq!(listed.items.len(), 10);
}

pub async fn credentials_are_listed_newest_first_by_status(stores: &Stores) {
    let agent = &added(stores, agent(1)).await;
    for number in 1..=5 {
        let expires_at = (number % 2 == 0).then(|| at(60));
        let plain = Credential { created_at: at(0), expires_at, ..credential(agent, number) };
        put(stores, rotated(&added_credential(stores, plain).await, digest(90 + number), 1_000)).await;
    }
    let first = stores.credentials.find(agent.id, credential(agent, 1).id).await.unwrap().unwrap();
    put(stores, first.revoke(at(30)).unwrap()).await;
    for (status, expected) in [
        (None, vec![5, 4, 3, 2, 1]),
        (Some(CredentialStatus::Active), vec![5, 3]),
        (Some(CredentialStatus::Expired), vec![4, 2]),
        (Some(CredentialStatus::Revoked), vec![1]),
    ] {
        let read = read_on(
            |page| async move { stores.credentials.list(agent.id, status, at(60), page).await.unwrap() },
            async {},
        )
        .await;
        let expected: Vec<_> = expected.into_iter().map(|number| credential(agent, number).id).collect();
        assert_eq!(read.iter().map(|credential| credential.id).collect::<Vec<_>>(), expected, "{status:?}");
        let graced = |credential: &Credential| credential.grace_until(at(60)).is_some();
        assert!(read.iter().all(|credential| graced(credential) != credential.revoked_at().is_some()));
    }
}

pub async fn a_credential_update_of_another_revision_is_stale(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let before = added_credential(stores, credential(&agent, 1)).await;
    let first = put(stores, rotated(&before, digest(2), 60)).await;
    let late = rotated(&before, digest(3), 0);
    let unknown = Credential { id: credential(&agent, 9).id, ..late.clone() };
    for other in [late, unknown] {
        let journal = journal();
        assert!(is_stale(&stores.credentials.update(&other, None, &journal).await.unwrap_err()));
        assert!(!is_logged(stores, &journal.event).await);
    }
    assert_eq!(found(stores, &first).await, first);
}

pub async fn parallel_rotations_leave_one_winner(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let before = added_credential(stores, credential(&agent, 1)).await;
    let rotations = (10..18).map(|number| rotated(&before, digest(number), 60));
    let results =
        race(rotations.map(|after| async move { stores.credentials.update(&after, Some(0), &journal()).await })).await;
    assert_eq!(winners(&results, is_stale), 1);
    let winner = u32::try_from(results.iter().position(Result::is_ok).unwrap()).unwrap();
    assert_eq!(found(stores, &before).await, rotated(&before, digest(10 + winner), 60));
}

pub async fn a_rotation_needs_an_active_agent_at_its_revision(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let before = added_credential(stores, credential(&agent, 1)).await;
    let after = rotated(&before, digest(2), 0);
    assert!(is_stale(&stores.credentials.update(&after, Some(1), &journal()).await.unwrap_err()));
    let suspended = Agent { status: AgentStatus::Suspended, revision: 1, ..agent };
    stores.agents.update(&suspended, &journal()).await.unwrap();
    assert!(is_stale(&stores.credentials.update(&after, Some(1), &journal()).await.unwrap_err()));
    assert_eq!(found(stores, &before).await, before);
    put(stores, before.revoke(at(5)).unwrap()).await;
}

pub async fn a_change_does_not_take_the_last_use_back(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let read_early = added_credential(stores, credential(&agent, 1)).await;
    let issue = Issue { event: super::make::event(500), used: Some(read_early.id), monthly_quota: None };
    stores.tokens.record_issue(&issue).await.unwrap();
    put(stores, rotated(&read_early, digest(2), 0)).await;
    assert_eq!(found(stores, &read_early).await.last_used_at, Some(at(500)));
}

pub async fn an_import_needs_an_active_agent_at_any_revision(stores: &Stores) {
    let active = added(stores, Agent { revision: 7, ..agent(1) }).await;
    let suspended = added(stores, Agent { status: AgentStatus::Suspended, ..agent(2) }).await;
    let legacy = |agent: &Agent, number| Credential { secret: bcrypt(number), ..credential(agent, number) };
    for agent in [&suspended, &agent(3)] {
        assert!(is_stale(&stores.credentials.import(&legacy(agent, 1), at(0), &journal()).await.unwrap_err()));
    }
    for number in 1..=10 {
        stores.credentials.import(&legacy(&active, number), at(0), &journal()).await.unwrap();
    }
    let early = Credential { created_at: Timestamp::from_unix_millis(0), ..legacy(&active, 11) };
    assert!(is_limit(&stores.credentials.import(&early, at(0), &journal()).await.unwrap_err()));
    assert_eq!(found(stores, &legacy(&active, 3)).await, legacy(&active, 3));
}

pub async fn an_expired_one_comes_back_only_if_there_is_room(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let expired = Credential { expires_at: Some(at(10)), ..credential(&agent, 11) };
    let expired = added_credential(stores, expired).await;
    let renewed = |credential: &Credential| {
        let rotation = Rotation { expires_at: Some(at(900)), ..Rotation::default() };
        credential.clone().rotate(digest(99), &rotation, at(20)).unwrap()
    };
    let mut active = Vec::new();
    for number in 1..=10 {
        active.push(added_credential(stores, credential(&agent, number)).await);
    }
    let update = async |credential: &Credential| {
        let journal = Journal { event: event(20), ..journal() };
        stores.credentials.update(credential, Some(agent.revision), &journal).await
    };
    assert!(is_limit(&update(&renewed(&expired)).await.unwrap_err()));
    update(&renewed(&active[0])).await.unwrap();
    put(stores, active[1].clone().revoke(at(15)).unwrap()).await;
    update(&renewed(&expired)).await.unwrap();
}

pub async fn legacy_gives_what_bcrypt_may_verify(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    assert_eq!(stores.credentials.legacy(agent.id).await.unwrap(), Some((agent.clone(), vec![])));
    assert_eq!(stores.credentials.legacy(super::make::agent(9).id).await.unwrap(), None);
    added_credential(stores, credential(&agent, 1)).await;
    let legacy = |number| Credential { secret: bcrypt(number), ..credential(&agent, number) };
    let plain = added_credential(stores, legacy(2)).await;
    put(stores, added_credential(stores, legacy(3)).await.revoke(at(5)).unwrap()).await;
    let moved = put(stores, rotated(&added_credential(stores, legacy(4)).await, digest(5), 60)).await;
    put(stores, rotated(&added_credential(stores, legacy(5)).await, digest(6), 0)).await;
    for number in 10..22 {
        added_credential(stores, Credential { expires_at: Some(at(number.into())), ..legacy(number) }).await;
    }
    let (found, credentials) = stores.credentials.legacy(agent.id).await.unwrap().unwrap();
    assert_eq!((found, credentials.len()), (agent.clone(), 10));
    assert!(credentials.contains(&plain), "the longest-lived come first");
    assert!(credentials.contains(&moved), "a secret of bcrypt that is in its grace works on");
}

pub async fn legacy_is_in_use_while_a_bcrypt_secret_works(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let used = async |at| stores.credentials.uses_legacy(at).await.unwrap();
    added_credential(stores, credential(&agent, 1)).await;
    let legacy = |number| Credential { secret: bcrypt(number), ..credential(&agent, number) };
    put(stores, added_credential(stores, legacy(2)).await.revoke(at(5)).unwrap()).await;
    assert!(!used(at(0)).await, "a revoked one does not count");
    added_credential(stores, Credential { expires_at: Some(at(50)), ..legacy(3) }).await;
    assert!(used(at(49)).await);
    assert!(!used(at(50)).await, "an expired one does not count");
    let moved = put(stores, rotated(&added_credential(stores, legacy(4)).await, digest(5), 60)).await;
    let end = moved.graced[0].until;
    assert!(used(end.before(std::time::Duration::from_millis(1))).await, "one in its grace counts");
    assert!(!used(end).await);
}

pub async fn credentials_are_counted_by_backend_and_status(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    assert_eq!(stores.credentials.count(at(0)).await.unwrap(), []);
    for number in 1..=3 {
        added_credential(stores, credential(&agent, number)).await;
    }
    let ended = Credential { secret: bcrypt(4), expires_at: Some(at(50)), ..credential(&agent, 4) };
    added_credential(stores, ended).await;
    put(stores, credential(&agent, 1).revoke(at(9)).unwrap()).await;
    let mut counts = stores.credentials.count(at(50)).await.unwrap();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [
            (Backend::Digest, CredentialStatus::Active, 2),
            (Backend::Digest, CredentialStatus::Revoked, 1),
            (Backend::Bcrypt, CredentialStatus::Expired, 1),
        ]
    );
}
