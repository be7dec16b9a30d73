//! Client authentication.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::agent::{AgentChange, SwitchableStatus};
use agentidp_core::domain::audit::{Action, Outcome};
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::credential::{Credential, Rotation, SecretRef};
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::StoreError;
use agentidp_core::services::clients::ClientError;
use agentidp_core::services::import::{Imported, LegacyCredential};
use support::{Client, World, context, millis, seconds};

// Made by libxcrypt.
const LEGACY_SECRET: &str = "correct horse battery staple";
const LEGACY_HASH: &str = "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";

/// Fails unless the secret is refused, for this reason, by an event about this client or nobody.
async fn refused(world: &World, client_id: &str, secret: &str, reason: &str, about: Option<&Client>) {
    // A failure of the same kind in the same minute would only be counted.
    world.clock.advance(seconds(60));
    let result = world.login(client_id, secret).await;
    assert!(matches!(result, Err(ClientError::Failed)), "{reason}: {result:?}");
    let event = world.only_news().await;
    assert_eq!((event.action, event.outcome), (Action::AuthFailed, Outcome::Failure));
    assert_eq!(event.reason.as_deref(), Some(reason));
    assert_eq!(event.agent_id, about.map(|client| client.agent.id), "{reason}");
    assert_eq!(event.owner, about.map(|client| client.agent.owner.clone()), "{reason}");
    assert_eq!((&event.actor, event.ip_address), (&None, context().source_ip));
    assert_eq!(event.request_id.as_deref(), Some("request-1"));
    assert!(secret.is_empty() || !format!("{event:?}").contains(secret));
}

/// Takes the legacy hash over for an agent, as the command does, and lets the server notice.
async fn import(world: &World, client: &Client, expires_at: Option<Timestamp>) -> Credential {
    let legacy = LegacyCredential {
        agent_id: client.agent.id,
        credential_id: None,
        secret: SecretRef::bcrypt(LEGACY_HASH).unwrap(),
        created_at: None,
        expires_at,
    };
    let Imported::New(id) = world.import().import(legacy).await.unwrap() else { panic!("it is new") };
    world.legacy.refresh(world.store.as_ref(), &world.ambient).await.unwrap();
    world.news().await;
    world.recall(&Credential { id, ..client.credential.clone() }).await
}

#[tokio::test]
async fn the_right_secret_gives_a_caller_with_the_default_scopes() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read", "mail:*", "agents:*"]).await;
    let (caller, credential) = world.login(&client.agent.id.to_string(), &client.secret).await.unwrap();
    assert_eq!((&caller.agent, caller.credential_id), (&client.agent, client.credential.id));
    assert_eq!((caller.token_type, caller.token_id()), (TokenType::Client, None));
    assert_eq!(caller.scopes.to_string(), "agents:read agents:write data:read");
    assert_eq!(credential, client.credential);
    assert_eq!(world.news().await, [], "what goes well is recorded with what it leads to");
}

#[tokio::test]
async fn each_failure_is_recorded_with_its_reason() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let other = world.client("team-b", &["data:read"]).await;
    let id = client.agent.id.to_string();
    refused(&world, &id, "not a secret of ours", "malformed_secret", None).await;
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    refused(&world, nobody, &client.secret, "unknown_client", None).await;
    refused(&world, "not an id", &client.secret, "unknown_client", None).await;
    refused(&world, &id.to_uppercase(), &client.secret, "unknown_client", None).await;
    refused(&world, &id, &other.secret, "unknown_credential", Some(&client)).await;
    let wrong = agentidp_core::domain::secret::IssuedSecret::generate(client.credential.id, || 7);
    refused(&world, &id, wrong.expose(), "bad_secret", Some(&client)).await;
}

