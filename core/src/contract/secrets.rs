//! Contract of [`SecretVerifier`] and [`SecretStore`].
//!
//! That every wrong secret takes the same time is measured from outside, on the whole server.

use super::storage::race;
use crate::domain::credential::{Backend, SecretLocation, SecretRef};
use crate::domain::ids::{AgentId, CredentialId, WriteId};
use crate::domain::secret::{IssuedSecret, PresentedSecret};
use crate::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use uuid::Uuid;

/// What a verifier under test knows.
#[derive(Debug)]
pub struct Known {
    /// Where a secret can be verified.
    pub at: SecretRef,
    /// That secret.
    pub secret: String,
    /// References to nothing, that the backend can tell from an outage.
    pub unknown: Vec<SecretRef>,
    /// References that this verifier cannot judge: another backend, a key that it does not have.
    pub foreign: Vec<SecretRef>,
}

async fn verify(verifier: &dyn SecretVerifier, at: &SecretRef, secret: &str) -> Result<bool, SecretError> {
    verifier.verify(at, &PresentedSecret::new(secret.to_owned())).await
}

/// Texts near `secret` that are not it.
fn near(secret: &str) -> Vec<String> {
    let (head, last) = secret.split_at(secret.len() - 1);
    let other = if last == "x" { "y" } else { "x" };
    let twisted: String = secret
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let mut texts = vec![
        String::new(),
        head.to_owned(),
        format!("{head}{other}"),
        format!("{secret}x"),
        format!("{secret} "),
        format!(" {secret}"),
        format!("{secret}\0"),
        format!("{secret}\u{0301}"),
        twisted,
        secret.repeat(100),
        "x".repeat(72),
    ];
    texts.retain(|text| text != secret);
    texts
}

/// The right secret is right, as often as it is asked.
pub async fn the_right_secret_is_true(verifier: &dyn SecretVerifier, known: &Known) {
    for _ in 0..3 {
        assert!(verify(verifier, &known.at, &known.secret).await.expect("the backend is there"));
    }
}

/// A wrong secret is `Ok(false)`, before and after the right one was seen.
pub async fn a_wrong_secret_is_false(verifier: &dyn SecretVerifier, known: &Known) {
    for round in 0..2 {
        for wrong in near(&known.secret) {
            let answer = verify(verifier, &known.at, &wrong).await.expect("a wrong secret is no failure");
            assert!(!answer, "round {round}: {wrong:?} was taken");
        }
        assert!(verify(verifier, &known.at, &known.secret).await.expect("the backend is there"));
    }
}

/// What is not there is `Ok(false)`.
pub async fn an_unknown_secret_is_false(verifier: &dyn SecretVerifier, known: &Known) {
    for (index, at) in known.unknown.iter().enumerate() {
        assert!(!verify(verifier, at, &known.secret).await.expect("an unknown secret is no failure"), "number {index}");
    }
}

/// "I do not know" is an error, never `Ok(false)`.
pub async fn what_cannot_be_judged_is_an_error(verifier: &dyn SecretVerifier, known: &Known) {
    assert!(!known.foreign.is_empty(), "every verifier has something that it cannot judge");
    for at in &known.foreign {
        for secret in [known.secret.as_str(), "wrong"] {
            let answer = verify(verifier, at, secret).await;
            assert!(matches!(answer, Err(SecretError::NotConfigured(_))), "{at:?}: {answer:?}");
        }
    }
}

/// An answer about one reference says nothing about another.
pub async fn references_do_not_share_answers(verifier: &dyn SecretVerifier, known: &Known) {
    assert!(verify(verifier, &known.at, &known.secret).await.expect("the backend is there"));
    an_unknown_secret_is_false(verifier, known).await;
    what_cannot_be_judged_is_an_error(verifier, known).await;
}

/// An owner that no other case uses.
pub fn owner(number: u128) -> SecretOwner {
    SecretOwner {
        agent_id: AgentId::new(Uuid::from_u128(0xA9E0_0000 + number)),
        credential_id: CredentialId::new(Uuid::from_u128(0xC4ED_0000 + number)),
    }
}

