//! Contract of [`SecretVerifier`] and [`SecretStore`].
//!
//! That every wrong secret takes the same time is measured from outside, on the whole server.

use crate::domain::credential::SecretRef;
use crate::domain::ids::{AgentId, CredentialId};
use crate::domain::secret::{IssuedSecret, PresentedSecret};
use crate::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretVerifier};
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

/// Whether a store has something to destroy: the digest has not, for its reference is all that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Custody {
    Outside,
    InTheReference,
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

/// What is kept verifies, and only under its own reference.
pub async fn what_is_put_verifies(store: &dyn SecretStore, _: Custody) {
    let (one, two) = (secret(owner(1), 1), secret(owner(2), 2));
    let at_one = store.put(owner(1), &one).await.expect("put");
    let at_two = store.put(owner(2), &two).await.expect("put");
    assert!(verify(store, &at_one, one.expose()).await.expect("verify"));
    assert!(verify(store, &at_two, two.expose()).await.expect("verify"));
    assert!(!verify(store, &at_one, two.expose()).await.expect("verify"));
    assert!(!verify(store, &at_two, one.expose()).await.expect("verify"));
}

/// A new version leaves the earlier ones as they were.
pub async fn earlier_versions_go_on(store: &dyn SecretStore, _: Custody) {
    let mut kept = Vec::new();
    for seed in 1..=4 {
        let version = secret(owner(3), seed);
        let at = store.put(owner(3), &version).await.expect("put");
        kept.push((at, version));
    }
    for (number, (at, _)) in kept.iter().enumerate() {
        for (other, (_, version)) in kept.iter().enumerate() {
            let answer = verify(store, at, version.expose()).await.expect("verify");
            assert_eq!(answer, number == other, "secret {other} at version {number}");
        }
    }
}

/// Destroying succeeds for what is there, what was destroyed and what never was.
pub async fn destroying_is_idempotent(store: &dyn SecretStore, _: Custody) {
    let text = secret(owner(4), 1);
    store.put(owner(4), &text).await.expect("put");
    for _ in 0..2 {
        store.destroy(owner(4)).await.expect("destroy");
    }
    store.destroy(owner(5)).await.expect("destroy what never was");
}

/// A destroyed secret is `Ok(false)` in all its versions, another credential's stays, and a new one can be put.
pub async fn what_is_destroyed_is_false(store: &dyn SecretStore, custody: Custody) {
    let (first, second, other) = (secret(owner(6), 1), secret(owner(6), 2), secret(owner(7), 3));
    let at_first = store.put(owner(6), &first).await.expect("put");
    let at_second = store.put(owner(6), &second).await.expect("put");
    let at_other = store.put(owner(7), &other).await.expect("put");
    store.destroy(owner(6)).await.expect("destroy");
    if custody == Custody::Outside {
        assert!(!verify(store, &at_first, first.expose()).await.expect("verify"));
        assert!(!verify(store, &at_second, second.expose()).await.expect("verify"));
    }
    assert!(verify(store, &at_other, other.expose()).await.expect("verify"));
}

/// The reference does not hold the secret, and its `Debug` not even the reference.
pub async fn a_reference_is_not_the_secret(store: &dyn SecretStore, _: Custody) {
    let text = secret(owner(8), 9);
    let at = store.put(owner(8), &text).await.expect("put");
    let fields = match &at {
        SecretRef::Digest { key_id, mac } => format!("{key_id} {mac}"),
        SecretRef::Vault { path, version } => format!("{path} {version}"),
        SecretRef::AwsSecretsManager { name, version_id } => format!("{name} {version_id}"),
        SecretRef::Bcrypt { hash } => hash.clone(),
    };
    let random = &text.expose()[28..];
    assert!(!fields.contains(random));
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

/// One test per case of [`SecretStore`]; `$setup` is an async function that gives the store, boxed, and its
/// [`Custody`].
#[macro_export]
macro_rules! secret_store_contract {
    ($name:ident, $setup:path) => {
        $crate::secret_store_contract!(@cases $name, $setup, what_is_put_verifies, earlier_versions_go_on,
            destroying_is_idempotent, what_is_destroyed_is_false, a_reference_is_not_the_secret);
    };
    (@cases $name:ident, $setup:path, $($case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let (store, custody) = $setup().await;
                $crate::contract::secrets::$case(store.as_ref(), custody).await;
            })+
        }
    };
}
