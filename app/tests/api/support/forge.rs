//! The private key of a server, to make tokens that the server never would.

use super::TestApp;
use agentidp::wiring;
use agentidp_core::domain::key::KeyUse;
use agentidp_core::ports::storage::KeyStore;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A signing key, its name, and what a token of the server holds.
pub struct Forger {
    pair: EcdsaKeyPair,
    pub header: Value,
    pub claims: Value,
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn base64_bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

impl Forger {
    /// Opens the server's key by its documented form: nonce, ciphertext and tag, bound to the name and the algorithm.
    pub async fn new(app: &TestApp, token: &str) -> Self {
        let config = app.config();
        let keys = wiring::master_keys(&config, false).unwrap();
        let store = wiring::open_store(&config.database.url).await.unwrap();
        let mut rows = KeyStore::list(store.as_ref()).await.unwrap();
        rows.retain(|row| row.usage == KeyUse::Jwt);
        let row = rows.remove(0);
        let cipher = UnboundKey::new(&AES_256_GCM, keys.current.signing_key_sealing().as_slice()).unwrap();
        let (nonce, sealed) = row.sealed_private.split_at(NONCE_LEN);
        let mut private = sealed.to_vec();
        let context = format!("agentidp signing key\0{}\0{}", row.kid, row.algorithm);
        let private = LessSafeKey::new(cipher)
            .open_in_place(Nonce::try_assume_unique_for_key(nonce).unwrap(), Aad::from(context), &mut private)
            .unwrap()
            .to_vec();
        let part = |index: usize| {
            let text = token.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        Self {
            pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).unwrap(),
            header: part(0),
            claims: part(1),
        }
    }

    /// Signs header and claims, truly, in the one form of signature that the server takes.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        sign(&self.pair, header, claims)
    }

    /// Signs the server's own header and claims with one claim replaced.
    pub fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.sign(&self.header.to_string(), &claims.to_string())
    }

    /// Signs with a fresh key that the server does not know.
    pub fn foreign(header: &str, claims: &str) -> String {
        let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref()).unwrap();
        sign(&pair, header, claims)
    }
}

/// Only signatures with a low S are taken: half of all are, so a few tries are enough.
fn sign(pair: &EcdsaKeyPair, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let random = SystemRandom::new();
    let signature = std::iter::repeat_with(|| pair.sign(&random, message.as_bytes()).unwrap())
        .find(|signature| signature.as_ref()[32] < 0x7f)
        .unwrap();
    format!("{message}.{}", base64(signature))
}
