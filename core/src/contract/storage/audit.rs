//! Cases of `AuditLog`. That the database refuses to change events is a test of the adapter: no port can try it.

use super::make::{DAY, at, event, is_logged, owners, page, read_on};
use super::{Stores, race};
use crate::domain::audit::{Action, Actor, AuditEvent, AuditFilter, Outcome};
use crate::domain::caller::TokenType;
use crate::domain::ids::{AgentId, CredentialId, EventId, TokenId};
use crate::domain::json::Json;
use crate::domain::page::Cursor;
use crate::ports::policy::Owners;
use uuid::Uuid;

fn agent_id(number: u128) -> AgentId {
    AgentId::new(Uuid::from_u128(number))
}

async fn ids(stores: &Stores, owners: &Owners, filter: &AuditFilter) -> Vec<EventId> {
    let events = stores.audit.query(owners, filter, None, page(100, None)).await.unwrap();
    events.items.iter().map(|event| event.id).collect()
}

pub async fn an_event_reads_back_as_it_was(stores: &Stores) {
    let actor = Actor {
        agent_id: agent_id(1),
        token_type: TokenType::Biscuit,
        credential_id: Some(CredentialId::new(Uuid::from_u128(2))),
        token_id: Some(TokenId::new(Uuid::from_u128(3))),
    };
    let metadata = Json::object([
        ("z", Json::List(vec![Json::Null, Json::Bool(true), Json::Integer(i64::MAX)])),
        ("a", Json::text("\u{0}\\u0000 ' \" \n ü 🦀")),
        ("", Json::object([("b", Json::Integer(-1)), ("B", Json::List(vec![]))])),
    ]);
    let full = AuditEvent {
        agent_id: Some(agent_id(4)),
        actor: Some(actor.clone()),
        reason: Some("bad_secret".to_owned()),
        ip_address: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("curl/8 ü".to_owned()),
        request_id: Some("r-1".to_owned()),
        policy_hash: Some("ab".repeat(32)),
        metadata,
        ..event(1)
    };
    let client = Actor { token_type: TokenType::Client, credential_id: None, token_id: None, ..actor };
    let events = [full, AuditEvent { actor: Some(client), owner: None, ..event(2) }, event(3)];
    stores.audit.append(&events).await.unwrap();
    for event in events {
        assert_eq!(stores.audit.find(event.id, &Owners::All, None).await.unwrap(), Some(event));
    }
    let words = Action::ALL.iter().zip(Outcome::ALL.iter().cycle());
    let events: Vec<_> =
        words.map(|(action, outcome)| AuditEvent { action: *action, outcome: *outcome, ..event(4) }).collect();
    stores.audit.append(&events).await.unwrap();
    for event in events {
        assert_eq!(stores.audit.find(event.id, &Owners::All, None).await.unwrap(), Some(event));
    }
}

pub async fn events_are_appended_all_or_none(stores: &Stores) {
    stores.audit.append(&[]).await.unwrap();
    let mut many: Vec<_> = (0..2_500).map(event).collect();
    many.push(many[0].clone());
    assert!(stores.audit.append(&many).await.is_err(), "an event twice");
    assert!(!is_logged(stores, &many[0]).await && !is_logged(stores, &many[1_500]).await);
    many.pop();
    stores.audit.append(&many).await.unwrap();
    for event in [&many[0], &many[1_500], &many[2_499]] {
        assert!(is_logged(stores, event).await);
    }
}

pub async fn events_are_listed_newest_first_and_ties_by_id(stores: &Stores) {
    let events = [7, 0, 7, 7].map(event);
    stores.audit.append(&events).await.unwrap();
    let expected = [&events[3], &events[2], &events[0], &events[1]].map(|event| event.id);
    assert_eq!(ids(stores, &Owners::All, &AuditFilter::default()).await, expected);
    let first = stores.audit.query(&Owners::All, &AuditFilter::default(), None, page(2, None)).await.unwrap();
    assert_eq!(first.next, Some(Cursor { at: at(7), id: events[2].id.uuid() }));
}

pub async fn event_pages_are_stable_under_appends(stores: &Stores) {
    let events: Vec<_> = (0..9).map(|number| event(number / 4)).collect();
    race(events.iter().map(|event| stores.audit.append(std::slice::from_ref(event)))).await;
    let (filter, owners) = (&AuditFilter::default(), &owners(&["team-a", "team-b"]));
    let read = read_on(|page| async move { stores.audit.query(owners, filter, None, page).await.unwrap() }, async {
        stores.audit.append(&[event(2), event(3)]).await.unwrap()
    })
    .await;
    let mut expected = events.clone();
    expected.sort_by_key(|event| std::cmp::Reverse((event.timestamp, event.id)));
    assert_eq!(read, expected);
}

