//! The use-cases of tokens: issue, introspect, revoke.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::audit::{Action, Outcome};
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::ScopeSet;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::{Decision, Owners, Refusal};
use agentidp_core::ports::storage::StoreError;
use agentidp_core::services::access::AccessError;
use agentidp_core::services::tokens::{IntrospectError, IssueError, Question, RevokeError, TokenRequest, TokenService};
use std::sync::Arc;
use support::doubles::{NoKey, Says, allowed, refused};
use support::services::is_by;
use support::{Client, ISSUER, World, millis, seconds, text};

const DATA: &str = "https://data.example";
const MAIL: &str = "https://mail.example";

fn scoped(scopes: &str) -> TokenRequest {
    TokenRequest { scopes: Some(ScopeSet::parse(scopes).unwrap()), resources: vec![] }
}

fn aimed(resources: &[&str]) -> TokenRequest {
    TokenRequest { scopes: None, resources: resources.iter().map(ToString::to_string).collect() }
}

async fn scene() -> (World, Client) {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read", "data:write", "tokens:read"]).await;
    (world, client)
}

#[tokio::test]
async fn a_token_says_who_for_whom_and_how_long() {
    let (world, client) = scene().await;
    let issued = world.issued(&world.tokens(), &client, TokenRequest::default()).await.unwrap();
    let claims = world.claims(&issued.text.0);
    let second = Timestamp::from_unix_seconds(world.now().unix_seconds());
    assert_eq!((claims.issuer.as_str(), claims.subject), (ISSUER, client.agent.id));
    assert_eq!((claims.issued_at, claims.not_before), (second, second));
    assert_eq!((claims.expires_at, issued.expires_in), (second.after(seconds(3600)), seconds(3600)));
    assert_eq!((&claims.owner, claims.credential), (&client.agent.owner, client.credential.id));
    assert_eq!((claims.generation, claims.audience), (0, vec![ISSUER.to_owned()]));
    assert_eq!(issued.scopes, claims.scopes);
    let event = world.only_news().await;
    let (caller, _) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    is_by(&event, &caller);
    assert_eq!((event.action, event.outcome), (Action::TokenIssued, Outcome::Success));
    assert_eq!((event.agent_id, &event.owner), (Some(client.agent.id), &Some(client.agent.owner.clone())));
    assert_eq!(event.policy_hash, Some(world.access.policy.hash()));
    assert_eq!(text(&event, "tokenId"), claims.id.to_string());
    assert_eq!(text(&event, "scope"), claims.scopes.to_string());
    assert_eq!(text(&event, "expiresAt"), claims.expires_at.to_string());
    assert_eq!(event.metadata.get("audience"), Some(&Json::texts([ISSUER])));
    assert!(!format!("{event:?}{issued:?}").contains(&issued.text.0));
}

#[tokio::test]
async fn scopes_are_given_whole_or_not_at_all() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read", "mail:*", "agents:*"]).await;
    let tokens = world.tokens();
    for (asked, given) in [
        (TokenRequest::default(), "agents:read agents:write data:read"),
        (scoped("data:read"), "data:read"),
        (scoped("mail:send data:read"), "data:read mail:send"),
        (scoped("agents:purge"), "agents:purge"),
    ] {
        let issued = world.issued(&tokens, &client, asked).await.unwrap();
        assert_eq!(issued.scopes.to_string(), given);
        assert_eq!(world.claims(&issued.text.0).scopes, issued.scopes);
    }
    world.news().await;
    for asked in ["data:write", "data:read data:write", "admin:all", "tokens:read"] {
        let result = world.issued(&tokens, &client, scoped(asked)).await;
        assert!(matches!(result, Err(IssueError::InvalidScope)), "{asked}: {result:?}");
        let event = world.only_news().await;
        assert_eq!((event.action, event.reason.as_deref()), (Action::AuthzDenied, Some("scope_withheld")));
        assert_eq!((event.agent_id, text(&event, "scope")), (Some(client.agent.id), asked));
    }
    let bare = world.client("team-a", &["mail:*"]).await;
    let result = world.issued(&tokens, &bare, TokenRequest::default()).await;
    assert!(matches!(result, Err(IssueError::InvalidScope)), "nothing to give: {result:?}");
    assert_eq!(world.only_news().await.reason.as_deref(), Some("scope_withheld"));
}

