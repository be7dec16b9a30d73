//! Requests share transactions and statements: what that must not change, on both databases.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_adapters::sql::{self, BatchObserver, Options, SqlStore};
use agentidp_core::contract::storage::make::{
    added, added_credential, agent, at, credential, digest, event, grace, is_logged, journal, page,
};
use agentidp_core::contract::storage::{Stores, race};
use agentidp_core::domain::audit::{AuditEvent, AuditFilter};
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::token::Standing;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AuditLog, CredentialStore, Issue, Revocation, StoreError, TokenStore};
use sea_orm::{ConnectionTrait, DbBackend};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Scratch, connected, migrated, on_both, open};

on_both!(
    parallel_issues_share_their_commits,
    a_record_that_is_refused_spares_its_neighbours,
    the_last_use_is_that_of_the_latest_issue,
    parallel_questions_are_each_answered,
    the_longest_questions_fit_into_a_statement,
    a_failing_database_answers_everyone,
    a_busy_database_answers_everyone_in_time,
    who_goes_away_harms_nobody,
    what_was_acknowledged_outlives_the_store,
);

/// The sizes of the batches.
#[derive(Default)]
struct Sizes(Mutex<Vec<usize>>);

impl BatchObserver for Sizes {
    fn batch(&self, records: usize, _: Duration, _: usize) {
        self.0.lock().unwrap().push(records);
    }
}

fn issue(event: AuditEvent) -> Issue {
    Issue { event, used: None, monthly_quota: None }
}

fn events(count: i64) -> Vec<AuditEvent> {
    (0..count).map(event).collect()
}

async fn append_all(store: &SqlStore, events: &[AuditEvent]) -> Vec<Result<(), StoreError>> {
    race(events.iter().map(|event| store.append(std::slice::from_ref(event)))).await
}

fn all_unavailable(results: &[Result<(), StoreError>]) -> bool {
    results.iter().all(|result| matches!(result, Err(StoreError::Unavailable(_))))
}

async fn parallel_issues_share_their_commits(url: String) {
    let store = migrated(&url).await;
    let sizes = Arc::new(Sizes::default());
    store.tell(sizes.clone());
    let issues: Vec<_> = events(300).into_iter().map(issue).collect();
    for result in race(issues.iter().map(|issue| store.record_issue(issue))).await {
        result.unwrap();
    }
    let stores = Stores::of(Arc::new(store.clone()));
    for issue in &issues {
        assert!(is_logged(&stores, &issue.event).await);
    }
    let sizes = sizes.0.lock().unwrap().clone();
    // Each batch is one transaction. The first finds nobody at work; the last is told of after its answers.
    assert!(sizes.len() <= 3 && sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    store.close().await.unwrap();
}

async fn a_record_that_is_refused_spares_its_neighbours(url: String) {
    let store = migrated(&url).await;
    let stores = Stores::of(Arc::new(store.clone()));
    let known = event(0);
    store.append(std::slice::from_ref(&known)).await.unwrap();
    let agent = added(&stores, agent(1)).await;
    let of_agent = |event| AuditEvent { agent_id: Some(agent.id), ..event };
    let mut issues: Vec<_> = events(30).into_iter().map(issue).collect();
    issues[10] = issue(known);
    for place in [5, 15, 25] {
        issues[place] = Issue { monthly_quota: Some(2), ..issue(of_agent(event(0))) };
    }
    let results = race(issues.iter().map(|issue| stores.tokens.record_issue(issue))).await;
    assert!(results[10].is_err(), "it is there already");
    for (place, (issue, result)) in issues.iter().zip(&results).enumerate().filter(|(place, _)| *place != 10) {
        assert_eq!(is_logged(&stores, &issue.event).await, result.is_ok(), "{place}: {result:?}");
        assert!(result.is_ok() || matches!(result, Err(StoreError::LimitReached)), "{place}: {result:?}");
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 28, "{results:?}");
    store.close().await.unwrap();
}

async fn the_last_use_is_that_of_the_latest_issue(url: String) {
    let store = migrated(&url).await;
    let stores = Stores::of(Arc::new(store.clone()));
    let agent = added(&stores, agent(1)).await;
    let mut used = Vec::new();
    for number in 1..=3 {
        used.push(added_credential(&stores, credential(&agent, number)).await);
    }
    let minutes = [3, 0, 9, 4, 7, 1].map(|minute| minute * 60_000);
    let uses = minutes.iter().flat_map(|millis| used.iter().map(|credential| (*millis, credential.id)));
    let issues: Vec<_> = uses.map(|(millis, id)| Issue { used: Some(id), ..issue(event(millis)) }).collect();
    for result in race(issues.iter().map(|issue| stores.tokens.record_issue(issue))).await {
        result.unwrap();
    }
    for credential in used {
        let found = CredentialStore::find(&store, agent.id, credential.id).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(at(9 * 60_000)));
    }
    store.close().await.unwrap();
}

