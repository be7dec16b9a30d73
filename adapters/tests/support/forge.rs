//! Makes tokens that the server never would, with its own private key.
#![allow(dead_code, reason = "each test binary uses its part")]

use agentidp_adapters::jwt::{KeyRing, SealingKey, generate};
use agentidp_core::domain::key::{SigningAlgorithm, StoredKey};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::tokens::TokenVerifier;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

pub const ISSUER: &str = "https://idp.example";
const SEALING: [u8; 32] = [1; 32];

/// A ring of one key, and its private half.
pub struct Forger {
    pub ring: KeyRing,
    pub row: StoredKey,
    pub pkcs8: Vec<u8>,
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Opens a stored key by the documented form: nonce, ciphertext and tag, bound to the name and the algorithm.
fn unseal(row: &StoredKey) -> Vec<u8> {
    let (nonce, text) = row.sealed_private.split_at(12);
    let mut text = text.to_vec();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &SEALING).unwrap());
    let context = format!("agentidp signing key\0{}\0{}", row.kid, row.algorithm);
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    cipher.open_in_place(nonce, Aad::from(context.as_bytes()), &mut text).unwrap().to_vec()
}

impl Forger {
    pub fn new(algorithm: SigningAlgorithm) -> Self {
        let sealing = SealingKey::new("key", &SEALING);
        let start = Timestamp::from_unix_millis(super::support::START_MILLIS);
        let row = generate(algorithm, &sealing, start, start).unwrap();
        let clock = Arc::new(super::support::HandClock::default());
        let ring = KeyRing::open(std::slice::from_ref(&row), &[sealing], ISSUER, clock).unwrap();
        let pkcs8 = unseal(&row);
        Self { ring, row, pkcs8 }
    }

    /// The header that the ring writes.
    pub fn header(&self) -> String {
        format!(r#"{{"alg":"{}","kid":"{}","typ":"at+jwt"}}"#, self.row.algorithm, self.row.kid)
    }

    /// Signs these bytes as header and payload, truly.
    pub fn token(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign(&format!("{}.{}", base64(header), base64(payload)))
    }

    pub fn sign(&self, message: &str) -> String {
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        let signature = match self.row.algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8).unwrap();
                pair.sign(&random, bytes).unwrap().as_ref().to_vec()
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap().sign(bytes).as_ref().to_vec(),
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap();
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
                signature
            }
        };
        format!("{message}.{}", base64(signature))
    }
}

/// The claims of a good token as raw JSON, in the order in which they are written.
pub fn members() -> Vec<(&'static str, String)> {
    let text = |text: &str| format!("\"{text}\"");
    let id = |end: &str| format!("\"0198c0de-0000-7000-8000-0000000000{end}\"");
    vec![
        ("iss", text(ISSUER)),
        ("sub", id("a1")),
        ("client_id", id("a1")),
        ("aud", text(ISSUER)),
        ("iat", "1767225600".to_owned()),
        ("nbf", "1767225600".to_owned()),
        ("exp", "1767229200".to_owned()),
        ("jti", id("b2")),
        ("scope", text("agents:read data:read")),
        ("owner", text("team-a")),
        ("cred", id("c3")),
        ("gen", "7".to_owned()),
    ]
}

pub fn object(members: &[(&str, String)]) -> String {
    let parts: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", parts.join(","))
}

/// Fails if the ring reads this token.
pub fn refuse(forger: &Forger, token: &str, what: &str) {
    assert_eq!(forger.ring.read(token), None, "{what} was read");
}

/// A member replaced by other raw JSON.
pub fn with(name: &str, value: &str) -> String {
    let mut members = members();
    members.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value.to_owned();
    object(&members)
}
