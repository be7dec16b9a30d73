//! Vault, beyond the contract: its tokens, its faults, its policy, and what is kept there.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod agent;
mod faults;
mod kept;
mod login;
mod moved;
#[path = "../support/own_vault.rs"]
mod own;
mod policy;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/vault.rs"]
mod server;

use agentidp_adapters::vault::VaultSecrets;
use agentidp_core::contract::secrets::{owner, secret, write};
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::ports::secrets::{SecretError, SecretStore, SecretVerifier};

/// A secret that is kept.
struct Kept {
    at: SecretRef,
    text: String,
}

impl Kept {
    /// Keeps the secret of `seed` for the owner `number`.
    async fn put(store: &VaultSecrets, number: u128, seed: u8) -> Self {
        let text = secret(owner(number), seed);
        let at = store.put(write(owner(number), u128::from(seed)), &text).await.unwrap();
        Self { at, text: text.expose().to_owned() }
    }

    async fn verify(&self, store: &dyn SecretVerifier) -> Result<bool, SecretError> {
        store.verify(&self.at, &PresentedSecret::new(self.text.clone())).await
    }

    fn path(&self) -> &str {
        match &self.at {
            SecretRef::Vault { path, .. } => path,
            other => panic!("{other:?}"),
        }
    }

    /// The path as requests have it: `part` of the engine, `data` or `metadata` and so on.
    fn url(&self, part: &str) -> String {
        self.path().replacen('/', &format!("/{part}/"), 1)
    }
}

/// Takes back the write of `seed` for the owner `number`, where the store puts its secrets.
async fn undo(store: &VaultSecrets, number: u128, seed: u8) -> Result<(), SecretError> {
    let location = store.location(owner(number)).unwrap();
    store.undo(write(owner(number), u128::from(seed)).id, &location).await
}

/// What a failure says, with its causes; fails if there is an answer.
fn failure<T: std::fmt::Debug>(answer: Result<T, SecretError>) -> String {
    let error = answer.expect_err("a fault is no answer");
    assert!(matches!(error, SecretError::Unavailable(_)), "{error:?}");
    format!("{error} {error:?}")
}