#[tokio::test]
async fn the_states_of_agent_and_credential_are_reasons() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    let end = world.now().after(seconds(90));
    let short = world.credential(&client.agent, Some(end)).await;
    let revoked = world.credential(&client.agent, None).await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, "revokeCredential", Some(client.agent.id)).await;
    world.credentials().revoke(&by, revoked.credential.id, None).await.unwrap();
    world.news().await;
    refused(&world, &id, &revoked.secret, "credential_revoked", Some(&client)).await;
    world.login(&id, &short.secret).await.expect("it has not expired yet");
    // Within its last second no token could be given for it.
    world.clock.set(end.before(seconds(60)).before(millis(1)));
    refused(&world, &id, &short.secret, "credential_expired", Some(&client)).await;
    refused(&world, &id, &short.secret, "credential_expired", Some(&client)).await;
    for (status, reason) in [(SwitchableStatus::Suspended, Some("agent_suspended")), (SwitchableStatus::Active, None)] {
        let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
        let change = AgentChange { status: Some(status), ..AgentChange::default() };
        world.agents().update(&by, change, None).await.unwrap();
        world.news().await;
        match reason {
            Some(reason) => refused(&world, &id, &client.secret, reason, Some(&client)).await,
            None => assert!(world.login(&id, &client.secret).await.is_ok()),
        }
    }
    let by = world.allowed(&admin, "decommissionAgent", Some(client.agent.id)).await;
    world.agents().decommission(&by, None).await.unwrap();
    world.news().await;
    refused(&world, &id, &client.secret, "agent_decommissioned", Some(&client)).await;
}

#[tokio::test]
async fn garbage_is_refused_before_any_look_up() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    let mut changed = client.secret.clone();
    let last = if changed.pop() == Some('0') { '1' } else { '0' };
    changed.push(last);
    let long = "x".repeat(100_000);
    let foreign = client.secret.replace("aidp_", "aidq_");
    for secret in ["", "x", LEGACY_SECRET, &long, &changed, &foreign, &client.secret[1..]] {
        world.store.take_calls();
        assert!(matches!(world.login(&id, secret).await, Err(ClientError::Failed)));
        let asked = world.store.take_calls();
        assert!(asked.iter().all(|call| *call == "audit.append"), "{asked:?} for {} bytes", secret.len());
        assert_eq!(world.verifier.take_calls(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_legacy_secret_works_once_its_credential_is_known() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    refused(&world, &id, LEGACY_SECRET, "malformed_secret", None).await;
    let legacy = import(&world, &client, None).await;
    let (caller, credential) = world.login(&id, LEGACY_SECRET).await.unwrap();
    assert_eq!((caller.credential_id, &credential), (legacy.id, &legacy));
    refused(&world, &id, "wrong horse", "bad_secret", Some(&client)).await;
    refused(&world, "0198c0de-0000-7000-8000-000000000000", LEGACY_SECRET, "unknown_client", None).await;
    refused(&world, "not an id", LEGACY_SECRET, "unknown_client", None).await;
    let stranger = world.client("team-a", &["data:read"]).await;
    refused(&world, &stranger.agent.id.to_string(), LEGACY_SECRET, "bad_secret", Some(&stranger)).await;
    world.login(&id, &client.secret).await.expect("the other kind works beside it");
}

#[tokio::test]
async fn no_hash_is_computed_for_what_cannot_be_a_legacy_secret() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    import(&world, &client, None).await;
    world.verifier.take_calls();
    for secret in [String::new(), format!("{LEGACY_SECRET}{}", "x".repeat(73)), format!("{LEGACY_SECRET}\0")] {
        refused(&world, &id, &secret, "malformed_secret", None).await;
    }
    assert_eq!(world.verifier.take_calls(), [] as [&str; 0]);
    // A secret made here names a credential; whatever the row of it says, it never meets bcrypt.
    let legacy = import_named(&world, &client).await;
    let ours = agentidp_core::domain::secret::IssuedSecret::generate(legacy.id, || 7);
    refused(&world, &id, ours.expose(), "bad_secret", Some(&client)).await;
    assert_eq!(world.verifier.take_calls(), [] as [&str; 0]);
}

async fn import_named(world: &World, client: &Client) -> Credential {
    let id = agentidp_core::domain::ids::CredentialId::new(world.ambient.uuid());
    let secret = SecretRef::bcrypt("$2a$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS").unwrap();
    let credential_id = Some(id);
    let agent_id = client.agent.id;
    let legacy = LegacyCredential { agent_id, credential_id, secret, created_at: None, expires_at: None };
    world.import().import(legacy).await.unwrap();
    world.news().await;
    world.recall(&Credential { id, ..client.credential.clone() }).await
}

#[tokio::test]
async fn legacy_credentials_end_like_others() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    let end = world.now().after(seconds(90));
    let legacy = import(&world, &client, Some(end)).await;
    world.clock.set(end.before(seconds(60)));
    refused(&world, &id, LEGACY_SECRET, "credential_expired", Some(&client)).await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, "rotateCredential", Some(client.agent.id)).await;
    let rotation = Rotation { expires_at: Some(world.now().after(seconds(900))), ..Rotation::default() };
    let rotated = world.credentials().rotate(&by, legacy.id, rotation, None).await.unwrap();
    world.news().await;
    refused(&world, &id, LEGACY_SECRET, "bad_secret", Some(&client)).await;
    let (_, credential) = world.login(&id, rotated.secret.expose()).await.unwrap();
    assert_eq!(credential.secret.backend().as_str(), "digest");
    world.legacy.refresh(world.store.as_ref(), &world.ambient).await.unwrap();
    refused(&world, &id, LEGACY_SECRET, "malformed_secret", None).await;
}

