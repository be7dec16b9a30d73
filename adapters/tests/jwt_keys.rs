#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! Signing keys: which one signs, what revocation does, how they are sealed, and that others can verify by the key set.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::jwt::{KeyError, KeyRing, SealingKey, generate, reseal};
use agentidp_adapters::master_key::MasterKey;
use agentidp_core::contract::tokens::claims;
use agentidp_core::domain::key::{SigningAlgorithm, StoredKey};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use agentidp_core::ports::tokens::{TokenSigner, TokenVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use support::HandClock;

const ISSUER: &str = "https://idp.example";
const MINUTE: Duration = Duration::from_secs(60);

fn sealing(number: u8) -> SealingKey {
    let master = MasterKey::from_bytes(&[number; 32]).unwrap();
    SealingKey::new(master.id(), master.signing_key_sealing())
}

/// A key that signs from `after` the start on.
fn key(clock: &HandClock, after: Duration) -> StoredKey {
    generate(SigningAlgorithm::Es256, &sealing(1), clock.now(), clock.now().after(after)).unwrap()
}

fn ring(keys: Vec<StoredKey>, clock: &Arc<HandClock>) -> KeyRing {
    KeyRing::open(&keys, &[sealing(1)], ISSUER, clock.clone()).unwrap()
}

fn sign(ring: &KeyRing) -> String {
    ring.sign(&claims(ISSUER)).unwrap().0
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn kids(ring: &KeyRing) -> Vec<String> {
    let set: Value = serde_json::from_str(&ring.key_set()).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn revoked(key: &StoredKey, at: Timestamp) -> StoredKey {
    StoredKey { revoked_at: Some(at), ..key.clone() }
}

#[test]
fn a_new_key_is_published_before_it_signs() {
    let clock = Arc::new(HandClock::default());
    let (old, new) = (key(&clock, Duration::ZERO), key(&clock, 5 * MINUTE));
    let ring = ring(vec![old.clone(), new.clone()], &clock);
    assert_eq!(kids(&ring), [new.kid.clone(), old.kid.clone()], "both are published");
    let before = sign(&ring);
    assert_eq!(header(&before)["kid"], old.kid.as_str());
    clock.advance(5 * MINUTE);
    let after = sign(&ring);
    assert_eq!(header(&after)["kid"], new.kid.as_str());
    assert!(ring.read(&before).is_some() && ring.read(&after).is_some());
}

#[test]
fn a_revoked_key_neither_signs_nor_verifies_nor_is_published() {
    let clock = Arc::new(HandClock::default());
    let (old, new) = (key(&clock, Duration::ZERO), key(&clock, Duration::ZERO));
    let ring = ring(vec![old.clone(), new.clone()], &clock);
    let token = sign(&ring);
    let (leaked, kept) = if header(&token)["kid"] == old.kid.as_str() { (old, new) } else { (new, old) };
    ring.replace(&[revoked(&leaked, clock.now()), kept.clone()]).unwrap();
    assert_eq!(ring.read(&token), None);
    assert_eq!(kids(&ring), std::slice::from_ref(&kept.kid));
    assert_eq!(header(&sign(&ring))["kid"], kept.kid.as_str());
}

#[test]
fn revocation_comes_by_the_clock() {
    let clock = Arc::new(HandClock::default());
    let only = key(&clock, Duration::ZERO);
    let ring = ring(vec![revoked(&only, clock.now().after(MINUTE))], &clock);
    let token = sign(&ring);
    assert!(ring.read(&token).is_some());
    clock.advance(MINUTE);
    assert_eq!(ring.read(&token), None);
    assert_eq!(ring.key_set(), "{\"keys\":[]}");
    assert!(ring.sign(&claims(ISSUER)).unwrap_err().to_string().contains("no signing key is active"));
}

#[test]
fn without_an_active_key_nothing_is_signed() {
    let clock = Arc::new(HandClock::default());
    assert!(ring(vec![], &clock).sign(&claims(ISSUER)).is_err());
    assert!(ring(vec![key(&clock, MINUTE)], &clock).sign(&claims(ISSUER)).is_err());
}

#[test]
fn what_would_not_be_read_is_not_signed() {
    let clock = Arc::new(HandClock::default());
    let ring = ring(vec![key(&clock, Duration::ZERO)], &clock);
    let plain = claims(ISSUER);
    for (what, claims) in [
        ("another issuer", claims("https://other.example")),
        ("no audience", agentidp_core::domain::token::Claims { audience: vec![], ..plain.clone() }),
        ("an empty audience", agentidp_core::domain::token::Claims { audience: vec![String::new()], ..plain.clone() }),
        ("no scope", agentidp_core::domain::token::Claims { scopes: Default::default(), ..plain.clone() }),
        ("a negative generation", agentidp_core::domain::token::Claims { generation: -1, ..plain.clone() }),
        ("too long", agentidp_core::domain::token::Claims { audience: vec!["a".repeat(16_384)], ..plain }),
    ] {
        assert!(ring.sign(&claims).is_err(), "{what} was signed");
    }
}

#[test]
fn a_failed_replacement_keeps_the_keys_but_for_revoked_ones() {
    let clock = Arc::new(HandClock::default());
    let (leaked, kept) = (key(&clock, Duration::ZERO), key(&clock, Duration::ZERO));
    let strange = generate(SigningAlgorithm::Es256, &sealing(9), clock.now(), clock.now()).unwrap();
    let ring = ring(vec![leaked.clone(), kept.clone()], &clock);
    let error = ring.replace(&[revoked(&leaked, clock.now()), kept.clone(), strange.clone()]).unwrap_err();
    assert!(matches!(error, KeyError::UnknownMasterKey { kid, .. } if kid == strange.kid));
    assert_eq!(kids(&ring), std::slice::from_ref(&kept.kid));
    assert!(ring.replace(std::slice::from_ref(&strange)).is_err());
    assert!(kids(&ring).is_empty(), "what is gone from the store is gone");
}

#[test]
fn a_key_does_not_open_under_another_master_key() {
    let clock = Arc::new(HandClock::default());
    let row = key(&clock, Duration::ZERO);
    let open = |row: &StoredKey, sealing: SealingKey| {
        KeyRing::open(std::slice::from_ref(row), &[sealing], ISSUER, clock.clone()).unwrap_err()
    };
    let unknown = open(&row, sealing(2));
    assert!(matches!(unknown, KeyError::UnknownMasterKey { .. }));
    assert!(unknown.to_string().contains("MASTER_KEY_PREVIOUS") && unknown.to_string().contains(sealing(1).key_id()));
    let wrong = open(&row, SealingKey::new(sealing(1).key_id(), &[2; 32]));
    assert!(matches!(wrong, KeyError::DoesNotOpen { .. }));
    assert!(wrong.to_string().contains(&row.kid) && wrong.to_string().contains("restore the row"));
    let both = [sealing(2), sealing(1)];
    assert!(
        KeyRing::open(std::slice::from_ref(&row), &both, ISSUER, clock.clone()).is_ok(),
        "the previous key is read"
    );
    let dead = revoked(&row, clock.now());
    assert!(KeyRing::open(&[dead], &[sealing(2)], ISSUER, clock.clone()).is_ok(), "a revoked key need not open");
}

#[test]
fn an_altered_row_does_not_open() {
    let clock = Arc::new(HandClock::default());
    let (row, other) = (key(&clock, Duration::ZERO), key(&clock, Duration::ZERO));
    for place in [0, 11, 12, 40, row.sealed_private.len() - 1] {
        let mut altered = row.clone();
        altered.sealed_private[place] ^= 1;
        assert!(KeyRing::open(&[altered], &[sealing(1)], ISSUER, clock.clone()).is_err(), "byte {place}");
    }
    for altered in [
        StoredKey { sealed_private: other.sealed_private.clone(), ..row.clone() },
        StoredKey { kid: other.kid.clone(), ..row.clone() },
        StoredKey { kid: "../../dev/null".to_owned(), ..row.clone() },
        StoredKey { algorithm: SigningAlgorithm::EdDsa, ..row.clone() },
        StoredKey { sealed_private: vec![], ..row.clone() },
        StoredKey { sealed_private: row.sealed_private[..20].to_vec(), ..row.clone() },
    ] {
        assert!(KeyRing::open(&[altered], &[sealing(1)], ISSUER, clock.clone()).is_err());
    }
}

#[test]
fn the_published_key_is_that_of_the_private_one() {
    let clock = Arc::new(HandClock::default());
    let (row, other) = (key(&clock, Duration::ZERO), key(&clock, Duration::ZERO));
    let planted = StoredKey { public_jwk: other.public_jwk.clone(), ..row.clone() };
    let set = ring(vec![planted], &clock).key_set();
    assert!(set.contains(&row.public_jwk) && !set.contains(&other.kid));
}

#[test]
fn resealing_moves_a_key_to_the_new_master_key() {
    let clock = Arc::new(HandClock::default());
    let row = key(&clock, Duration::ZERO);
    let token = sign(&ring(vec![row.clone()], &clock));
    let moved = reseal(&row, &[sealing(2), sealing(1)], &sealing(2)).unwrap();
    assert_eq!(moved.master_key_id, sealing(2).key_id());
    let ring = KeyRing::open(&[moved], &[sealing(2)], ISSUER, clock.clone()).unwrap();
    assert!(ring.read(&token).is_some());
    assert!(reseal(&row, &[sealing(2)], &sealing(2)).is_err());
}

#[test]
fn others_verify_by_the_key_set() {
    let clock = Arc::new(HandClock::default());
    for algorithm in SigningAlgorithm::ALL {
        let row = generate(*algorithm, &sealing(1), clock.now(), clock.now()).unwrap();
        let ring = ring(vec![row.clone()], &clock);
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&ring.key_set()).unwrap();
        let token = sign(&ring);
        let header = header(&token);
        assert_eq!(header, serde_json::json!({"alg": algorithm.as_str(), "kid": row.kid, "typ": "at+jwt"}));
        let jwk = set.find(&row.kid).unwrap();
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), row.kid);
        let mut rules = jsonwebtoken::Validation::new(algorithm.as_str().parse().unwrap());
        rules.validate_exp = false;
        rules.set_audience(&[ISSUER]);
        let decoded = jsonwebtoken::decode::<Value>(&token, &jwk.try_into().unwrap(), &rules).unwrap();
        assert_eq!(decoded.claims["aud"], ISSUER);
    }
}

