//! The audit log, and the counting of what may come in floods.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_adapters::table::TablePolicy;
use agentidp_core::domain::audit::{Action, AuditEvent, AuditFilter};
use agentidp_core::domain::ids::EventId;
use agentidp_core::domain::json::Json;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AuditLog, StoreError};
use agentidp_core::services::tally::{Kind, Tally};
use agentidp_core::services::tokens::Question;
use std::sync::Arc;
use std::time::Duration;
use support::{World, context, millis, page, seconds, text};

const DAY: u64 = 86_400;

fn event(world: &World, reason: &str) -> AuditEvent {
    world.ambient.event(Action::AuthFailed, &context()).failed(reason)
}

fn count(event: &AuditEvent) -> Option<i64> {
    match event.metadata.get("count") {
        Some(Json::Integer(count)) => Some(*count),
        _ => None,
    }
}

async fn keeping(days: Option<u64>) -> World {
    let policy = Arc::new(TablePolicy::builtin().unwrap());
    World::keeping(policy, days.map(|days| seconds(days * DAY))).await
}

fn away<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn the_first_is_written_at_once_and_the_rest_as_one() {
    let world = World::new().await;
    let note = async |reason: &str| {
        world.audit.write_counted(Kind::of([reason]), event(&world, reason)).await.unwrap();
    };
    note("bad_secret").await;
    assert_eq!(count(&world.only_news().await), None);
    for _ in 0..41 {
        world.clock.advance(millis(10));
        note("bad_secret").await;
    }
    let last = world.now();
    note("unknown_client").await;
    assert_eq!(world.only_news().await.reason.as_deref(), Some("unknown_client"), "another kind");
    world.audit.flush_counts(false).await.unwrap();
    assert_eq!(world.news().await, [], "the minute is not over");
    world.clock.advance(seconds(60));
    world.audit.flush_counts(false).await.unwrap();
    let summary = world.only_news().await;
    assert_eq!((count(&summary), summary.reason.as_deref()), (Some(41), Some("bad_secret")));
    assert_eq!(summary.timestamp, last);
    world.audit.flush_counts(true).await.unwrap();
    assert_eq!(world.news().await, [], "what came once needs no summary");
    note("bad_secret").await;
    assert_eq!(count(&world.only_news().await), None, "a new minute");
}

#[tokio::test]
async fn the_next_minute_writes_the_count_of_the_last() {
    let world = World::new().await;
    let note = async || world.audit.write_counted(Kind::of(["k"]), event(&world, "k")).await.unwrap();
    for _ in 0..3 {
        note().await;
    }
    world.news().await;
    world.clock.advance(seconds(60));
    note().await;
    let counts: Vec<_> = world.news().await.iter().map(count).collect();
    assert_eq!(counts, [Some(2), None]);
    note().await;
    world.audit.flush_counts(true).await.unwrap();
    assert_eq!(count(&world.only_news().await), Some(1), "at the end of the process nothing is held back");
}

/// Notes 12,000 kinds of an event; says how many events were to be written, and the counts that are due then.
fn flooded(tally: &Tally, event: &AuditEvent) -> (usize, Vec<AuditEvent>) {
    let mut spare = 0_u128;
    let mut id = || {
        spare += 1;
        EventId::new(uuid::Uuid::from_u128(spare))
    };
    let written = (0..12_000).map(|kind| tally.note(Kind::of([kind]), event.clone(), id()).len()).sum::<usize>();
    assert_eq!(tally.note(Kind::of([17]), event.clone(), id()), [], "those within stay apart");
    let due = tally.due(i64::MAX, &mut id);
    assert_eq!(tally.due(i64::MAX, &mut id), []);
    (written, due)
}

