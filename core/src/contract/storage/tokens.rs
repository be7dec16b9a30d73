//! Cases of `TokenStore`.

use super::make::{DAY, added, added_credential, agent, at, credential, digest, event, grace, is_logged, journal};
use super::{Stores, is_limit, race, winners};
use crate::domain::agent::Agent;
use crate::domain::audit::AuditEvent;
use crate::domain::credential::Credential;
use crate::domain::token::Standing;
use crate::ports::storage::{Issue, Revocation};

fn texts(ids: &[&str]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn revocation(token_id: &str, expires: i64) -> Revocation {
    Revocation { token_id: token_id.to_owned(), expires_at: at(expires), at: at(0) }
}

async fn client(stores: &Stores) -> (Agent, Credential) {
    let agent = added(stores, agent(1)).await;
    let credential = added_credential(stores, credential(&agent, 1)).await;
    (agent, credential)
}

async fn is_revoked(stores: &Stores, agent: &Agent, credential: &Credential, ids: &[&str]) -> bool {
    stores.tokens.standing(agent.id, credential.id, &texts(ids)).await.unwrap().unwrap().revoked
}

fn issue_of(agent: &Agent, millis: i64, quota: u32) -> Issue {
    let event = AuditEvent { agent_id: Some(agent.id), ..event(millis) };
    Issue { event, used: None, monthly_quota: Some(quota) }
}

pub async fn standing_tells_all_at_once(stores: &Stores) {
    let (agent, before) = client(stores).await;
    let once = before.rotate(digest(2), &grace(60), at(10)).unwrap();
    stores.credentials.update(&once, None, &journal()).await.unwrap();
    let credential = once.rotate(digest(3), &grace(60), at(20)).unwrap();
    stores.credentials.update(&credential, None, &journal()).await.unwrap();
    let expected = Standing { agent: agent.clone(), credential: credential.clone(), revoked: false };
    assert_eq!(stores.tokens.standing(agent.id, credential.id, &[]).await.unwrap().as_ref(), Some(&expected));
    stores.tokens.revoke(&revocation("b2", 50), &event(0)).await.unwrap();
    for (ids, revoked) in [(vec!["b1"], false), (vec!["b1", "b2", "b3"], true), (vec!["B2"], false)] {
        let standing = stores.tokens.standing(agent.id, credential.id, &texts(&ids)).await.unwrap();
        assert_eq!(standing, Some(Standing { revoked, ..expected.clone() }), "{ids:?}");
    }
}

pub async fn standing_is_none_for_strangers(stores: &Stores) {
    let (agent, own) = client(stores).await;
    let other = added(stores, super::make::agent(2)).await;
    let unknown = super::make::agent(3);
    for (agent, credential) in
        [(&other, &own), (&unknown, &own), (&agent, &credential(&agent, 9)), (&other, &credential(&other, 9))]
    {
        assert_eq!(stores.tokens.standing(agent.id, credential.id, &texts(&["t"])).await.unwrap(), None);
    }
}

pub async fn an_issue_is_recorded_and_moves_the_last_use(stores: &Stores) {
    let (agent, credential) = client(stores).await;
    for (millis, used, last) in
        [(0, true, 0), (59_999, true, 0), (60_000, true, 60_000), (500_000, false, 60_000), (30_000, true, 60_000)]
    {
        let issue = Issue { event: event(millis), used: used.then_some(credential.id), monthly_quota: None };
        stores.tokens.record_issue(&issue).await.unwrap();
        assert!(is_logged(stores, &issue.event).await);
        let found = stores.credentials.find(agent.id, credential.id).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(at(last)), "at {millis}");
        assert_eq!(found.revision, credential.revision, "use is no change");
    }
}

pub async fn a_use_without_an_issue_moves_the_last_use(stores: &Stores) {
    let (agent, credential) = client(stores).await;
    for (millis, last) in [(100, 100), (60_099, 100), (60_100, 60_100), (50, 60_100)] {
        stores.tokens.note_use(credential.id, at(millis)).await.unwrap();
        let found = stores.credentials.find(agent.id, credential.id).await.unwrap().unwrap();
        assert_eq!((found.last_used_at, found.revision), (Some(at(last)), credential.revision), "at {millis}");
    }
}

pub async fn a_quota_ends_within_its_month(stores: &Stores) {
    let (one, other) = (agent(1), agent(2));
    for _ in 0..2 {
        stores.tokens.record_issue(&issue_of(&one, 0, 2)).await.unwrap();
    }
    let refused = issue_of(&one, 1, 2);
    assert!(is_limit(&stores.tokens.record_issue(&refused).await.unwrap_err()));
    assert!(!is_logged(stores, &refused.event).await);
    assert!(is_limit(&stores.tokens.record_issue(&issue_of(&other, 0, 0)).await.unwrap_err()));
    for issue in [issue_of(&other, 0, 1), issue_of(&one, 31 * DAY, 2), issue_of(&one, 1, 3)] {
        stores.tokens.record_issue(&issue).await.unwrap();
    }
}

pub async fn a_quota_holds_under_parallel_issues(stores: &Stores) {
    let (agent, credential) = client(stores).await;
    let issues: Vec<_> = (0..12).map(|_| Issue { used: Some(credential.id), ..issue_of(&agent, 0, 5) }).collect();
    let results = race(issues.iter().map(|issue| stores.tokens.record_issue(issue))).await;
    assert_eq!(winners(&results, is_limit), 5);
    for (issue, result) in issues.iter().zip(&results) {
        assert_eq!(is_logged(stores, &issue.event).await, result.is_ok());
    }
}

pub async fn revoking_again_keeps_the_first_record(stores: &Stores) {
    let (agent, credential) = client(stores).await;
    let events: Vec<_> = (0..6).map(event).collect();
    stores.tokens.revoke(&revocation("t", 100), &events[0]).await.unwrap();
    let later = revocation("t", 500);
    let again = race(events[1..].iter().map(|event| stores.tokens.revoke(&later, event))).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    for event in &events {
        assert!(is_logged(stores, event).await);
    }
    assert!(is_revoked(stores, &agent, &credential, &["t"]).await);
    assert_eq!(stores.tokens.purge(at(101)).await.unwrap(), 1, "the end of the first record counts");
}

pub async fn purging_removes_revocations_of_ended_tokens(stores: &Stores) {
    let (agent, credential) = client(stores).await;
    for (id, end) in [("a", 10), ("b", 20), ("c", 30)] {
        stores.tokens.revoke(&revocation(id, end), &event(0)).await.unwrap();
    }
    assert_eq!(stores.tokens.purge(at(30)).await.unwrap(), 2);
    assert_eq!(stores.tokens.purge(at(30)).await.unwrap(), 0);
    assert!(is_revoked(stores, &agent, &credential, &["c"]).await);
    assert!(!is_revoked(stores, &agent, &credential, &["a", "b"]).await);
}