/// A secret of `owner`, another for every seed.
pub fn secret(owner: SecretOwner, seed: u8) -> IssuedSecret {
    let mut next = seed;
    IssuedSecret::generate(owner.credential_id, || {
        next = next.wrapping_mul(5).wrapping_add(113);
        next
    })
}

/// The write `number` for `owner`.
pub fn write(owner: SecretOwner, number: u128) -> SecretWrite {
    SecretWrite { id: WriteId::new(Uuid::from_u128(owner.credential_id.uuid().as_u128() * 1000 + number)), owner }
}

/// Keeps the secret of `seed` by the write of the same number.
async fn put(store: &dyn SecretStore, owner: SecretOwner, seed: u8) -> (SecretRef, String) {
    let text = secret(owner, seed);
    let at = store.put(write(owner, u128::from(seed)), &text).await.expect("put");
    assert_eq!(at.backend(), store.backend());
    assert_eq!(at.location().is_some(), store.backend().is_outside());
    (at, text.expose().to_owned())
}

async fn must_verify(store: &dyn SecretStore, (at, secret): &(SecretRef, String), expected: bool) {
    assert_eq!(verify(store, at, secret).await.expect("the backend is there"), expected);
}

/// Takes back the write of `number`, where the store puts secrets of `owner`; a digest lies nowhere.
async fn undo(store: &dyn SecretStore, owner: SecretOwner, number: u128) {
    if let Some(location) = store.location(owner) {
        store.undo(write(owner, number).id, &location).await.expect("undo");
    }
}

/// What is kept lies where the store said before.
pub async fn a_secret_lies_where_it_was_announced(store: &dyn SecretStore) {
    let announced = store.location(owner(13));
    assert!(announced != store.location(owner(14)) || announced.is_none(), "each credential has a place of its own");
    for seed in 1..=2 {
        assert_eq!(put(store, owner(13), seed).await.0.location(), announced);
    }
    assert_eq!(store.location(owner(13)), announced);
}

/// What is kept verifies, and only under its own reference.
pub async fn what_is_put_verifies(store: &dyn SecretStore) {
    let (one, two) = (put(store, owner(1), 1).await, put(store, owner(2), 2).await);
    must_verify(store, &one, true).await;
    must_verify(store, &two, true).await;
    must_verify(store, &(one.0, two.1), false).await;
}

/// A new version leaves the earlier ones as they were.
pub async fn earlier_versions_go_on(store: &dyn SecretStore) {
    let mut kept = Vec::new();
    for seed in 1..=4 {
        kept.push(put(store, owner(3), seed).await);
    }
    for (number, (at, _)) in kept.iter().enumerate() {
        for (other, (_, version)) in kept.iter().enumerate() {
            let answer = verify(store, at, version).await.expect("verify");
            assert_eq!(answer, number == other, "secret {other} at version {number}");
        }
    }
}

/// Writes of one credential that run together each keep their own.
pub async fn writes_that_run_together_each_keep_theirs(store: &dyn SecretStore) {
    for version in &race([1, 2, 3].map(|seed| put(store, owner(4), seed))).await {
        must_verify(store, version, true).await;
    }
}

/// A write that is repeated, because its answer was lost, gives the same version.
pub async fn a_repeated_write_is_one(store: &dyn SecretStore) {
    let first = put(store, owner(5), 1).await;
    let again = put(store, owner(5), 1).await;
    assert!(first.0 == again.0, "one write, one version");
    must_verify(store, &again, true).await;
}

/// A write that is taken back verifies no more, the others do; and new ones can follow.
pub async fn what_is_undone_is_false(store: &dyn SecretStore) {
    let mut kept = Vec::new();
    for seed in 1..=3 {
        kept.push(put(store, owner(6), seed).await);
    }
    for _ in 0..2 {
        undo(store, owner(6), 2).await;
        for (number, version) in kept.iter().enumerate() {
            must_verify(store, version, number != 1 || !store.backend().is_outside()).await;
        }
    }
    must_verify(store, &put(store, owner(6), 4).await, true).await;
}

