//! A process that could not read what others changed judges nobody.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::ports::clock::Clock;
use agentidp_core::services::access::AuthenticationError;
use agentidp_core::services::clients::ClientError;
use agentidp_core::services::tokens::{IntrospectError, Question, RevokeError};
use support::{World, millis};

#[tokio::test]
async fn nothing_is_said_while_the_changes_of_others_are_not_known() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read", "tokens:read"]).await;
    let token = world.token(&client, None).await;
    let caller = world.bearer(&token).await.unwrap();
    let by = world.allowed(&caller, "introspectToken", None).await;
    let id = client.agent.id.to_string();
    world.news().await;
    world.store.take_calls();
    world.verifier.take_calls();

    world.watch.advance(millis(5_001));
    // What is no token at all is no exception: a key that signed it may have come meanwhile.
    for token in [token.as_str(), "no token", "no.token.either"] {
        let unavailable = |result: Result<_, AuthenticationError>| match result {
            Err(AuthenticationError::Unavailable(error)) => assert!(format!("{error:?}").contains("Outdated")),
            other => panic!("{other:?}"),
        };
        unavailable(world.bearer(token).await);
        let introspected = world.tokens().introspect(&by, token, Question::default()).await;
        assert!(matches!(introspected, Err(IntrospectError::Unavailable(_))), "{introspected:?}");
        let revoked = world.tokens().revoke(&by, token).await;
        assert!(matches!(revoked, Err(RevokeError::Unavailable(_))), "{revoked:?}");
    }
    for (id, secret) in [(id.as_str(), client.secret.as_str()), (id.as_str(), "wrong"), ("nobody", "wrong")] {
        let login = world.login(id, secret).await.map(drop);
        assert!(matches!(login, Err(ClientError::Unavailable(_))), "{login:?}");
    }
    assert_eq!((world.store.take_calls(), world.verifier.take_calls()), (vec![], vec![]), "nobody is asked");
    assert_eq!(world.news().await, []);

    world.freshness.read(world.watch.now());
    assert!(world.bearer(&token).await.is_ok() && world.login(&id, &client.secret).await.is_ok());
}