#[tokio::test]
async fn a_policy_may_withhold_what_was_not_named() {
    let granted = Some(ScopeSet::parse("data:read other:thing").unwrap());
    let world = World::under(Says::always(Decision { scopes: granted, ..allowed() })).await;
    let client = world.client("team-a", &["data:read", "data:write"]).await;
    let issued = world.issued(&world.tokens(), &client, TokenRequest::default()).await.unwrap();
    assert_eq!(issued.scopes.to_string(), "data:read", "what was not asked for is not added");
    assert_eq!(world.only_news().await.policy_hash.unwrap(), "5a".repeat(32));
    let result = world.issued(&world.tokens(), &client, scoped("data:read data:write")).await;
    assert!(matches!(result, Err(IssueError::InvalidScope)), "{result:?}");
    let result = world.issued(&world.tokens(), &client, scoped("data:write")).await;
    assert!(matches!(result, Err(IssueError::InvalidScope)), "{result:?}");
}

#[tokio::test]
async fn the_audience_is_the_issuer_or_others_never_both() {
    let (world, client) = scene().await;
    for (resources, audience) in [
        (&[] as &[&str], &[ISSUER] as &[&str]),
        (&[ISSUER], &[ISSUER]),
        (&[ISSUER, ISSUER], &[ISSUER]),
        (&[DATA], &[DATA]),
        (&[DATA, MAIL, DATA], &[DATA, MAIL]),
    ] {
        let issued = world.issued(&world.tokens(), &client, aimed(resources)).await.unwrap();
        assert_eq!(world.claims(&issued.text.0).audience, audience);
    }
    world.news().await;
    for resources in [[ISSUER, DATA], [DATA, ISSUER]] {
        let result = world.issued(&world.tokens(), &client, aimed(&resources)).await;
        assert!(matches!(result, Err(IssueError::InvalidTarget)), "{result:?}");
    }
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn no_token_outlives_its_credential() {
    let (world, client) = scene().await;
    let start = world.now();
    let end = start.after(millis(90_500));
    let short = world.credential(&client.agent, Some(end)).await;
    let issued = world.issued(&world.tokens(), &short, TokenRequest::default()).await.unwrap();
    let claims = world.claims(&issued.text.0);
    assert_eq!(claims.expires_at, Timestamp::from_unix_seconds(end.unix_seconds()));
    assert_eq!(issued.expires_in, claims.expires_at.since(claims.issued_at));
    let (caller, credential) = world.login(&short.agent.id.to_string(), &short.secret).await.unwrap();
    world.clock.set(Timestamp::from_unix_seconds(end.unix_seconds()));
    world.news().await;
    let (request, context) = (support::ask("issueToken", None), support::context());
    let late = world.tokens().issue(caller, &credential, TokenRequest::default(), &request, &context).await;
    assert!(matches!(late, Err(IssueError::CredentialExpired)), "within the last second: {late:?}");
    let event = world.only_news().await;
    assert_eq!((event.action, event.reason.as_deref()), (Action::AuthFailed, Some("credential_expired")));
    assert_eq!(event.agent_id, Some(client.agent.id));
}

#[tokio::test]
async fn the_quota_is_of_a_client_and_a_calendar_month() {
    let (world, client) = scene().await;
    let other = world.client("team-a", &["data:read"]).await;
    let tokens = TokenService { monthly_quota: Some(2), ..world.tokens() };
    let end: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let issue = async |client: &Client| world.issued(&tokens, client, TokenRequest::default()).await;
    issue(&client).await.unwrap();
    world.clock.set(end.before(millis(1)));
    issue(&client).await.unwrap();
    world.news().await;
    let result = issue(&client).await;
    assert!(matches!(result, Err(IssueError::QuotaExceeded)), "{result:?}");
    assert_eq!(world.news().await, [], "nothing is recorded of a token that was not given");
    issue(&other).await.expect("each client has its own");
    world.clock.set(end);
    issue(&client).await.expect("a new month");
    issue(&client).await.unwrap();
    issue(&client).await.expect_err("used up again");
}

#[tokio::test]
async fn the_last_use_is_exact_to_a_minute() {
    let (world, client) = scene().await;
    let start = world.now();
    for (after, last_use) in [(0, start), (59_999, start), (60_000, start.after(seconds(60)))] {
        world.clock.set(start.after(millis(after)));
        world.token(&client, None).await;
        assert_eq!(world.recall(&client.credential).await.last_used_at, Some(last_use), "{after} ms later");
    }
    assert_eq!(world.recall(&client.credential).await.revision, 0, "use is no change");
}

#[tokio::test]
async fn what_stands_against_a_token_is_named() {
    for (policy, known) in [(Says::always(refused(Refusal::Forbidden)), "denied"), (Says::nothing(), "undecided")] {
        let world = World::under(policy).await;
        let client = world.client("team-a", &["data:read"]).await;
        let error = world.issued(&world.tokens(), &client, TokenRequest::default()).await.unwrap_err();
        let name = match &error {
            IssueError::Access(AccessError::Denied(denial)) if denial.reason == "The test says so." => "denied",
            IssueError::Access(AccessError::Undecided(_)) => "undecided",
            _ => "something else",
        };
        assert_eq!(name, known, "{error:?}");
        let event = world.only_news().await;
        assert_eq!((event.action, event.agent_id), (Action::AuthzDenied, Some(client.agent.id)));
        let reason = if known == "denied" { "test_rule" } else { "policy_error" };
        assert_eq!((event.reason.as_deref(), text(&event, "operation")), (Some(reason), "issueToken"));
    }
    let (world, client) = scene().await;
    let keyless = TokenService { signer: Arc::new(NoKey), ..world.tokens() };
    let result = world.issued(&keyless, &client, TokenRequest::default()).await;
    assert!(matches!(result, Err(IssueError::Sign(_))), "{result:?}");
    assert_eq!(world.news().await, []);
    assert_eq!(world.recall(&client.credential).await.last_used_at, None);
}

#[tokio::test]
async fn no_token_without_its_record() {
    let (world, client) = scene().await;
    let (caller, credential) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    let issue = async || {
        let (request, context) = (support::ask("issueToken", None), support::context());
        world.tokens().issue(caller.clone(), &credential, TokenRequest::default(), &request, &context).await
    };
    world.breaks_cleanly(issue, |error| matches!(error, IssueError::Unavailable(StoreError::Unavailable(_)))).await;
}

#[tokio::test]
async fn introspection_reaches_as_far_as_the_decision() {
    let (world, own) = scene().await;
    let (mate, stranger) = (world.client("team-a", &["data:read"]).await, world.client("team-b", &["x:y"]).await);
    let (caller, _) = world.login(&own.agent.id.to_string(), &own.secret).await.unwrap();
    let admin = world.admin().await;
    let tokens = [world.token(&own, None).await, world.token(&mate, None).await, world.token(&stranger, None).await];
    let plain = world.client("team-a", &["data:read"]).await;
    let (plain, _) = world.login(&plain.agent.id.to_string(), &plain.secret).await.unwrap();
    for (by, expected) in
        [(&caller, [true, true, false]), (&plain, [false, false, false]), (&admin, [true, true, true])]
    {
        let by = world.allowed(by, "introspectToken", None).await;
        for (token, expected) in tokens.iter().zip(expected) {
            // One of a kind in a minute is written; this one is to be read.
            world.clock.advance(seconds(60));
            world.news().await;
            let found = world.tokens().introspect(&by, token, Question::default()).await.unwrap();
            assert_eq!(found, expected.then(|| world.claims(token)));
            let event = world.only_news().await;
            assert_eq!(event.action, Action::TokenIntrospected);
            let about = if expected { world.claims(token).subject } else { by.caller.agent.id };
            assert_eq!(event.agent_id, Some(about), "what may not be seen is an event about the caller");
            assert_eq!(event.reason.as_deref(), (!expected).then_some("inactive"));
            assert_eq!(event.metadata.get("tokenId").is_some(), expected);
        }
        assert_eq!(world.tokens().introspect(&by, "no token", Question::default()).await.unwrap(), None);
    }
    let by = world.allowed(&caller, "introspectToken", None).await;
    world.clock.advance(seconds(3600));
    assert_eq!(world.tokens().introspect(&by, &tokens[0], Question::default()).await.unwrap(), None, "it has expired");
    world.store.break_after(0);
    let unknown = world.tokens().introspect(&by, &tokens[0], Question::default()).await;
    assert!(matches!(unknown, Err(IntrospectError::Unavailable(_))), "not known is not inactive: {unknown:?}");
}

#[tokio::test]
async fn a_client_takes_its_tokens_back() {
    let (world, own) = scene().await;
    let token = world.token(&own, None).await;
    let (caller, _) = world.login(&own.agent.id.to_string(), &own.secret).await.unwrap();
    let by = world.allowed(&caller, "revokeToken", None).await;
    assert!(world.lives(&token).await);
    let revoke = async || world.tokens().revoke(&by, &token).await;
    world.breaks_cleanly(revoke, |error| matches!(error, RevokeError::Unavailable(StoreError::Unavailable(_)))).await;
    let event = world.only_news().await;
    is_by(&event, &caller);
    assert_eq!((event.action, event.agent_id), (Action::TokenRevoked, Some(own.agent.id)));
    assert_eq!(text(&event, "tokenId"), world.claims(&token).id.to_string());
    assert_eq!(event.metadata.get("input"), Some(&by.input.to_json()));
    assert!(!world.lives(&token).await);
    for text in [token.as_str(), "no token", ""] {
        world.tokens().revoke(&by, text).await.expect("what is not alive is taken back already");
    }
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn others_tokens_are_taken_back_only_with_the_right_to() {
    let (world, own) = scene().await;
    let (mate, stranger) = (world.client("team-a", &["data:read"]).await, world.client("team-b", &["x:y"]).await);
    let keeper = world.client("team-a", &["tokens:write"]).await;
    let tokens = [world.token(&mate, None).await, world.token(&stranger, None).await];
    let (caller, keeper) = (world.caller(&own, None).await, world.caller(&keeper, None).await);
    let admin = world.admin().await;
    for (by, reach) in [(&caller, [false, false]), (&keeper, [true, false]), (&admin, [true, true])] {
        let by = world.allowed(by, "revokeToken", None).await;
        for (token, may) in tokens.iter().zip(reach) {
            let lived = world.lives(token).await;
            let result = world.tokens().revoke(&by, token).await;
            if may || !lived {
                result.unwrap();
                assert!(!world.lives(token).await);
                continue;
            }
            assert!(matches!(result, Err(RevokeError::NotYours)), "{result:?}");
            let event = world.only_news().await;
            assert_eq!((event.action, event.agent_id), (Action::AuthzDenied, Some(by.caller.agent.id)));
            assert_eq!(event.reason.as_deref(), Some("token_of_another_client"));
            assert_eq!(event.policy_hash, Some(by.policy_hash.clone()));
            assert!(world.lives(token).await, "it stays alive");
        }
    }
    assert_eq!(world.allowed(&caller, "revokeToken", None).await.decision.owners, Owners::Only(vec![]));
}