#[tokio::test]
async fn kinds_are_bounded_and_what_is_beyond_is_nobodys() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let anonymous = event(&world, "k");
    let known = event(&world, "k").about(client.agent.id, &client.agent.owner);
    for (event, room, beyond) in [(known, 10_000, 1_999), (anonymous, 1_000, 10_999)] {
        let (written, due) = flooded(&Tally::default(), &event);
        assert_eq!(written, room + 1, "those beyond are one kind");
        let mut counts: Vec<_> = due.iter().filter_map(count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, beyond]);
        let many = due.iter().find(|event| count(event) == Some(beyond)).unwrap();
        assert_eq!((many.agent_id, &many.owner, &many.actor, many.ip_address), (None, &None, &None, None));
        assert_eq!(many.reason.as_deref(), Some("too_many_kinds"));
    }
}

#[tokio::test]
async fn a_flood_from_nobody_leaves_room_for_the_rest() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let tally = Tally::default();
    let spare = EventId::new(uuid::Uuid::from_u128(1));
    for kind in 0..12_000 {
        tally.note(Kind::of([kind]), event(&world, "k"), spare);
    }
    let known = event(&world, "bad_secret").about(client.agent.id, &client.agent.owner);
    assert_eq!(tally.note(Kind::of(["known"]), known.clone(), spare), [known]);
}

#[tokio::test]
async fn failures_are_counted_by_reason_source_and_subject() {
    let world = World::new().await;
    let (one, other) = (world.client("team-a", &["data:read"]).await, world.client("team-a", &["data:read"]).await);
    let far = agentidp_core::domain::caller::RequestContext { source_ip: Some([198, 51, 100, 7].into()), ..context() };
    for _ in 0..3 {
        for (reason, agent, context) in [
            ("bad_secret", Some(&one.agent), &context()),
            ("bad_secret", Some(&other.agent), &context()),
            ("bad_secret", Some(&one.agent), &far),
            ("agent_suspended", Some(&one.agent), &context()),
            ("unknown_client", None, &context()),
        ] {
            world.access.note_failure(reason, agent, context).await.unwrap();
        }
    }
    assert_eq!(world.news().await.len(), 5);
    world.clock.advance(seconds(60));
    world.audit.flush_counts(false).await.unwrap();
    let summaries = world.news().await;
    assert_eq!(summaries.iter().filter_map(count).collect::<Vec<_>>(), [2; 5]);
    assert!(summaries.iter().any(|event| event.agent_id == Some(other.agent.id)));
}