pub async fn events_show_only_to_their_owners(stores: &Stores) {
    let of =
        |owner: Option<&str>, millis| AuditEvent { owner: owner.map(|name| name.parse().unwrap()), ..event(millis) };
    let events = [of(Some("a"), 3), of(Some("b"), 2), of(None, 1), of(Some("A"), 0)];
    stores.audit.append(&events).await.unwrap();
    for (who, seen) in [
        (Owners::All, vec![0, 1, 2, 3]),
        (owners(&["a"]), vec![0]),
        (owners(&["b", "a"]), vec![0, 1]),
        (owners(&["c"]), vec![]),
        (owners(&[]), vec![]),
    ] {
        let expected: Vec<_> = seen.iter().map(|index: &usize| events[*index].id).collect();
        assert_eq!(ids(stores, &who, &AuditFilter::default()).await, expected, "{who:?}");
        for (index, event) in events.iter().enumerate() {
            let found = stores.audit.find(event.id, &who, None).await.unwrap().is_some();
            assert_eq!(found, seen.contains(&index), "{who:?}");
        }
    }
}

pub async fn each_event_filter_narrows(stores: &Stores) {
    let events = [
        AuditEvent { agent_id: Some(agent_id(1)), ..event(0) },
        AuditEvent { action: Action::KeyRotated, ..event(1) },
        AuditEvent { outcome: Outcome::Failure, ..event(2) },
        AuditEvent { agent_id: Some(agent_id(1)), owner: Some("team-b".parse().unwrap()), ..event(3) },
    ];
    stores.audit.append(&events).await.unwrap();
    let all = AuditFilter::default();
    let by_agent = AuditFilter { agent_id: Some(agent_id(1)), ..all.clone() };
    for (filter, expected) in [
        (by_agent.clone(), vec![0]),
        (AuditFilter { action: Some(Action::KeyRotated), ..all.clone() }, vec![1]),
        (AuditFilter { action: Some(Action::TokenIssued), ..all.clone() }, vec![2, 0]),
        (AuditFilter { outcome: Some(Outcome::Failure), ..all.clone() }, vec![2]),
        (AuditFilter { outcome: Some(Outcome::Success), ..all.clone() }, vec![1, 0]),
        (AuditFilter { from: Some(at(1)), to: Some(at(2)), ..all.clone() }, vec![1]),
        (AuditFilter { from: Some(at(2)), to: Some(at(1)), ..all.clone() }, vec![]),
        (AuditFilter { action: Some(Action::KeyRotated), ..by_agent.clone() }, vec![]),
        (
            AuditFilter { outcome: Some(Outcome::Success), action: Some(Action::TokenIssued), ..by_agent.clone() },
            vec![0],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|index: usize| events[index].id).collect();
        assert_eq!(ids(stores, &owners(&["team-a"]), &filter).await, expected, "{filter:?}");
    }
    assert_eq!(ids(stores, &Owners::All, &by_agent).await, [events[3].id, events[0].id]);
}

pub async fn older_events_than_asked_for_are_hidden(stores: &Stores) {
    let events = [0, 1, 2].map(event);
    stores.audit.append(&events).await.unwrap();
    let from = AuditFilter { from: Some(at(0)), ..Default::default() };
    let shown = stores.audit.query(&Owners::All, &from, Some(at(1)), page(9, None)).await.unwrap();
    assert_eq!(shown.items.iter().map(|event| event.id).collect::<Vec<_>>(), [events[2].id, events[1].id]);
    for (event, visible) in events.iter().zip([false, true, true]) {
        assert_eq!(stores.audit.find(event.id, &Owners::All, Some(at(1))).await.unwrap().is_some(), visible);
    }
}

pub async fn pruning_removes_what_is_older_and_says_so(stores: &Stores) {
    let events = [0, 10, 20].map(event);
    stores.audit.append(&events).await.unwrap();
    let pruned = |millis| AuditEvent { action: Action::AuditPruned, ..event(millis) };
    let idle = pruned(DAY);
    assert_eq!(stores.audit.prune(at(0), &idle).await.unwrap(), 0);
    assert!(!is_logged(stores, &idle).await, "nothing was removed");
    let busy = pruned(2 * DAY);
    assert_eq!(stores.audit.prune(at(20), &busy).await.unwrap(), 2);
    assert_eq!(ids(stores, &Owners::All, &AuditFilter::default()).await, [busy.id, events[2].id]);
    let parallel = [pruned(3 * DAY), pruned(3 * DAY), pruned(3 * DAY)];
    let removed = race(parallel.iter().map(|event| stores.audit.prune(at(21), event))).await;
    assert_eq!(removed.into_iter().map(Result::unwrap).sum::<u64>(), 1);
    let mut told = 0;
    for event in &parallel {
        told += u32::from(is_logged(stores, event).await);
    }
    assert_eq!(told, 1, "one of them removed something");
}

pub async fn pruning_goes_on_to_the_end(stores: &Stores) {
    let many: Vec<_> = (0..2_100).map(event).collect();
    stores.audit.append(&many).await.unwrap();
    let pruned = AuditEvent { action: Action::AuditPruned, ..event(3 * DAY) };
    assert_eq!(stores.audit.prune(at(2_000), &pruned).await.unwrap(), 2_000);
    assert!(!is_logged(stores, &many[1_999]).await && is_logged(stores, &many[2_000]).await);
    let log = ids(stores, &Owners::All, &AuditFilter { from: Some(at(DAY)), ..Default::default() }).await;
    assert_eq!(log, [pruned.id], "one record of one pruning");
}
