#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! What the cache of right secrets asks its backend, and what it must not remember.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier};
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::ports::secrets::{SecretError, SecretVerifier};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{CountedSecrets, presented, vault};
use tokio::task::JoinHandle;

const RIGHT: &str = "the right secret";

fn at() -> SecretRef {
    vault("agents/a", 1)
}

fn known() -> [(SecretRef, String); 2] {
    [(at(), RIGHT.to_owned()), (vault("agents/a", 2), "the newer secret".to_owned())]
}

fn over(backend: CountedSecrets, limits: CacheLimits) -> (Arc<CachedVerifier>, Arc<CountedSecrets>) {
    let backend = Arc::new(backend);
    (Arc::new(CachedVerifier::new(backend.clone(), limits).unwrap()), backend)
}

fn open() -> (Arc<CachedVerifier>, Arc<CountedSecrets>) {
    over(CountedSecrets::open(known()), CacheLimits::default())
}

fn shut() -> (Arc<CachedVerifier>, Arc<CountedSecrets>) {
    over(CountedSecrets::shut(known()), CacheLimits::default())
}

fn ask(cache: &Arc<CachedVerifier>, secret: &'static str) -> JoinHandle<Result<bool, SecretError>> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.verify(&at(), &presented(secret)).await })
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn fifty_at_once_ask_once() {
    let (cache, backend) = shut();
    let asked: Vec<_> = (0..50).map(|_| ask(&cache, RIGHT)).collect();
    settle().await;
    assert_eq!(backend.calls(), 1);
    backend.gate.add_permits(50);
    for answer in asked {
        assert!(answer.await.unwrap().unwrap());
    }
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap());
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn fifty_at_once_ask_once_on_threads() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let (cache, backend) = open();
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let cache = cache.clone();
            threads.spawn(async move { cache.verify(&at(), &presented(RIGHT)).await })
        })
        .collect();
    for answer in asked {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(backend.calls(), 1);
    threads.shutdown_background();
}

#[tokio::test]
async fn right_and_wrong_at_once_do_not_share_an_answer() {
    let (cache, backend) = shut();
    let asked: Vec<_> =
        ["wrong 1", RIGHT, "wrong 2", RIGHT, "wrong 1"].map(|secret| (secret, ask(&cache, secret))).into();
    settle().await;
    assert_eq!(backend.calls(), 3, "each different secret is asked once");
    backend.gate.add_permits(50);
    for (secret, answer) in asked {
        assert_eq!(answer.await.unwrap().unwrap(), secret == RIGHT, "{secret}");
    }
}

#[tokio::test]
async fn a_wrong_secret_for_a_known_reference_asks_nothing() {
    let (cache, backend) = open();
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap());
    for wrong in ["", "the right secre", "the right secret ", "the newer secret"] {
        assert!(!cache.verify(&at(), &presented(wrong)).await.unwrap());
    }
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn wrong_answers_and_errors_are_not_kept() {
    let (cache, backend) = open();
    for calls in 1..=3 {
        assert!(!cache.verify(&at(), &presented("wrong")).await.unwrap());
        assert_eq!(backend.calls(), calls);
    }
    backend.away.store(true, Ordering::SeqCst);
    for calls in 4..=6 {
        let error = cache.verify(&at(), &presented(RIGHT)).await.unwrap_err();
        assert!(matches!(error, SecretError::Unavailable(_)) && error.to_string().contains("the backend is away"));
        assert_eq!(backend.calls(), calls);
    }
    backend.away.store(false, Ordering::SeqCst);
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap());
}

#[tokio::test]
async fn who_waits_for_a_failure_gets_it_and_no_second_one() {
    let (cache, backend) = shut();
    backend.away.store(true, Ordering::SeqCst);
    let asked: Vec<_> = (0..20).map(|_| ask(&cache, RIGHT)).collect();
    settle().await;
    backend.gate.add_permits(50);
    for answer in asked {
        assert!(matches!(answer.await.unwrap(), Err(SecretError::Unavailable(_))));
    }
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_strand_the_others() {
    let (cache, backend) = shut();
    let first = ask(&cache, RIGHT);
    settle().await;
    let second = ask(&cache, RIGHT);
    settle().await;
    first.abort();
    settle().await;
    backend.gate.add_permits(50);
    assert!(second.await.unwrap().unwrap());
    assert_eq!(backend.calls(), 2, "the question of the one that left is asked again");
}

#[tokio::test]
async fn nobody_joins_a_question_that_is_answered() {
    let (cache, backend) = shut();
    let waiting = [ask(&cache, "wrong"), ask(&cache, "wrong")];
    settle().await;
    backend.gate.add_permits(50);
    // Runs after the first has its answer, before the second has taken its own.
    let late = ask(&cache, "wrong");
    for answer in waiting {
        assert!(!answer.await.unwrap().unwrap());
    }
    assert!(!late.await.unwrap().unwrap());
    assert_eq!(backend.calls(), 2);
}

#[tokio::test]
async fn what_everyone_has_left_is_gone() {
    let (cache, backend) = shut();
    let asked: Vec<_> = ["wrong 1", "wrong 1", "wrong 2", RIGHT].map(|secret| ask(&cache, secret)).into();
    settle().await;
    assert!(format!("{cache:?}").contains("asking: 3"), "{cache:?}");
    for caller in asked {
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    assert!(format!("{cache:?}").contains("asking: 0"), "{cache:?}");
    backend.gate.add_permits(50);
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap());
    assert!(format!("{cache:?}").contains("asking: 0"), "{cache:?}");
}

#[tokio::test]
async fn what_is_forgotten_is_asked_again() {
    let (cache, backend) = open();
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap());
    assert!(cache.verify(&vault("agents/a", 2), &presented("the newer secret")).await.unwrap());
    backend.destroy(&at());
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap(), "still remembered");
    cache.forget(&at());
    assert!(!cache.verify(&at(), &presented(RIGHT)).await.unwrap());
    assert!(cache.verify(&vault("agents/a", 2), &presented("the newer secret")).await.unwrap());
    assert_eq!(backend.calls(), 3, "the other reference is still known");
}

#[tokio::test]
async fn an_answer_from_before_forgetting_is_not_kept() {
    let (cache, backend) = shut();
    let early = ask(&cache, RIGHT);
    settle().await;
    backend.destroy(&at());
    cache.forget(&at());
    let late = ask(&cache, RIGHT);
    settle().await;
    assert_eq!(backend.calls(), 2, "who comes after it asks anew");
    backend.gate.add_permits(50);
    let _ = early.await.unwrap().unwrap();
    assert!(!late.await.unwrap().unwrap());
    assert!(!cache.verify(&at(), &presented(RIGHT)).await.unwrap());
}

#[tokio::test]
async fn the_age_is_bounded() {
    let limits = CacheLimits { age: Duration::from_millis(20), ..CacheLimits::default() };
    let (cache, backend) = over(CountedSecrets::open(known()), limits);
    assert!(cache.verify(&at(), &presented(RIGHT)).await.unwrap());
    backend.destroy(&at());
    // The cache goes by the process's own clock, so this one test waits.
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!cache.verify(&at(), &presented(RIGHT)).await.unwrap());
}