#[tokio::test]
async fn introspections_are_counted_by_caller_and_subject() {
    let world = World::new().await;
    let own = world.client("team-a", &["tokens:read"]).await;
    let mate = world.client("team-a", &["data:read"]).await;
    let tokens = [world.token(&own, None).await, world.token(&mate, None).await, "no token".to_owned()];
    let by = world.allowed(&world.caller(&own, None).await, "introspectToken", None).await;
    for _ in 0..3 {
        for token in &tokens {
            world.tokens().introspect(&by, token, Question::default()).await.unwrap();
        }
    }
    let abouts: Vec<_> = world.news().await.iter().map(|event| event.agent_id.unwrap()).collect();
    assert_eq!(abouts, [own.agent.id, mate.agent.id, own.agent.id]);
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_not_there() {
    let world = keeping(Some(90)).await;
    let old = event(&world, "old");
    world.audit.write(old.clone()).await.unwrap();
    let find = async || world.audit.find(old.id, &Owners::All).await.unwrap();
    world.clock.advance(seconds(90 * DAY));
    assert_eq!(find().await, Some(old.clone()));
    world.clock.advance(millis(1));
    assert_eq!(find().await, None);
    let shown = world.audit.query(&Owners::All, &AuditFilter::default(), page()).await.unwrap();
    assert_eq!(shown.items, [], "nor is it listed");
    let reaching = AuditFilter { from: Some(Timestamp::from_unix_millis(0)), ..AuditFilter::default() };
    assert_eq!(world.audit.query(&Owners::All, &reaching, page()).await.unwrap().items, [], "whatever is asked for");
}

#[tokio::test]
async fn pruning_removes_and_says_so() {
    let world = keeping(Some(90)).await;
    for reason in ["one", "two"] {
        world.audit.write(event(&world, reason)).await.unwrap();
    }
    world.clock.advance(seconds(50 * DAY));
    let young = event(&world, "young");
    world.audit.write(young.clone()).await.unwrap();
    assert_eq!(world.audit.prune().await.unwrap(), 0);
    assert_eq!(world.news().await.len(), 3, "nothing to remove is nothing to tell");
    world.clock.advance(seconds(50 * DAY));
    assert_eq!(world.audit.prune().await.unwrap(), 2);
    let told = world.only_news().await;
    assert_eq!((told.action, told.agent_id, &told.actor), (Action::AuditPruned, None, &None));
    assert_eq!(text(&told, "before"), world.now().before(seconds(90 * DAY)).to_string());
    assert!(world.audit.find(young.id, &Owners::All).await.unwrap().is_some());
    let log: &dyn AuditLog = world.store.inner.as_ref();
    let left = log.query(&Owners::All, &AuditFilter::default(), None, page()).await.unwrap();
    assert_eq!(left.items, [told, young]);
}

#[tokio::test]
async fn without_a_retention_events_stay() {
    let world = keeping(None).await;
    let old = event(&world, "old");
    world.audit.write(old.clone()).await.unwrap();
    world.clock.advance(Duration::from_secs(100 * 365 * DAY));
    assert_eq!(world.audit.prune().await.unwrap(), 0);
    assert_eq!(world.audit.find(old.id, &Owners::All).await.unwrap(), Some(old));
}

#[tokio::test]
async fn events_belong_to_the_owner_of_then() {
    let world = World::new().await;
    let agent = world.agent("team-a", &["data:read"]).await;
    let owned = event(&world, "x").about(agent.id, &agent.owner);
    let nobodys = event(&world, "y");
    world.audit.write(owned.clone()).await.unwrap();
    world.audit.write(nobodys.clone()).await.unwrap();
    let only = |owner: &str| Owners::Only(vec![owner.parse().unwrap()]);
    for (owners, mine, theirs) in
        [(only("team-a"), true, false), (only("team-b"), false, false), (Owners::All, true, true)]
    {
        assert_eq!(world.audit.find(owned.id, &owners).await.unwrap().is_some(), mine);
        assert_eq!(world.audit.find(nobodys.id, &owners).await.unwrap().is_some(), theirs);
    }
}

#[tokio::test]
async fn a_log_that_is_away_is_no_empty_log() {
    let world = keeping(Some(1)).await;
    let known = event(&world, "known");
    world.audit.write(known.clone()).await.unwrap();
    world.audit.write_counted(Kind::of(["k"]), event(&world, "k")).await.unwrap();
    world.audit.write_counted(Kind::of(["k"]), event(&world, "k")).await.unwrap();
    world.news().await;
    world.store.break_after(0);
    assert!(away(&world.audit.find(known.id, &Owners::All).await));
    assert!(away(&world.audit.query(&Owners::All, &AuditFilter::default(), page()).await));
    assert!(away(&world.audit.write(event(&world, "lost")).await));
    assert!(away(&world.audit.prune().await));
    assert!(away(&world.audit.write_counted(Kind::of(["other"]), event(&world, "other")).await));
    assert!(away(&world.audit.flush_counts(true).await));
    world.store.heal();
    assert_eq!(world.news().await, []);
    world.audit.flush_counts(true).await.unwrap();
    let summary = world.only_news().await;
    assert_eq!((count(&summary), summary.reason.as_deref()), (Some(1), Some("k")), "counts outlive a failed write");
    world.audit.write_counted(Kind::of(["other"]), event(&world, "other")).await.unwrap();
    assert_eq!(count(&world.only_news().await), None, "what could not be written first is first again");
}