/// Taking back the only write, or what never was written, succeeds, and a new one can follow.
pub async fn undoing_is_idempotent(store: &dyn SecretStore) {
    undo(store, owner(7), 1).await;
    let version = put(store, owner(7), 2).await;
    undo(store, owner(7), 1).await;
    must_verify(store, &version, true).await;
    for _ in 0..2 {
        undo(store, owner(7), 2).await;
        must_verify(store, &version, !store.backend().is_outside()).await;
    }
    must_verify(store, &put(store, owner(7), 3).await, true).await;
}

/// A destroyed secret is `Ok(false)` in all its versions, however often it is destroyed, and another credential's stays.
pub async fn what_is_destroyed_is_false(store: &dyn SecretStore) {
    let versions = [put(store, owner(8), 1).await, put(store, owner(8), 2).await];
    let other = put(store, owner(9), 3).await;
    let [(at, _), _] = &versions;
    let Some(location) = at.location() else { return };
    for _ in 0..2 {
        store.destroy(&location).await.expect("destroy");
        for version in &versions {
            must_verify(store, version, false).await;
        }
    }
    must_verify(store, &other, true).await;
    undo(store, owner(8), 1).await;
}

/// Destroying what never was succeeds; what another backend keeps is not this one's to destroy or to take back.
pub async fn only_its_own_is_destroyed(store: &dyn SecretStore) {
    let never = put(store, owner(10), 1).await.0.location();
    if let Some(SecretLocation { backend, path }) = never {
        let path = path.replace(&owner(10).credential_id.to_string(), &owner(11).credential_id.to_string());
        store.destroy(&SecretLocation { backend, path }).await.expect("destroy what never was");
    }
    for backend in [Backend::Digest, Backend::Vault, Backend::AwsSecretsManager, Backend::Bcrypt] {
        if backend != store.backend() || !backend.is_outside() {
            let location = SecretLocation { backend, path: "a/b".to_owned() };
            for answer in [store.destroy(&location).await, store.undo(write(owner(11), 1).id, &location).await] {
                assert!(matches!(answer, Err(SecretError::NotConfigured(_))), "{backend}: {answer:?}");
            }
        }
    }
}

/// The reference does not hold the secret, and its `Debug` not even the reference.
pub async fn a_reference_is_not_the_secret(store: &dyn SecretStore) {
    let (at, text) = put(store, owner(12), 9).await;
    let fields = match &at {
        SecretRef::Digest { key_id, mac } => format!("{key_id} {mac}"),
        SecretRef::Vault { path, version } => format!("{path} {version}"),
        SecretRef::AwsSecretsManager { name, version_id } => format!("{name} {version_id}"),
        SecretRef::Bcrypt { hash } => hash.clone(),
    };
    assert!(!fields.contains(&text[28..]));
    assert_eq!(format!("{at:?}"), format!("SecretRef({})", at.backend()));
}

/// One test per case of [`SecretVerifier`]; `$setup` is an async function that gives the verifier, boxed, and
/// [`Known`].
#[macro_export]
macro_rules! secret_verifier_contract {
    ($name:ident, $setup:path) => {
        $crate::secret_verifier_contract!(@cases $name, $setup, the_right_secret_is_true, a_wrong_secret_is_false,
            an_unknown_secret_is_false, what_cannot_be_judged_is_an_error, references_do_not_share_answers);
    };
    (@cases $name:ident, $setup:path, $($case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let (verifier, known) = $setup().await;
                $crate::contract::secrets::$case(verifier.as_ref(), &known).await;
            })+
        }
    };
}

/// One test per case of [`SecretStore`]; `$setup` is an async function that gives the store, boxed, and what must live
/// as long.
#[macro_export]
macro_rules! secret_store_contract {
    ($name:ident, $setup:path) => {
        $crate::secret_store_contract!(@cases $name, $setup, what_is_put_verifies,
            a_secret_lies_where_it_was_announced, earlier_versions_go_on,
            writes_that_run_together_each_keep_theirs, a_repeated_write_is_one, what_is_undone_is_false,
            undoing_is_idempotent, what_is_destroyed_is_false, only_its_own_is_destroyed,
            a_reference_is_not_the_secret);
    };
    (@cases $name:ident, $setup:path, $($case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let (store, _alive) = $setup().await;
                $crate::contract::secrets::$case(store.as_ref()).await;
            })+
        }
    };
}
