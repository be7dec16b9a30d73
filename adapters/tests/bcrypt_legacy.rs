#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! Edges of bcrypt: long secrets, NUL, poisoned rows, overload.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::bcrypt_legacy::{BcryptLegacy, BcryptLimits, MAX_COST, measure};
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::ports::secrets::{SecretError, SecretVerifier};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::presented;

// Made by libxcrypt, not by the crate under test.
const PLAIN: (&str, &str) =
    ("correct horse battery staple", "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG");
const PLAIN_2A: (&str, &str) =
    ("correct horse battery staple", "$2a$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS");
const WIDE: (&str, &str) = ("pässwörd-ключ", "$2y$04$0123456789ABCDEFGHIJKujJlkonVEbo9fu2xfHDd.tABdFJacGdS");
const LONGEST: (&str, &str) = (
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz",
    "$2b$04$0123456789ABCDEFGHIJKuYDkc3Rp49PUdiEZ.gWnMOfsktDI2QDy",
);

async fn verify(secret: &str, hash: &str) -> bool {
    let at = SecretRef::Bcrypt { hash: hash.to_owned() };
    BcryptLegacy::default().verify(&at, &presented(secret)).await.unwrap()
}

#[tokio::test]
async fn hashes_of_another_implementation_verify() {
    for (secret, hash) in [PLAIN, PLAIN_2A, WIDE, LONGEST] {
        assert!(verify(secret, hash).await, "{secret}");
        assert!(!verify(&secret[1..], hash).await, "{secret}");
    }
}

#[tokio::test]
async fn nothing_is_cut_off_at_72_bytes() {
    let (longest, hash) = LONGEST;
    assert_eq!(longest.len(), 72);
    for tail in ["a", "\0", &"b".repeat(28), &"c".repeat(10_000)] {
        assert!(!verify(&format!("{longest}{tail}"), hash).await, "{} bytes", longest.len() + tail.len());
    }
    assert!(!verify(&longest[..71], hash).await);
}

#[tokio::test]
async fn nul_and_nothing_are_wrong() {
    let (secret, hash) = PLAIN;
    for wrong in [String::new(), "\0".to_owned(), format!("{secret}\0"), format!("{secret}\0x"), format!("\0{secret}")]
    {
        assert!(!verify(&wrong, hash).await, "{wrong:?}");
    }
}

#[tokio::test]
async fn poisoned_rows_are_wrong_at_once() {
    let (secret, hash) = PLAIN;
    let start = Instant::now();
    for poisoned in [
        "",
        "plain text",
        &hash[..59],
        &format!("{hash}x"),
        &"é".repeat(30),
        &format!("{}é", &hash[..58]),
        &hash.replacen("$04$", "$13$", 1),
        &hash.replacen("$04$", "$31$", 1),
        &hash.replacen("$04$", "$99$", 1),
        &hash.replacen("$04$", "$00$", 1),
        &hash.replacen("$04$", "$-4$", 1),
        &hash.replacen("$04$", "$+4$", 1),
        &hash.replacen("$2b$", "$1$$", 1),
        &hash.replacen("$2b$", "$2z$", 1),
        &hash.replace('e', "!"),
        &format!("{}z", &hash[..59]),
        &format!("$argon2id$v=19${}", "a".repeat(44)),
    ] {
        assert!(!verify(secret, poisoned).await, "{poisoned}");
    }
    assert!(start.elapsed() < Duration::from_secs(1), "a poisoned row was hashed");
}

#[tokio::test]
async fn overload_is_no_wrong_secret() {
    let limits = BcryptLimits { running: 1, waiting: 3, patience: Duration::from_secs(30) };
    let verifier = Arc::new(BcryptLegacy::new(limits));
    // Cost 10, some 80 ms: the others arrive while it runs.
    let at = SecretRef::Bcrypt { hash: PLAIN.1.replacen("$04$", "$10$", 1) };
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (verifier, at) = (verifier.clone(), at.clone());
            tokio::spawn(async move { verifier.verify(&at, &presented("wrong")).await })
        })
        .collect();
    let mut full = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Ok(right) => assert!(!right),
            Err(SecretError::Unavailable(_)) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(full, 16, "one runs, three wait, the rest are told");
    let at = SecretRef::Bcrypt { hash: PLAIN.1.to_owned() };
    assert!(verifier.verify(&at, &presented(PLAIN.0)).await.unwrap(), "it recovers");
}

#[tokio::test]
async fn waiting_ends() {
    let limits = BcryptLimits { running: 1, waiting: 3, patience: Duration::from_millis(1) };
    let verifier = Arc::new(BcryptLegacy::new(limits));
    let slow = SecretRef::Bcrypt { hash: PLAIN.1.replacen("$04$", "$12$", 1) };
    let first = {
        let (verifier, slow) = (verifier.clone(), slow.clone());
        tokio::spawn(async move { verifier.verify(&slow, &presented("wrong")).await })
    };
    tokio::task::yield_now().await;
    let second = verifier.verify(&slow, &presented("wrong")).await;
    assert!(matches!(second, Err(SecretError::Unavailable(_))), "{second:?}");
    // A caller that leaves does not make room: its hash still runs.
    first.abort();
    let third = verifier.verify(&slow, &presented("wrong")).await;
    assert!(matches!(third, Err(SecretError::Unavailable(_))), "{third:?}");
}

#[tokio::test]
async fn the_cost_is_measured_within_the_cap() {
    let cheap = measure(4).await.unwrap();
    assert!(cheap > Duration::ZERO);
    assert!(measure(0).await.unwrap() < measure(9).await.unwrap());
    assert!(measure(31).await.unwrap() < Duration::from_secs(30), "capped at {MAX_COST}");
}

#[tokio::test]
async fn the_hash_that_nobody_has_costs_what_a_real_one_does() {
    use agentidp_core::services::clients::NOBODYS_HASH;
    assert!(SecretRef::bcrypt(NOBODYS_HASH).is_ok());
    let real = bcrypt::hash("some secret", 10).unwrap();
    let timed = async |hash: &str| {
        let start = std::time::Instant::now();
        assert!(!verify("another secret", hash).await);
        start.elapsed()
    };
    let (nobodys, real) = (timed(NOBODYS_HASH).await, timed(&real).await);
    assert!(nobodys * 4 > real, "{nobodys:?} for nobody's, {real:?} for a real one");
}
