//! Cases of `StoreHealth`.

use super::make::{added, administrator, agent, credential, is_logged, journal};
use super::{Stores, is_conflict, race};
use crate::domain::agent::{Agent, AgentStatus};

async fn bootstrap(stores: &Stores, agent: &Agent, recover: bool) -> bool {
    let number = u32::try_from(agent.id.uuid().as_u128()).unwrap();
    let (credential, journal) = (credential(agent, number), journal());
    let done = stores.health.bootstrap(agent, &credential, recover, &journal).await.unwrap();
    assert_eq!(stores.agents.find(agent.id).await.unwrap().is_some(), done);
    assert_eq!(stores.credentials.find(agent.id, credential.id).await.unwrap().is_some(), done);
    assert_eq!(is_logged(stores, &journal.event).await, done);
    done
}

pub async fn the_database_answers(stores: &Stores) {
    stores.health.ping().await.unwrap();
}

pub async fn bootstrap_happens_once(stores: &Stores) {
    added(stores, agent(1)).await;
    assert!(bootstrap(stores, &administrator(2, "admin:all"), false).await);
    assert!(!bootstrap(stores, &administrator(3, "admin:all"), false).await);
    assert!(bootstrap(stores, &administrator(4, "admin:all"), true).await);
    let taken = Agent { id: agent(5).id, ..administrator(4, "admin:all") };
    let refused = stores.health.bootstrap(&taken, &credential(&taken, 5), true, &journal()).await.unwrap_err();
    assert!(is_conflict(&refused), "{refused:?}");
}

pub async fn it_is_known_whether_there_is_an_administrator(stores: &Stores) {
    let known = async || stores.health.has_administrator().await.unwrap();
    added(stores, administrator(1, "xadmin:all")).await;
    added(stores, Agent { status: AgentStatus::Suspended, ..administrator(2, "admin:all") }).await;
    assert!(!known().await);
    let (named, covered) = (administrator(3, "admin:all"), administrator(4, "admin:*"));
    for administrator in [named, covered] {
        assert!(bootstrap(stores, &administrator, false).await && known().await);
        let gone = administrator.decommission(super::make::at(50)).unwrap();
        stores.agents.update(&gone, &journal()).await.unwrap();
        assert!(!known().await);
    }
}

pub async fn bootstrap_races_leave_one_administrator(stores: &Stores) {
    let agents = (1..=6).map(|number| administrator(number, "admin:all"));
    let done = race(agents.map(|agent| async move { bootstrap(stores, &agent, false).await })).await;
    assert_eq!(done.into_iter().filter(|done| *done).count(), 1);
}

pub async fn a_suspended_administrator_does_not_count(stores: &Stores) {
    let suspended = Agent { status: AgentStatus::Suspended, ..administrator(1, "admin:all") };
    added(stores, suspended).await;
    added(stores, administrator(2, "xadmin:all")).await;
    assert!(bootstrap(stores, &administrator(3, "admin:*"), false).await);
    assert!(!bootstrap(stores, &administrator(4, "admin:all"), false).await, "a wildcard covers it");
    let gone = administrator(3, "admin:*").decommission(super::make::at(50)).unwrap();
    stores.agents.update(&gone, &journal()).await.unwrap();
    assert!(bootstrap(stores, &administrator(5, "admin:all"), false).await);
}
