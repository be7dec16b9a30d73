#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! AWS Secrets Manager: the contract on moto's server, and faults that must never look like a wrong secret.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::aws_secrets::{AwsSecrets, Settings, connect};
use agentidp_core::contract::secrets::{Known, owner, secret, write};
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::ports::secrets::{SecretError, SecretHealth, SecretStore, SecretVerifier};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{presented, vault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[expect(clippy::disallowed_methods, reason = "the one place where these tests learn of their server")]
fn moto() -> String {
    std::env::var("AGENTIDP_TEST_AWS_ENDPOINT_URL").expect("run the tests by scripts/with-servers")
}

async fn at(endpoint_url: String) -> AwsSecrets {
    let client = connect(&Settings { endpoint_url: Some(endpoint_url), region: None }).await.unwrap();
    // Names of its own for each test: they share a server.
    AwsSecrets::new(client, format!("test/{}/", uuid::Uuid::new_v4()))
}

async fn store() -> (Box<dyn SecretStore>, ()) {
    (Box::new(at(moto()).await), ())
}

async fn verifier() -> (Box<dyn SecretVerifier>, Known) {
    let store = at(moto()).await;
    let text = secret(owner(1), 1);
    let kept = store.put(write(owner(1), 1), &text).await.unwrap();
    let SecretRef::AwsSecretsManager { name, version_id } = &kept else { panic!("kept elsewhere") };
    let other = |name: &str, version_id: &str| SecretRef::AwsSecretsManager {
        name: name.to_owned(),
        version_id: version_id.to_owned(),
    };
    let unknown = vec![other(&format!("{name}x"), version_id), other(name, "00000000-0000-7000-8000-000000000000")];
    let foreign = vec![vault("a", 1), SecretRef::Bcrypt { hash: String::new() }];
    (Box::new(store), Known { secret: text.expose().to_owned(), at: kept, unknown, foreign })
}

agentidp_core::secret_store_contract!(aws_as_store, super::store);
agentidp_core::secret_verifier_contract!(aws_as_verifier, super::verifier);

/// A workload reads the credential by the name alone.
#[tokio::test]
async fn the_current_version_is_what_a_workload_needs() {
    let client = connect(&Settings { endpoint_url: Some(moto()), region: None }).await.unwrap();
    let prefix = format!("test/{}/", uuid::Uuid::new_v4());
    let store = AwsSecrets::new(client.clone(), prefix.as_str());
    store.put(write(owner(1), 1), &secret(owner(1), 1)).await.unwrap();
    let text = secret(owner(1), 2);
    let kept = store.put(write(owner(1), 2), &text).await.unwrap().location().unwrap();
    let name = format!("{prefix}agents/{}/credentials/{}", owner(1).agent_id, owner(1).credential_id);
    assert_eq!(kept.path, name);
    let read = client.get_secret_value().secret_id(name).send().await.unwrap();
    let expected = format!(r#"{{"client_id":"{}","client_secret":"{}"}}"#, owner(1).agent_id, text.expose());
    assert_eq!(read.secret_string(), Some(expected.as_str()));
    store.ping().await.unwrap();
}

/// Which write's version a workload reads by the name; none: the secret is deleted. The label is said, since without it
/// moto gives the version that was written last.
async fn current(client: &aws_sdk_secretsmanager::Client, name: &str) -> Option<String> {
    let read = client.get_secret_value().secret_id(name).version_stage("AWSCURRENT").send().await.ok()?;
    read.version_id().map(ToOwned::to_owned)
}

/// Whatever was taken back, in whichever order: the current version is the newest of the others, or there is none.
#[tokio::test]
async fn what_was_taken_back_is_never_current_again() {
    let client = connect(&Settings { endpoint_url: Some(moto()), region: None }).await.unwrap();
    for (undone, expected) in [
        (&[2, 3][..], Some(1)),
        (&[3, 2], Some(1)),
        (&[3], Some(2)),
        (&[2], Some(3)),
        (&[1, 3], Some(2)),
        (&[3, 1, 3], Some(2)),
        (&[1, 2, 3], None),
        (&[3, 2, 1], None),
        (&[2, 3, 1], None),
    ] {
        let prefix = format!("test/{}/", uuid::Uuid::new_v4());
        let store = AwsSecrets::new(client.clone(), prefix.as_str());
        for number in 1..=3_u8 {
            store.put(write(owner(1), number.into()), &secret(owner(1), number)).await.unwrap();
        }
        let place = store.location(owner(1)).unwrap();
        for number in undone {
            store.undo(write(owner(1), *number).id, &place).await.unwrap();
        }
        let name = format!("{prefix}agents/{}/credentials/{}", owner(1).agent_id, owner(1).credential_id);
        let expected = expected.map(|number| write(owner(1), number).id.to_string());
        assert_eq!(current(&client, &name).await, expected, "{undone:?}");
    }
}

/// The prefix of new secrets may have changed since the write was announced.
#[tokio::test]
async fn a_write_is_taken_back_where_it_was_announced() {
    let (before, after) = (at(moto()).await, at(moto()).await);
    let (one, two) = (secret(owner(1), 1), secret(owner(1), 2));
    let kept = before.put(write(owner(1), 1), &one).await.unwrap();
    let uncommitted = before.put(write(owner(1), 2), &two).await.unwrap();
    let (here, there) = (after.location(owner(1)).unwrap(), before.location(owner(1)).unwrap());
    assert_ne!(here, there);
    after.undo(write(owner(1), 2).id, &here).await.expect("what never was there");
    assert!(before.verify(&uncommitted, &presented(two.expose())).await.unwrap());
    after.undo(write(owner(1), 2).id, &there).await.unwrap();
    assert!(!before.verify(&uncommitted, &presented(two.expose())).await.unwrap());
    assert!(before.verify(&kept, &presented(one.expose())).await.unwrap());
}

/// What is not a credential of this product proves nothing, for or against.
#[tokio::test]
async fn a_version_of_somebody_else_is_an_error() {
    let client = connect(&Settings { endpoint_url: Some(moto()), region: None }).await.unwrap();
    let name = format!("test/{}", uuid::Uuid::new_v4());
    let made = client.create_secret().name(&name).secret_string("marker-of-a-secret").send().await.unwrap();
    let kept = SecretRef::AwsSecretsManager { name, version_id: made.version_id().unwrap().to_owned() };
    let answer = AwsSecrets::new(client, "test/").verify(&kept, &presented("marker-of-a-secret")).await;
    let Err(SecretError::Unavailable(cause)) = answer else { panic!("{answer:?}") };
    assert!(!format!("{cause:?} {cause}").contains("marker"));
}

/// A server that answers every request with `answer`, or never; and how many it got.
async fn server(answer: Option<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (requests, answer) = (Arc::clone(&requests), answer.clone());
            tokio::spawn(async move {
                let mut buffer = [0; 16 * 1024];
                while socket.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
                    requests.fetch_add(1, Ordering::SeqCst);
                    match &answer {
                        Some(answer) => socket.write_all(answer.as_bytes()).await.unwrap(),
                        None => std::future::pending().await,
                    }
                }
            });
        }
    });
    (url, count)
}

