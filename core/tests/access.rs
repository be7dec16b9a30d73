//! Bearer tokens become callers, requests become decisions.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_adapters::rego::{PolicySource, RegoPolicy};
use agentidp_core::domain::agent::AgentChange;
use agentidp_core::domain::audit::{Action, Outcome};
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::credential::Rotation;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::{CapabilitySet, ScopeSet};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::policy::{PolicyInput, PolicyRequest, Refusal, Subject};
use agentidp_core::ports::tokens::TokenSigner;
use agentidp_core::services::access::{AccessError, AccessRequest, AuthenticationError, Target};
use agentidp_core::services::tokens::TokenRequest;
use std::sync::Arc;
use support::doubles::{Says, refused};
use support::services::{is_by, is_of};
use support::{Client, World, ask, context, millis, seconds, text};

async fn scene() -> (World, Client) {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read", "agents:read"]).await;
    (world, client)
}

/// Fails unless the token is refused, for this reason, by an event about the agent or nobody.
async fn rejected(world: &World, token: &str, reason: &str, about: Option<&Client>) {
    world.news().await;
    let result = world.bearer(token).await;
    assert!(matches!(result, Err(AuthenticationError::InvalidToken)), "{result:?}");
    let event = world.only_news().await;
    assert_eq!((event.action, event.outcome), (Action::AuthFailed, Outcome::Failure));
    assert_eq!((event.reason.as_deref(), &event.actor), (Some(reason), &None));
    assert_eq!(event.agent_id, about.map(|client| client.agent.id));
    assert_eq!(event.owner, about.map(|client| client.agent.owner.clone()));
    assert!(!format!("{event:?}").contains(token));
}

