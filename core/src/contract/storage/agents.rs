//! Cases of `AgentStore`.

use super::make::{
    added, added_credential, agent, agent_of, at, credential, everyone, grace, is_logged, journal, owners, page,
    read_on,
};
use super::{Stores, is_conflict, is_limit, is_stale, race, winners};
use crate::domain::agent::{Agent, AgentChange, AgentStatus, AgentType, DeploymentEnv, SwitchableStatus};
use crate::domain::credential::CredentialStatus;
use crate::domain::ids::AgentId;
use crate::domain::page::Cursor;
use crate::ports::storage::AgentFilter;
use uuid::Uuid;

async fn list(stores: &Stores, filter: AgentFilter) -> Vec<Agent> {
    stores.agents.list(&filter, page(100, None)).await.unwrap().items
}

fn changed(agent: &Agent, change: AgentChange) -> Agent {
    agent.clone().change(change, at(5_000)).unwrap()
}

fn with_version(version: &str) -> AgentChange {
    AgentChange { version: Some(version.parse().unwrap()), ..Default::default() }
}

fn suspension() -> AgentChange {
    AgentChange { status: Some(SwitchableStatus::Suspended), ..Default::default() }
}

pub async fn a_new_agent_reads_back_as_it_was(stores: &Stores) {
    let agent = added(stores, agent_of("Ünïted ' \"teams\" %_\\", u32::MAX)).await;
    assert_eq!(stores.agents.find(agent.id).await.unwrap(), Some(agent));
    assert_eq!(stores.agents.find(AgentId::new(Uuid::from_u128(404))).await.unwrap(), None);
}

pub async fn duplicate_email_is_conflict(stores: &Stores) {
    let first = added(stores, agent(1)).await;
    let gone = first.clone().decommission(at(9)).unwrap();
    stores.agents.update(&gone, &journal()).await.unwrap();
    let twin = Agent { id: agent(2).id, email: "aGENT1@eXAMPLE.com".parse().unwrap(), ..agent(1) };
    let journal = journal();
    let refused = stores.agents.insert(&twin, None, &journal).await.unwrap_err();
    assert!(is_conflict(&refused), "{refused:?}");
    assert!(!is_logged(stores, &journal.event).await, "a refused change is on record");
    added(stores, Agent { owner: "Team-A".parse().unwrap(), ..twin }).await;
}

pub async fn parallel_registrations_of_one_email_leave_one(stores: &Stores) {
    let twins = (1..=8).map(|number| Agent { email: agent(1).email, ..agent(number) });
    let results = race(twins.map(|twin| async move { stores.agents.insert(&twin, None, &journal()).await })).await;
    assert_eq!(winners(&results, is_conflict), 1);
    assert_eq!(list(stores, everyone()).await.len(), 1);
}

pub async fn an_owner_at_its_limit_gets_no_more_agents(stores: &Stores) {
    let gone = added(stores, agent(1)).await.decommission(at(9)).unwrap();
    stores.agents.update(&gone, &journal()).await.unwrap();
    for number in [2, 3] {
        stores.agents.insert(&agent(number), Some(2), &journal()).await.unwrap();
    }
    let refused = stores.agents.insert(&agent(4), Some(2), &journal()).await.unwrap_err();
    assert!(is_limit(&refused), "{refused:?}");
    stores.agents.insert(&agent_of("team-b", 5), Some(1), &journal()).await.unwrap();
    let refused = stores.agents.insert(&agent_of("team-c", 6), Some(0), &journal()).await.unwrap_err();
    assert!(is_limit(&refused), "{refused:?}");
}

/// Several times: an implementation may open its connections one by one, and only then be able to race.
pub async fn the_owner_limit_holds_under_parallel_registrations(stores: &Stores) {
    for (round, owner) in (0..).zip(["a", "b", "c", "d"]) {
        let agents = (0..9).map(|number| agent_of(owner, 10 * round + number));
        let results =
            race(agents.map(|agent| async move { stores.agents.insert(&agent, Some(4), &journal()).await })).await;
        assert_eq!(winners(&results, is_limit), 4, "owner {owner}");
    }
}

pub async fn agents_are_listed_newest_first_and_ties_by_id(stores: &Stores) {
    for number in [3, 1, 4, 2] {
        let created_at = at(if number == 4 { 0 } else { 7 });
        added(stores, Agent { created_at, ..agent(number) }).await;
    }
    let ids: Vec<_> = list(stores, everyone()).await.into_iter().map(|agent| agent.id).collect();
    assert_eq!(ids, [3, 2, 1, 4].map(|number| agent(number).id));
    let full = stores.agents.list(&everyone(), page(4, None)).await.unwrap();
    assert_eq!(full.next, None, "nothing follows a page that holds all");
    let first = stores.agents.list(&everyone(), page(2, None)).await.unwrap();
    assert_eq!(first.next, Some(Cursor { at: at(7), id: agent(2).id.uuid() }));
}

