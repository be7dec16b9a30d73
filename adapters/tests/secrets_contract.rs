#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]
//! The contract of secrets, for every backend of this package and every decorator.

#[path = "support/crypto.rs"]
mod support;
#[path = "support/vault.rs"]
mod vault_server;

use agentidp_adapters::bcrypt_legacy::BcryptLegacy;
use agentidp_adapters::digest::DigestSecrets;
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier, SecretRouter};
use agentidp_adapters::vault::VaultSecrets;
use agentidp_core::contract::secrets::{Known, owner, secret, write};
use agentidp_core::domain::credential::{Backend, SecretRef};
use agentidp_core::ports::secrets::{SecretStore, SecretVerifier};
use serde_json::json;
use std::sync::Arc;
use support::{CountedSecrets, digest_secrets, pepper, vault};
use vault_server::{POLICY, Server};

const LEGACY_SECRET: &str = "correct horse battery staple";
/// Made by libxcrypt, not by the crate under test.
const LEGACY_HASH: &str = "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";

type Setup = (Box<dyn SecretVerifier>, Known);

fn digest_ref(key_id: &str, mac: &str) -> SecretRef {
    SecretRef::Digest { key_id: key_id.to_owned(), mac: mac.to_owned() }
}

fn bcrypt_ref(hash: &str) -> SecretRef {
    SecretRef::Bcrypt { hash: hash.to_owned() }
}

/// A secret that `writer` has kept.
async fn known_digest(writer: &DigestSecrets) -> Known {
    let text = secret(owner(1), 1);
    let at = writer.put(write(owner(1), 1), &text).await.unwrap();
    let SecretRef::Digest { key_id, mac } = &at else { panic!("a digest is kept as one") };
    let unknown = vec![
        digest_ref(key_id, &"0".repeat(64)),
        digest_ref(key_id, &mac.to_uppercase()),
        digest_ref(key_id, &mac[..63]),
        digest_ref(key_id, ""),
        digest_ref(key_id, "né pas hex"),
    ];
    let foreign = vec![digest_ref("key-9", mac), digest_ref("", mac), vault("a", 1), bcrypt_ref(LEGACY_HASH)];
    Known { secret: text.expose().to_owned(), at, unknown, foreign }
}

fn known_bcrypt() -> Known {
    Known {
        at: bcrypt_ref(LEGACY_HASH),
        secret: LEGACY_SECRET.to_owned(),
        unknown: vec![
            bcrypt_ref(""),
            bcrypt_ref(&LEGACY_HASH.replacen("$04$", "$31$", 1)),
            bcrypt_ref(&"é".repeat(30)),
        ],
        foreign: vec![vault("a", 1), digest_ref("key-1", "00")],
    }
}

fn known_vault() -> (CountedSecrets, Known) {
    let known = Known {
        at: vault("agents/a", 2),
        secret: "the second version".to_owned(),
        unknown: vec![vault("agents/a", 1), vault("agents/a", 3), vault("agents/b", 2)],
        foreign: vec![digest_ref("key-1", "00"), bcrypt_ref(LEGACY_HASH)],
    };
    (CountedSecrets::open([(known.at.clone(), known.secret.clone())]), known)
}

fn cached(inner: impl SecretVerifier + 'static) -> CachedVerifier {
    CachedVerifier::new(Arc::new(inner), CacheLimits::default()).unwrap()
}

async fn digest_verifier() -> Setup {
    let known = known_digest(&digest_secrets()).await;
    (Box::new(digest_secrets()), known)
}

async fn previous_pepper_verifier() -> Setup {
    let known = known_digest(&DigestSecrets::new(pepper(2), None)).await;
    (Box::new(digest_secrets()), known)
}

async fn bcrypt_verifier() -> Setup {
    (Box::new(BcryptLegacy::default()), known_bcrypt())
}

async fn cached_bcrypt_verifier() -> Setup {
    (Box::new(cached(BcryptLegacy::default())), known_bcrypt())
}

async fn cached_vault_verifier() -> Setup {
    let (backend, known) = known_vault();
    (Box::new(cached(backend)), known)
}

fn full_router() -> SecretRouter {
    let bcrypt: Arc<dyn SecretVerifier> = Arc::new(cached(BcryptLegacy::default()));
    SecretRouter::new([
        (Backend::Digest, Arc::new(digest_secrets()) as Arc<dyn SecretVerifier>),
        (Backend::Bcrypt, bcrypt),
    ])
}

async fn routed_digest_verifier() -> Setup {
    let mut known = known_digest(&digest_secrets()).await;
    known.unknown.push(bcrypt_ref(LEGACY_HASH));
    known.foreign.retain(|at| at.backend() != Backend::Bcrypt);
    (Box::new(full_router()), known)
}