#[tokio::test]
async fn a_token_becomes_a_caller_with_the_row_of_now() {
    let (world, client) = scene().await;
    let token = world.token(&client, Some("data:read")).await;
    world.news().await;
    let by = world.allowed(&world.admin().await, "updateAgent", Some(client.agent.id)).await;
    let change = AgentChange { version: Some("7.0.0".parse().unwrap()), ..AgentChange::default() };
    let agent = world.agents().update(&by, change, None).await.unwrap();
    world.news().await;
    let caller = world.bearer(&token).await.unwrap();
    assert_eq!((caller.agent, caller.credential_id), (agent, client.credential.id));
    assert_eq!((caller.scopes.to_string().as_str(), caller.token_type), ("data:read", TokenType::Jwt));
    assert_eq!(caller.claims, Some(world.claims(&token)));
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn what_is_no_live_token_is_refused_and_recorded() {
    let (world, client) = scene().await;
    rejected(&world, "no token", "invalid_token", None).await;
    let token = world.token(&client, None).await;
    let (caller, _) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    let by = world.allowed(&caller, "revokeToken", None).await;
    world.tokens().revoke(&by, &token).await.unwrap();
    rejected(&world, &token, "dead_token", Some(&client)).await;
    let request = TokenRequest { scopes: None, resources: vec!["https://data.example".to_owned()] };
    let elsewhere = world.issued(&world.tokens(), &client, request).await.unwrap().text.0;
    rejected(&world, &elsewhere, "wrong_audience", Some(&client)).await;
    let other = world.client("team-b", &["data:read"]).await;
    let good = world.claims(&world.token(&other, None).await);
    // Signed by a key of ours, for what is not in the database.
    let stray = world.ring.sign(&Claims { credential: client.credential.id, ..good }).unwrap().0;
    world.clock.advance(seconds(60));
    rejected(&world, &stray, "invalid_token", None).await;
}

#[tokio::test]
async fn a_token_begins_with_a_leeway_and_ends_without() {
    let (world, client) = scene().await;
    let token = world.token(&client, None).await;
    let claims = world.claims(&token);
    for (at, lives) in [
        (claims.not_before.before(millis(5_001)), false),
        (claims.not_before.before(millis(5_000)), true),
        (claims.not_before, true),
        (claims.expires_at.before(millis(1)), true),
        (claims.expires_at, false),
        (claims.expires_at.after(millis(1)), false),
    ] {
        world.clock.set(at);
        assert_eq!(world.lives(&token).await, lives, "{at}");
    }
}

#[tokio::test]
async fn a_token_dies_with_its_credential() {
    let (world, client) = scene().await;
    let end = Timestamp::from_unix_millis(world.now().unix_seconds() * 1000 + 90_000);
    let short = world.credential(&client.agent, Some(end)).await;
    let claims = world.claims(&world.token(&short, None).await);
    // One that claims to live longer than the credential.
    let long = world.ring.sign(&Claims { expires_at: end.after(seconds(900)), ..claims }).unwrap().0;
    world.clock.set(end.before(millis(1)));
    assert!(world.lives(&long).await);
    world.clock.set(end);
    assert!(!world.lives(&long).await);
}

#[tokio::test]
async fn generations_of_agent_and_credential_add_up() {
    let (world, client) = scene().await;
    let admin = world.admin().await;
    let lose = async |capabilities: &[&str]| {
        let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
        let capabilities = Some(CapabilitySet::parse(capabilities).unwrap());
        world.agents().update(&by, AgentChange { capabilities, ..AgentChange::default() }, None).await.unwrap();
    };
    let leak = async || {
        let by = world.allowed(&admin, "rotateCredential", Some(client.agent.id)).await;
        let rotation = Rotation { void_tokens: true, grace: seconds(3600), ..Rotation::default() };
        world.credentials().rotate(&by, client.credential.id, rotation, None).await.unwrap();
    };
    let mut tokens = vec![world.token(&client, None).await];
    lose(&["data:read"]).await;
    tokens.push(world.token(&client, None).await);
    leak().await;
    tokens.push(world.token(&client, None).await);
    leak().await;
    tokens.push(world.token(&client, None).await);
    lose(&["data:*"]).await;
    let generations: Vec<_> = tokens.iter().map(|token| world.claims(token).generation).collect();
    assert_eq!(generations, [0, 1, 2, 3]);
    let mut alive = Vec::new();
    for token in &tokens {
        alive.push(world.lives(token).await);
    }
    assert_eq!(alive, [false, false, false, true], "a wider right voids nothing");
}

#[tokio::test]
async fn nothing_known_is_no_refusal() {
    let (world, client) = scene().await;
    let token = world.token(&client, None).await;
    let away = |error: &AuthenticationError| matches!(error, AuthenticationError::Unavailable(_));
    world.breaks_cleanly(async || world.bearer(&token).await, away).await;
    world.store.break_after(0);
    assert!(matches!(world.bearer("no token").await, Err(AuthenticationError::Unavailable(_))), "nor without a record");
}

#[tokio::test]
async fn an_allowed_request_carries_all_that_the_decision_was_made_from() {
    let world = World::under(Arc::new(RegoPolicy::new(PolicySource::builtin()).unwrap())).await;
    let client = world.client("team-a", &["data:read"]).await;
    let admin = world.admin().await;
    let body = PolicyRequest { owner: Some("team-a".to_owned()), ..PolicyRequest::default() };
    let request = AccessRequest { body: body.clone(), ..ask("updateAgent", Some(client.agent.id)) };
    let by = world.access.authorize(admin.clone(), &request, &context()).await.unwrap();
    assert_eq!((&by.resource, &by.context), (&Some(client.agent.clone()), &context()));
    assert_eq!((by.decision.rule.as_deref(), by.decision.allow), (Some("admin_all"), true));
    assert_eq!(by.policy_hash, world.access.policy.hash());
    let expected = PolicyInput {
        agent_id: Some(client.agent.id),
        source_ip: context().source_ip,
        resource: Some(Subject::from(&client.agent)),
        request: body,
        ..PolicyInput::of(&admin, "updateAgent", "POST", "/api/v1/agents/{agentId}", world.now())
    };
    assert_eq!(by.input, expected);
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn a_denial_is_recorded_with_its_rule_and_its_input() {
    let (world, client) = scene().await;
    let caller = world.caller(&client, None).await;
    let mate = world.agent("team-a", &["data:read"]).await;
    let denied = world.access.authorize(caller.clone(), &ask("updateAgent", Some(mate.id)), &context()).await;
    let Err(AccessError::Denied(denial)) = denied else { panic!("{denied:?}") };
    assert_eq!((denial.refusal, denial.missing), (Refusal::Forbidden, vec!["agents:write".parse().unwrap()]));
    let event = world.only_news().await;
    is_by(&event, &caller);
    assert_eq!((event.action, event.outcome), (Action::AuthzDenied, Outcome::Failure));
    assert_eq!((event.agent_id, event.owner.as_ref()), (Some(client.agent.id), Some(&client.agent.owner)));
    assert_eq!(event.policy_hash, Some(world.access.policy.hash()));
    assert_eq!(event.reason.as_deref(), Some("missing_scope"));
    assert_eq!((text(&event, "operation"), text(&event, "target")), ("updateAgent", &*mate.id.to_string()));
    let decision = event.metadata.get("decision").unwrap();
    assert_eq!(
        (decision.get("rule"), decision.get("reason")),
        (Some(&Json::text("missing_scope")), Some(&Json::text(&denial.reason)))
    );
    let input = event.metadata.get("input").unwrap();
    assert_eq!(input.get("resource").and_then(|agent| agent.get("owner")), Some(&Json::text("team-a")));
    assert_eq!(input.get("scopes"), Some(&Json::texts(["agents:read", "data:read"])));
}

#[tokio::test]
async fn another_owners_agent_and_an_unknown_one_leave_the_same_trace() {
    let (world, client) = scene().await;
    let caller = world.caller(&client, None).await;
    let foreign = world.agent("team-b", &["data:read"]).await;
    let mut traces = Vec::new();
    for id in [foreign.id, AgentId::new(uuid::Uuid::from_u128(77))] {
        let denied = world.access.authorize(caller.clone(), &ask("getAgent", Some(id)), &context()).await;
        let Err(AccessError::Denied(denial)) = denied else { panic!("{denied:?}") };
        assert_eq!(denial.refusal, Refusal::NotFound);
        let event = world.only_news().await;
        assert_eq!(event.agent_id, Some(client.agent.id));
        assert_eq!(text(&event, "target"), id.to_string());
        assert_eq!(event.metadata.get("input").unwrap().get("resource"), Some(&Json::Null));
        traces.push(format!("{:?}{:?}{denial:?}", event.reason, event.metadata).replace(&id.to_string(), "ID"));
    }
    assert_eq!(traces[0], traces[1]);
}

#[tokio::test]
async fn what_is_no_id_is_like_an_id_that_nobody_has() {
    let (world, client) = scene().await;
    let caller = world.caller(&client, None).await;
    let target = Some(Target { text: "x".repeat(500), id: None });
    let request = AccessRequest { target, ..ask("getAgent", Some(client.agent.id)) };
    let denied = world.access.authorize(caller, &request, &context()).await;
    assert!(matches!(denied, Err(AccessError::Denied(denial)) if denial.refusal == Refusal::NotFound));
    assert_eq!(text(&world.only_news().await, "target"), "x".repeat(64), "no longer than an id may be");
}

#[tokio::test]
async fn a_policy_without_a_decision_refuses_and_says_so() {
    let world = World::under(Says::nothing()).await;
    let client = world.client("team-a", &["data:read"]).await;
    let (caller, _) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    let result = world.access.authorize(caller.clone(), &ask("listAgents", None), &context()).await;
    assert!(matches!(result, Err(AccessError::Undecided(_))), "{result:?}");
    let event = world.only_news().await;
    is_by(&event, &caller);
    assert_eq!(event.reason.as_deref(), Some("policy_error"));
    assert_eq!(event.policy_hash, Some("5a".repeat(32)));
}

#[tokio::test]
async fn no_refusal_without_its_record() {
    for policy in [Says::always(refused(Refusal::Forbidden)), Says::nothing()] {
        let world = World::under(policy).await;
        let client = world.client("team-a", &["data:read"]).await;
        let other = world.client("team-a", &["data:read"]).await;
        let (caller, _) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
        let request = ask("getAgent", Some(other.agent.id));
        for good in 0..2 {
            world.store.break_after(good);
            let result = world.access.authorize(caller.clone(), &request, &context()).await;
            assert!(matches!(result, Err(AccessError::Unavailable(_))), "after {good} calls: {result:?}");
        }
        world.store.heal();
        assert_eq!(world.news().await, []);
    }
}

#[tokio::test]
async fn who_acts_on_itself_is_read_once() {
    let (world, client) = scene().await;
    let caller = world.caller(&client, None).await;
    world.store.break_after(0);
    let own = world.access.authorize(caller.clone(), &ask("getAgent", Some(client.agent.id)), &context()).await;
    assert_eq!(own.unwrap().resource, Some(caller.agent));
}

#[tokio::test]
async fn a_thing_not_found_behind_the_policy_is_recorded_like_one_in_front() {
    let (world, client) = scene().await;
    let by = world.allowed(&world.admin().await, "rotateCredential", Some(client.agent.id)).await;
    world.breaks_cleanly(async || world.access.record_not_found(&by, "some-id").await, |_| true).await;
    let mut event = world.only_news().await;
    assert_eq!((event.outcome, event.reason.as_deref()), (Outcome::Failure, Some("not_found")));
    assert_eq!((event.agent_id, event.owner.as_ref()), (Some(by.caller.agent.id), Some(&by.caller.agent.owner)));
    assert_eq!((text(&event, "operation"), text(&event, "target")), ("rotateCredential", "some-id"));
    let input = PolicyInput { resource: None, ..by.input.clone() };
    assert_eq!(event.metadata.get("input"), Some(&input.to_json()));
    (event.outcome, event.reason) = (Outcome::Success, None);
    is_of(&event, &by, Action::AuthzDenied);
}

#[tokio::test]
async fn a_token_holds_no_more_than_it_was_given() {
    let (world, client) = scene().await;
    let narrow = world.caller(&client, Some("data:read")).await;
    assert_eq!(narrow.scopes, ScopeSet::parse("data:read").unwrap());
    let denied = world.access.authorize(narrow, &ask("listAgents", None), &context()).await;
    assert!(matches!(denied, Err(AccessError::Denied(_))), "the capability alone opens nothing: {denied:?}");
}