#[test]
fn claims_are_exactly_those_of_the_contract() {
    let clock = Arc::new(HandClock::default());
    let ring = ring(vec![key(&clock, Duration::ZERO)], &clock);
    let payload = |claims| -> Value {
        let token = ring.sign(&claims).unwrap().0;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    };
    let id = |end: &str| format!("0198c0de-0000-7000-8000-0000000000{end}");
    let expected = serde_json::json!({
        "iss": ISSUER, "sub": id("a1"), "client_id": id("a1"), "aud": ISSUER, "iat": 1_767_225_600,
        "nbf": 1_767_225_600, "exp": 1_767_229_200, "jti": id("b2"), "scope": "agents:read data:read",
        "owner": "team-a", "cred": id("c3"), "gen": 7
    });
    assert_eq!(payload(claims(ISSUER)), expected);
    let mut several = claims(ISSUER);
    several.audience = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
    assert_eq!(payload(several)["aud"], serde_json::json!(["https://a.example", "https://b.example"]));
}

#[test]
fn nothing_prints_a_key() {
    let clock = Arc::new(HandClock::default());
    let row = key(&clock, Duration::ZERO);
    let text = format!("{:?} {:?}", sealing(1), ring(vec![row], &clock));
    assert_eq!(text, "SealingKey Ring");
}