pub async fn agent_pages_are_stable_under_inserts(stores: &Stores) {
    for number in 1..=7 {
        added(stores, Agent { created_at: at(0), ..agent_of(if number % 2 == 0 { "b" } else { "a" }, number) }).await;
    }
    let filter = AgentFilter { owners: owners(&["b", "a", "b"]), ..everyone() };
    let filter = &filter;
    let read = read_on(|page| async move { stores.agents.list(filter, page).await.unwrap() }, async {
        added(stores, Agent { created_at: at(1), ..agent_of("a", 8) }).await;
    })
    .await;
    assert_eq!(read.iter().map(|agent| agent.id).collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1].map(|n| agent(n).id));
}

pub async fn agent_lists_show_only_the_owners_asked_for(stores: &Stores) {
    for (number, owner) in [(1, "a"), (2, "b"), (3, "c"), (4, "A")] {
        added(stores, agent_of(owner, number)).await;
    }
    for (allowed, wanted, expected) in [
        (vec!["a"], None, vec![1]),
        (vec!["a", "c"], None, vec![3, 1]),
        (vec!["a", "c"], Some("c"), vec![3]),
        (vec!["a"], Some("b"), vec![]),
        (vec![], None, vec![]),
        (vec![], Some("a"), vec![]),
    ] {
        let owner = wanted.map(|owner| owner.parse().unwrap());
        let shown = list(stores, AgentFilter { owners: owners(&allowed), owner, ..everyone() }).await;
        let expected: Vec<_> = expected.into_iter().map(|number| agent(number).id).collect();
        assert_eq!(shown.iter().map(|agent| agent.id).collect::<Vec<_>>(), expected, "{allowed:?} {wanted:?}");
    }
    let one = list(stores, AgentFilter { owner: Some("b".parse().unwrap()), ..everyone() }).await;
    assert_eq!(one.len(), 1);
}

pub async fn each_agent_filter_narrows(stores: &Stores) {
    added(stores, agent(1)).await;
    added(stores, Agent { agent_type: AgentType::Custom, ..agent(2) }).await;
    added(stores, Agent { status: AgentStatus::Suspended, ..agent(3) }).await;
    added(stores, Agent { deployment_env: DeploymentEnv::Staging, ..agent(4) }).await;
    let filters = [
        AgentFilter { agent_type: Some(AgentType::Custom), ..everyone() },
        AgentFilter { status: Some(AgentStatus::Suspended), ..everyone() },
        AgentFilter { deployment_env: Some(DeploymentEnv::Staging), ..everyone() },
    ];
    for (number, filter) in (2..).zip(filters) {
        let found = list(stores, filter.clone()).await;
        assert_eq!(found.iter().map(|agent| agent.id).collect::<Vec<_>>(), [agent(number).id], "{filter:?}");
    }
    let both = AgentFilter { agent_type: Some(AgentType::Custom), status: Some(AgentStatus::Suspended), ..everyone() };
    assert_eq!(list(stores, both).await, []);
}

pub async fn text_is_found_without_case_and_without_wildcards(stores: &Stores) {
    added(stores, agent_of("Team 100% _x\\", 1)).await;
    added(stores, agent_of("Über", 2)).await;
    for (text, expected) in [
        ("agent1@", 1),
        ("EXAMPLE.COM", 2),
        ("tEAM", 1),
        ("%", 1),
        ("_", 1),
        ("\\", 1),
        ("0% _X\\", 1),
        ("1_0", 0),
        ("a%2", 0),
        ("BER", 1),
        ("Ü", 1),
        ("ü", 0),
        ("x\0", 0),
        ("'", 0),
    ] {
        let found = list(stores, AgentFilter { text: Some(text.to_owned()), ..everyone() }).await;
        assert_eq!(found.len(), expected, "{text:?}");
    }
}

pub async fn an_agent_update_of_another_revision_is_stale(stores: &Stores) {
    let agent = added(stores, agent(1)).await;
    let first = changed(&agent, with_version("2.0.0"));
    stores.agents.update(&first, &journal()).await.unwrap();
    assert_eq!(stores.agents.find(agent.id).await.unwrap().as_ref(), Some(&first));
    let late = changed(&agent, with_version("3.0.0"));
    let early = Agent { revision: 5, ..late.clone() };
    let unknown = Agent { id: super::make::agent(2).id, ..late.clone() };
    for other in [late, early, unknown] {
        let journal = journal();
        let refused = stores.agents.update(&other, &journal).await.unwrap_err();
        assert!(is_stale(&refused), "{refused:?}");
        assert!(!is_logged(stores, &journal.event).await);
    }
    assert_eq!(stores.agents.find(agent.id).await.unwrap(), Some(first));
}