#[tokio::test]
async fn every_refused_legacy_secret_costs_one_hash() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let other = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    import(&world, &client, None).await;
    let costs_one = async |id: &str, secret: &str, reason: &str, client: Option<&Client>| {
        world.verifier.take_calls();
        refused(&world, id, secret, reason, client).await;
        assert_eq!(world.verifier.take_calls().len(), 1, "{reason}");
        world.clock.advance(seconds(60));
    };
    costs_one(&id, "a wrong secret", "bad_secret", Some(&client)).await;
    costs_one(&other.agent.id.to_string(), LEGACY_SECRET, "bad_secret", Some(&other)).await;
    costs_one("0198c0de-0000-7000-8000-000000000000", LEGACY_SECRET, "unknown_client", None).await;
    costs_one("no id", LEGACY_SECRET, "unknown_client", None).await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
    let change = AgentChange { status: Some(SwitchableStatus::Suspended), ..AgentChange::default() };
    world.agents().update(&by, change, None).await.unwrap();
    world.news().await;
    costs_one(&id, LEGACY_SECRET, "agent_suspended", Some(&client)).await;
    let by = world.allowed(&admin, "decommissionAgent", Some(client.agent.id)).await;
    world.agents().decommission(&by, None).await.unwrap();
    world.news().await;
    costs_one(&id, LEGACY_SECRET, "agent_decommissioned", Some(&client)).await;
}

#[tokio::test]
async fn a_replaced_legacy_secret_works_through_its_grace_and_no_longer() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    let legacy = import(&world, &client, None).await;
    let by = world.allowed(&world.admin().await, "rotateCredential", Some(client.agent.id)).await;
    let rotation = Rotation { grace: seconds(600), ..Rotation::default() };
    let rotated = world.credentials().rotate(&by, legacy.id, rotation, None).await.unwrap();
    world.clock.advance(seconds(600) - millis(1));
    world.legacy.refresh(world.store.as_ref(), &world.ambient).await.unwrap();
    for secret in [LEGACY_SECRET, rotated.secret.expose()] {
        let (caller, credential) = world.login(&id, secret).await.expect("both work");
        assert_eq!((caller.credential_id, credential.secret.backend().as_str()), (legacy.id, "digest"));
    }
    world.news().await;
    world.clock.advance(millis(1));
    let late = world.login(&id, LEGACY_SECRET).await;
    assert!(matches!(late, Err(ClientError::Failed)), "{late:?}");
    assert_eq!(world.only_news().await.reason.as_deref(), Some("bad_secret"));
    world.legacy.refresh(world.store.as_ref(), &world.ambient).await.unwrap();
    assert!(!world.legacy.is_there());
    world.login(&id, rotated.secret.expose()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_known_is_no_failed_authentication() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let id = client.agent.id.to_string();
    import(&world, &client, None).await;
    for secret in [client.secret.as_str(), LEGACY_SECRET] {
        world.verifier.break_after(0);
        let result = world.login(&id, secret).await;
        assert!(matches!(result, Err(ClientError::Secrets(_))), "{result:?}");
        world.verifier.heal();
        let away = |error: &ClientError| matches!(error, ClientError::Unavailable(StoreError::Unavailable(_)));
        let secret = || PresentedSecret::new(secret.to_owned());
        world.breaks_cleanly(async || world.clients().authenticate(&id, &secret(), &context()).await, away).await;
    }
    assert_eq!(world.news().await, [], "nothing is recorded of what is not known");
    world.store.break_after(1);
    let wrong = world.login(&id, "wrong horse").await;
    assert!(matches!(wrong, Err(ClientError::Unavailable(_))), "no failure without its record: {wrong:?}");
}

#[tokio::test]
async fn a_failed_refresh_keeps_what_is_known() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    import(&world, &client, None).await;
    assert!(world.legacy.is_there());
    world.store.break_after(0);
    assert!(world.legacy.refresh(world.store.as_ref(), &world.ambient).await.is_err());
    assert!(world.legacy.is_there());
}