async fn routed_bcrypt_verifier() -> Setup {
    let mut known = known_bcrypt();
    known.unknown.push(digest_ref("key-1", &"0".repeat(64)));
    known.foreign = vec![vault("a", 1), digest_ref("key-9", "00")];
    (Box::new(full_router()), known)
}

/// Vault on a mount of its own, with the token of the administrator.
async fn vault_by_token() -> VaultSecrets {
    let server = Server::shared();
    server.store(&server.mount().await, server.root())
}

/// Vault on a mount of its own, with what operators are told to give.
async fn vault_by_approle() -> VaultSecrets {
    let server = Server::shared();
    let mount = server.mount().await;
    let login = server.approle(&server.policy(POLICY, &mount).await, json!({})).await;
    server.store(&mount, login)
}

async fn known_real_vault(store: &VaultSecrets) -> Known {
    let text = secret(owner(1), 1);
    let at = store.put(write(owner(1), 1), &text).await.unwrap();
    let SecretRef::Vault { path, version } = &at else { panic!("Vault keeps a version") };
    let other = path.replace(&owner(1).credential_id.to_string(), &owner(2).credential_id.to_string());
    let unknown = vec![vault(path, version + 1), vault(path, 0), vault(path, -1), vault(&other, 1)];
    let foreign = vec![
        digest_ref("key-1", "00"),
        bcrypt_ref(LEGACY_HASH),
        vault("", 1),
        vault("secret/other", 1),
        vault(&format!("{path}/"), 1),
        vault(&path.replace("agentidp", "../agentidp"), 1),
    ];
    Known { secret: text.expose().to_owned(), at, unknown, foreign }
}

async fn vault_verifier() -> Setup {
    let store = vault_by_approle().await;
    let known = known_real_vault(&store).await;
    (Box::new(store), known)
}

async fn cached_real_vault_verifier() -> Setup {
    let store = vault_by_token().await;
    let known = known_real_vault(&store).await;
    (Box::new(cached(store)), known)
}

async fn vault_store_by_token() -> (Box<dyn SecretStore>, ()) {
    (Box::new(vault_by_token().await), ())
}

async fn vault_store_by_approle() -> (Box<dyn SecretStore>, ()) {
    (Box::new(vault_by_approle().await), ())
}

async fn digest_store() -> (Box<dyn SecretStore>, ()) {
    (Box::new(digest_secrets()), ())
}

agentidp_core::secret_verifier_contract!(digest, super::digest_verifier);
agentidp_core::secret_verifier_contract!(digest_previous_pepper, super::previous_pepper_verifier);
agentidp_core::secret_verifier_contract!(bcrypt, super::bcrypt_verifier);
agentidp_core::secret_verifier_contract!(cached_bcrypt, super::cached_bcrypt_verifier);
agentidp_core::secret_verifier_contract!(cached_vault, super::cached_vault_verifier);
agentidp_core::secret_verifier_contract!(vault, super::vault_verifier);
agentidp_core::secret_verifier_contract!(cached_real_vault, super::cached_real_vault_verifier);
agentidp_core::secret_verifier_contract!(routed_digest, super::routed_digest_verifier);
agentidp_core::secret_verifier_contract!(routed_bcrypt, super::routed_bcrypt_verifier);
agentidp_core::secret_store_contract!(digest_as_store, super::digest_store);
agentidp_core::secret_store_contract!(vault_by_token_as_store, super::vault_store_by_token);
agentidp_core::secret_store_contract!(vault_by_approle_as_store, super::vault_store_by_approle);

/// The stored form is `HMAC-SHA-256(pepper, secret)` in lower-case hex; checked against another implementation.
#[tokio::test]
async fn the_stored_digest_is_fixed() {
    let mac = "73860612aa6aadf68985b6e9c4233357cedd5f24a221eba740b2aa8350276cfc";
    let at = digest_ref("key-1", mac);
    assert!(digest_secrets().verify(&at, &support::presented("abc")).await.unwrap());
}

#[tokio::test]
async fn new_digests_are_under_the_current_pepper() {
    let at = digest_secrets().put(write(owner(9), 1), &secret(owner(9), 1)).await.unwrap();
    assert!(matches!(at, SecretRef::Digest { key_id, .. } if key_id == "key-1"));
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let pepper = pepper(0x77);
    let parts = [
        format!("{pepper:?}"),
        format!("{:?}", DigestSecrets::new(pepper, None)),
        format!("{:?}", cached(BcryptLegacy::default())),
        format!("{:?}", full_router()),
        format!("{:?}", BcryptLegacy::default()),
        format!("{:?}", bcrypt_ref(LEGACY_HASH)),
    ];
    let text = parts.join(" ");
    for secret in ["77", "119", LEGACY_HASH, "$2b$"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