pub async fn parallel_updates_leave_one_winner_per_revision(stores: &Stores) {
    let mut agent = added(stores, agent(1)).await;
    for round in 0..3 {
        let versions = (0..8).map(|number| changed(&agent, with_version(&format!("{round}.{number}.0"))));
        let results = race(versions.map(|after| async move { stores.agents.update(&after, &journal()).await })).await;
        assert_eq!(winners(&results, is_stale), 1);
        agent = stores.agents.find(agent.id).await.unwrap().unwrap();
        let winner = results.iter().position(Result::is_ok).unwrap();
        assert_eq!(agent.version.as_str(), format!("{round}.{winner}.0"));
        assert_eq!(agent.revision, round + 1);
    }
}

pub async fn a_changed_owner_may_meet_a_taken_email(stores: &Stores) {
    let first = added(stores, agent_of("a", 1)).await;
    added(stores, Agent { email: first.email.clone(), ..agent_of("b", 2) }).await;
    let moved = changed(&first, AgentChange { owner: Some("b".parse().unwrap()), ..Default::default() });
    let refused = stores.agents.update(&moved, &journal()).await.unwrap_err();
    assert!(is_conflict(&refused), "{refused:?}");
    assert_eq!(stores.agents.find(first.id).await.unwrap(), Some(first));
}

pub async fn decommissioning_revokes_every_live_credential(stores: &Stores) {
    let (agent, other) = (added(stores, agent(1)).await, added(stores, agent(2)).await);
    let live = added_credential(stores, credential(&agent, 1)).await;
    let rotated = live.rotate(super::make::digest(9), &grace(100), at(10)).unwrap();
    stores.credentials.update(&rotated, None, &journal()).await.unwrap();
    let revoked = added_credential(stores, credential(&agent, 2)).await.revoke(at(20)).unwrap();
    stores.credentials.update(&revoked, None, &journal()).await.unwrap();
    let foreign = added_credential(stores, credential(&other, 3)).await;
    let gone = agent.decommission(at(30)).unwrap();
    stores.agents.update(&gone, &journal()).await.unwrap();
    let found = |id| async move { stores.credentials.find(gone.id, id).await.unwrap().unwrap() };
    assert_eq!(found(rotated.id).await, rotated.revoke(at(30)).unwrap());
    assert_eq!(found(revoked.id).await, revoked);
    assert_eq!(stores.credentials.find(other.id, foreign.id).await.unwrap(), Some(foreign));
}

pub async fn no_credential_survives_a_parallel_decommissioning(stores: &Stores) {
    let agent = &added(stores, agent(1)).await;
    let gone = agent.clone().decommission(at(30)).unwrap();
    let changes = (0..=6_u32).map(|number| {
        let gone = gone.clone();
        async move {
            match number {
                3 => stores.agents.update(&gone, &journal()).await,
                _ => stores.credentials.insert(&credential(agent, number), 0, 10, &journal()).await,
            }
        }
    });
    winners(&race(changes).await, is_stale);
    let listed = stores.credentials.list(agent.id, None, at(40), page(100, None)).await.unwrap();
    assert!(listed.items.iter().all(|credential| credential.status(at(40)) == CredentialStatus::Revoked));
    let suspended = changed(&added(stores, super::make::agent(2)).await, suspension());
    stores.agents.update(&suspended, &journal()).await.unwrap();
    assert!(is_stale(&stores.credentials.insert(&credential(&suspended, 9), 1, 10, &journal()).await.unwrap_err()));
}

pub async fn a_revocation_may_race_with_a_decommissioning(stores: &Stores) {
    for round in 1..=4 {
        let agent = &added(stores, agent(round)).await;
        let gone = &agent.clone().decommission(at(50)).unwrap();
        let mut rotated = Vec::new();
        for number in 10 * round..10 * round + 6 {
            let before = added_credential(stores, credential(agent, number)).await;
            let after = before.rotate(super::make::digest(1), &grace(100), at(40)).unwrap();
            stores.credentials.update(&after, None, &journal()).await.unwrap();
            rotated.push(after);
        }
        let changes = (0..).zip(rotated.into_iter().map(Some).chain([None])).map(|(number, credential)| async move {
            match credential {
                Some(credential) => {
                    let revoked = credential.revoke(at(50 + number)).unwrap();
                    stores.credentials.update(&revoked, None, &journal()).await
                }
                None => stores.agents.update(gone, &journal()).await,
            }
        });
        winners(&race(changes).await, is_stale);
        let listed = stores.credentials.list(agent.id, None, at(60), page(100, None)).await.unwrap();
        assert!(
            listed.items.iter().all(|credential| credential.revoked_at().is_some() && credential.graced.is_empty())
        );
    }
}