/// No call of the store may say anything of the secret but that it is not known.
async fn every_call_fails(store: &AwsSecrets) {
    let kept = SecretRef::AwsSecretsManager { name: "a".into(), version_id: uuid::Uuid::nil().to_string() };
    let answers = [
        store.verify(&kept, &presented("x")).await.map(drop),
        store.put(write(owner(1), 1), &secret(owner(1), 1)).await.map(drop),
        store.undo(write(owner(1), 1).id, &store.location(owner(1)).unwrap()).await,
        store.destroy(&kept.location().unwrap()).await,
        store.ping().await,
    ];
    for (call, answer) in answers.iter().enumerate() {
        assert!(matches!(answer, Err(SecretError::Unavailable(_))), "call {call}: {answer:?}");
    }
}

#[tokio::test]
async fn aws_that_is_not_there_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    every_call_fails(&at(url).await).await;
}

#[tokio::test]
async fn aws_that_hangs_is_given_up() {
    let (url, _) = server(None).await;
    let start = Instant::now();
    every_call_fails(&at(url).await).await;
    assert!(start.elapsed() < Duration::from_secs(25), "five calls of three seconds took {:?}", start.elapsed());
}

#[tokio::test]
async fn throttling_is_tried_again_and_then_no_answer() {
    let (url, count) = server(Some(answer("400 Bad Request", r#"{"__type":"ThrottlingException"}"#))).await;
    let store = at(url).await;
    assert!(matches!(store.ping().await, Err(SecretError::Unavailable(_))));
    // Two more attempts, if the jittered pauses between them leave time for both.
    assert!((2..=3).contains(&count.load(Ordering::SeqCst)));
    every_call_fails(&store).await;
}

/// Nor may the error carry what the other side sent.
#[tokio::test]
async fn no_rights_and_nonsense_are_no_answer() {
    for answer in [
        answer("400 Bad Request", r#"{"__type":"AccessDeniedException"}"#),
        answer("200 OK", r#"{"Name":"a","SecretString":"marker-of-a-secret"]"#),
        answer("200 OK", r#"{"Name":"a","SecretString":"{\"client_secret\":\"marker-of-a-secret\"}"}"#),
        answer("500 Internal Server Error", "marker-of-a-secret"),
    ] {
        let store = at(server(Some(answer)).await.0).await;
        let kept = SecretRef::AwsSecretsManager { name: "a".into(), version_id: uuid::Uuid::nil().to_string() };
        let answer = store.verify(&kept, &presented("x")).await;
        assert!(matches!(answer, Err(SecretError::Unavailable(_))), "{answer:?}");
        assert!(!format!("{answer:?}").contains("marker"), "{answer:?}");
    }
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {length}\r\n\r\n{body}")
}
