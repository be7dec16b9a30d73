//! A JWT becomes a Biscuit, and what happens when something is missing.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::audit::Action;
use agentidp_core::domain::scope::ScopeSet;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::biscuits::BiscuitReader;
use agentidp_core::ports::policy::{Decision, Refusal};
use agentidp_core::ports::storage::StoreError;
use agentidp_core::ports::tokens::TokenSigner;
use agentidp_core::services::access::{AccessError, AccessService, AuthenticationError, Call};
use agentidp_core::services::presented::PresentedTokens;
use agentidp_core::services::tokens::{IntrospectError, IssueError, IssuedToken, Question, TokenRequest, TokenService};
use std::sync::Arc;
use support::doubles::{Endless, NoKey, Once, Says, allowed, refused};
use support::{Client, World, ask, context, seconds, text};

async fn scene() -> (World, Client, String) {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read", "data:write", "tokens:read"]).await;
    let jwt = world.token(&client, None).await;
    world.news().await;
    (world, client, jwt)
}

async fn exchanged(
    world: &World,
    service: &TokenService,
    client: &Client,
    jwt: &str,
    request: TokenRequest,
) -> Result<IssuedToken, IssueError> {
    let (caller, credential) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    service.exchange(caller, &credential, jwt, request, &ask("issueToken", None), &context()).await
}

#[tokio::test]
async fn a_biscuit_has_what_its_parent_has() {
    let (world, client, jwt) = scene().await;
    let parent = world.claims(&jwt);
    world.clock.advance(seconds(100));
    let issued = exchanged(&world, &world.tokens(), &client, &jwt, TokenRequest::default()).await.unwrap();
    let found = world.biscuits.read(&issued.text.0).unwrap();
    assert_eq!((found.parent, issued.expires_in), (parent.id, seconds(3500)));
    let expected = Claims {
        id: found.claims.id,
        issued_at: world.now().whole_second(),
        not_before: world.now().whole_second(),
        ..parent.clone()
    };
    assert_eq!(found.claims, expected);
    assert_ne!(found.claims.id, parent.id);
    let event = world.only_news().await;
    assert_eq!((event.action, event.agent_id), (Action::TokenExchanged, Some(client.agent.id)));
    assert_eq!(
        (text(&event, "tokenId"), text(&event, "parentId")),
        (found.claims.id.to_string().as_str(), parent.id.to_string().as_str(),)
    );
    assert_eq!(world.recall(&client.credential).await.last_used_at, Some(world.now()), "an exchange is a use");
}

/// A rotation may bring the end of a credential nearer than that of a token which was obtained with it.
#[tokio::test]
async fn no_biscuit_outlives_the_credential() {
    let world = World::new().await;
    let agent = world.agent("team-a", &["data:read"]).await;
    let client = world.credential(&agent, Some(world.now().after(seconds(600)))).await;
    let jwt = world.token(&client, None).await;
    world.clock.advance(seconds(599));
    let issued = exchanged(&world, &world.tokens(), &client, &jwt, TokenRequest::default()).await.unwrap();
    assert_eq!(issued.expires_in, seconds(1));
}

/// Whoever has a stolen key writes into the parent what they like.
#[tokio::test]
async fn no_biscuit_lives_longer_than_tokens_do() {
    let (world, client, jwt) = scene().await;
    let forged = Claims { expires_at: world.now().after(seconds(1_000_000)), ..world.claims(&jwt) };
    let forged = world.ring.sign(&forged).unwrap().0;
    let issued = exchanged(&world, &world.tokens(), &client, &forged, TokenRequest::default()).await.unwrap();
    assert_eq!(issued.expires_in, seconds(3600));
}

#[tokio::test]
async fn who_presents_the_token_of_another_client_is_recorded() {
    let (world, _, jwt) = scene().await;
    let thief = world.client("team-b", &["data:read"]).await;
    world.news().await;
    let result = exchanged(&world, &world.tokens(), &thief, &jwt, TokenRequest::default()).await;
    assert!(matches!(result, Err(IssueError::InvalidSubject)), "{result:?}");
    let event = world.only_news().await;
    assert_eq!((event.action, event.agent_id), (Action::AuthzDenied, Some(thief.agent.id)));
    assert_eq!(event.reason.as_deref(), Some("token_of_another_client"));
}