/// Strangers among those who are known, tokens that are revoked among those that are not, and a row that holds
/// nonsense.
async fn parallel_questions_are_each_answered(url: String) {
    let store = migrated(&url).await;
    let stores = Stores::of(Arc::new(store.clone()));
    let mut clients = Vec::new();
    for number in 1..=5 {
        let agent = added(&stores, agent(number)).await;
        clients.push((added_credential(&stores, credential(&agent, number)).await, agent));
    }
    let once = clients[0].0.clone().rotate(digest(7), &grace(60), at(10)).unwrap();
    stores.credentials.update(&once, None, &journal()).await.unwrap();
    let (twice, spoilt) = (once.rotate(digest(8), &grace(60), at(20)).unwrap(), 4);
    stores.credentials.update(&twice, None, &journal()).await.unwrap();
    clients[0].0 = twice;
    let revocation = Revocation { token_id: "b".to_owned(), expires_at: at(50), at: at(0) };
    stores.tokens.revoke(&revocation, &event(0)).await.unwrap();
    let db = open(&url).await;
    db.execute_unprepared("UPDATE credentials SET key_id = NULL WHERE secret_hash LIKE '%05'").await.unwrap();
    db.close().await.unwrap();
    let tokens = [vec![], vec!["a".to_owned()], vec!["c".to_owned(), "b".to_owned()], vec!["b".to_owned()]];
    let asked: Vec<_> = (0..120_usize).map(|number| (number % 6, number % 5, &tokens[number % 4])).collect();
    let questions = asked.iter().map(|(agent, credential, tokens)| {
        let agent = clients.get(*agent).map_or(AgentId::new(uuid::Uuid::nil()), |(_, agent)| agent.id);
        stores.tokens.standing(agent, clients[*credential].0.id, tokens)
    });
    for ((agent, credential, tokens), standing) in asked.iter().zip(race(questions).await) {
        let revoked = tokens.contains(&"b".to_owned());
        match standing {
            Err(error) => {
                assert!(matches!(error, StoreError::Inconsistent { column: "key_id", .. }), "{error:?}");
                assert_eq!((*agent, *credential), (spoilt, spoilt));
            }
            Ok(None) => assert_ne!(agent, credential),
            Ok(Some(standing)) => {
                let (credential, agent) = clients[*credential].clone();
                assert_eq!(standing, Standing { agent, credential, revoked });
            }
        }
    }
    let agents = race(clients.iter().map(|(_, agent)| stores.agents.find(agent.id))).await;
    for ((_, agent), found) in clients.iter().zip(agents) {
        assert_eq!(found.unwrap().as_ref(), Some(agent));
    }
    store.close().await.unwrap();
}

/// Full batches of Biscuits with as many blocks as a holder may give them: that must not fail for everyone.
async fn the_longest_questions_fit_into_a_statement(url: String) {
    let store = migrated(&url).await;
    let stores = Stores::of(Arc::new(store.clone()));
    let agent = added(&stores, agent(1)).await;
    let credential = added_credential(&stores, credential(&agent, 1)).await;
    // Its own, that of its parent, and those of 16 blocks.
    let tokens: Vec<String> = (0..18).map(|number| number.to_string()).collect();
    for standing in race((0..600).map(|_| stores.tokens.standing(agent.id, credential.id, &tokens))).await {
        assert!(!standing.unwrap().unwrap().revoked);
    }
    store.close().await.unwrap();
}

async fn a_failing_database_answers_everyone(url: String) {
    let store = connected(&url).await;
    assert!(all_unavailable(&append_all(&store, &events(40)).await), "there are no tables");
    store.migrate().await.unwrap();
    store.append(&events(1)).await.unwrap();
    store.close().await.unwrap();
    assert!(all_unavailable(&append_all(&store, &events(40)).await), "there is no connection");
}

/// Another process holds what the writer needs.
async fn a_busy_database_answers_everyone_in_time(url: String) {
    migrated(&url).await.close().await.unwrap();
    let store = sql::connect(&url, &Options { deadline: Duration::from_millis(300), connections: 2 }).await.unwrap();
    let db = open(&url).await;
    match db.get_database_backend() {
        DbBackend::Postgres => db.execute_unprepared("BEGIN; LOCK TABLE audit_events IN SHARE MODE").await.unwrap(),
        _ => db.execute_unprepared("BEGIN IMMEDIATE").await.unwrap(),
    };
    let started = tokio::time::Instant::now();
    assert!(all_unavailable(&append_all(&store, &events(40)).await));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    db.execute_unprepared("ROLLBACK").await.unwrap();
    db.close().await.unwrap();
    let after = event(0);
    within_a_minute(async {
        // A batch that nobody waits for any more may still be at its end.
        while store.append(std::slice::from_ref(&after)).await.is_err() {}
    })
    .await;
    store.close().await.unwrap();
}

async fn within_a_minute(work: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap();
}

async fn who_goes_away_harms_nobody(url: String) {
    let store = migrated(&url).await;
    let stores = Stores::of(Arc::new(store.clone()));
    let all = events(60);
    for (number, pair) in (0_u64..).zip(all.chunks(2)) {
        let [leaves, stays] = pair else { panic!("not a pair") };
        let leaving =
            tokio::time::timeout(Duration::from_micros(number * 50), stores.audit.append(std::slice::from_ref(leaves)));
        let (left, stayed) = tokio::join!(leaving, stores.audit.append(std::slice::from_ref(stays)));
        stayed.unwrap();
        assert!(is_logged(&stores, stays).await);
        assert!(left.is_err() || is_logged(&stores, leaves).await, "it was acknowledged");
    }
    store.close().await.unwrap();
}

async fn what_was_acknowledged_outlives_the_store(url: String) {
    let store = migrated(&url).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = store.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                let event = event(number);
                if store.append(std::slice::from_ref(&event)).await.is_err() {
                    return acknowledged;
                }
                acknowledged.push(event);
            }
        });
    }
    within_a_minute(async {
        while store.query(&Owners::All, &AuditFilter::default(), None, page(40, None)).await.unwrap().next.is_none() {}
    })
    .await;
    store.close().await.unwrap();
    drop(store);
    let acknowledged: Vec<AuditEvent> = writers.join_all().await.into_iter().flatten().collect();
    assert!(acknowledged.len() >= 20);
    let again = connected(&url).await;
    let stores = Stores::of(Arc::new(again.clone()));
    for event in &acknowledged {
        assert!(is_logged(&stores, event).await);
    }
    again.close().await.unwrap();
}