/// Checks cost time, and a limit comes only after them.
#[tokio::test]
async fn the_checks_of_a_good_biscuit_run_once() {
    let (world, client, jwt) = scene().await;
    let biscuit = exchanged(&world, &world.tokens(), &client, &jwt, TokenRequest::default()).await.unwrap().text.0;
    let access = AccessService {
        agents: world.store.clone(),
        presented: Arc::new(PresentedTokens {
            tokens: world.store.clone(),
            verifier: world.ring.clone(),
            biscuits: Arc::new(Once(world.biscuits.clone())),
            clock: world.clock.clone(),
            freshness: world.freshness.clone(),
        }),
        policy: world.access.policy.clone(),
        audit: world.audit.clone(),
        ambient: world.ambient.clone(),
        issuer: support::ISSUER.to_owned(),
    };
    let call = Call { operation: "getAgent", target: None };
    access.authenticate(&biscuit, &call, &context()).await.unwrap();
}

#[tokio::test]
async fn without_a_decision_a_key_or_a_record_there_is_no_biscuit() {
    for (policy, known) in [
        (Says::nothing(), "undecided"),
        (Says::always(refused(Refusal::Forbidden)), "denied"),
        (Says::always(Decision { scopes: Some(ScopeSet::default()), ..allowed() }), "withheld"),
    ] {
        let (world, client, jwt) = scene().await;
        let access = Arc::new(AccessService {
            agents: world.store.clone(),
            presented: world.presented.clone(),
            policy,
            audit: world.audit.clone(),
            ambient: world.ambient.clone(),
            issuer: support::ISSUER.to_owned(),
        });
        let service = TokenService { access, ..world.tokens() };
        let error = exchanged(&world, &service, &client, &jwt, TokenRequest::default()).await.unwrap_err();
        let name = match &error {
            IssueError::Access(AccessError::Undecided(_)) => "undecided",
            IssueError::Access(AccessError::Denied(_)) => "denied",
            IssueError::InvalidScope => "withheld",
            _ => "something else",
        };
        assert_eq!(name, known, "{error:?}");
        assert_eq!(world.only_news().await.action, Action::AuthzDenied);
    }
    let (world, client, jwt) = scene().await;
    let keyless = TokenService { minter: Arc::new(NoKey), ..world.tokens() };
    let result = exchanged(&world, &keyless, &client, &jwt, TokenRequest::default()).await;
    assert!(matches!(result, Err(IssueError::Sign(_))), "{result:?}");
    assert_eq!(world.news().await, []);

    let (caller, credential) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    let exchange = async || {
        let (request, context) = (ask("issueToken", None), context());
        let scopes = Some(ScopeSet::parse("data:read").unwrap());
        let wanted = TokenRequest { scopes, resources: vec![] };
        world.tokens().exchange(caller.clone(), &credential, &jwt, wanted, &request, &context).await
    };
    let unavailable = |error: &IssueError| {
        matches!(
            error,
            IssueError::Unavailable(StoreError::Unavailable(_)) | IssueError::Access(AccessError::Unavailable(_))
        )
    };
    world.breaks_cleanly(exchange, unavailable).await;
}

#[tokio::test]
async fn checks_without_an_end_are_no_answer() {
    let (world, client, jwt) = scene().await;
    let biscuit = exchanged(&world, &world.tokens(), &client, &jwt, TokenRequest::default()).await.unwrap().text.0;
    let by = world.allowed(&world.caller(&client, None).await, "introspectToken", None).await;
    let presented = Arc::new(PresentedTokens {
        tokens: world.store.clone(),
        verifier: world.ring.clone(),
        biscuits: Arc::new(Endless(world.biscuits.clone())),
        clock: world.clock.clone(),
        freshness: world.freshness.clone(),
    });
    let access = AccessService {
        agents: world.store.clone(),
        presented: presented.clone(),
        policy: world.access.policy.clone(),
        audit: world.audit.clone(),
        ambient: world.ambient.clone(),
        issuer: support::ISSUER.to_owned(),
    };
    let call = Call { operation: "getAgent", target: None };
    let refused = access.authenticate(&biscuit, &call, &context()).await;
    assert!(matches!(refused, Err(AuthenticationError::Undecided(_))), "{refused:?}");
    assert!(access.authenticate(&jwt, &call, &context()).await.is_ok());
    let service = TokenService { presented, ..world.tokens() };
    let asked = service.introspect(&by, &biscuit, Question::default()).await;
    assert!(matches!(asked, Err(IntrospectError::Undecided(_))), "{asked:?}");
}
