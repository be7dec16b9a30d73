//! A signing key: made, stored and opened.

use super::public::PublicKey;
use super::seal::{self, SealingKey};
use super::signed::SignedTokens;
use agentidp_core::domain::key::{SigningAlgorithm, StoredKey};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::tokens::{KeyMaker, MakeKeyError};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Serialize;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A signing key cannot be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "signing key `{kid}` is sealed under the master key `{master_key_id}`, which is not configured; \
         give that key as MASTER_KEY or MASTER_KEY_PREVIOUS"
    )]
    UnknownMasterKey { kid: String, master_key_id: String },
    #[error(
        "signing key `{kid}` does not open under the master key `{master_key_id}`, so its row was altered; \
         restore the row from a backup"
    )]
    DoesNotOpen { kid: String, master_key_id: String },
    #[error(
        "signing key `{kid}` holds another private key than its name and algorithm say; \
         restore the row from a backup"
    )]
    Mismatch { kid: String },
    #[error("the cryptographic library failed: {0}")]
    Cryptography(&'static str),
}

/// The private half, parsed.
pub enum PrivateKey {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Ps256(RsaKeyPair),
}

/// What does not change while a key lives.
pub struct Material {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub private: PrivateKey,
    pub public: DecodingKey,
    pub jwk: String,
    /// The header of every token signed with this key, in base64url. No other header is read.
    pub header: String,
    /// Tokens that this key was found to have signed, by their digest.
    pub signed: SignedTokens,
}

/// A key in memory.
#[derive(Clone)]
pub struct OpenKey {
    pub material: Arc<Material>,
    created_at: Timestamp,
    active_from: Timestamp,
    revoked_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

/// Makes a key that signs from `active_from` on, sealed as it is stored. RSA keys have 2048 bits.
///
/// # Errors
/// [`KeyError::Cryptography`], for want of randomness.
pub fn generate(
    algorithm: SigningAlgorithm,
    sealing: &SealingKey,
    created_at: Timestamp,
    active_from: Timestamp,
) -> Result<StoredKey, KeyError> {
    let pkcs8 = generate_pkcs8(algorithm).ok_or(KeyError::Cryptography("no key could be made"))?;
    let material = Material::parse(algorithm, &pkcs8).ok_or(KeyError::Cryptography("a new key does not parse"))?;
    let sealed_private = sealing.seal(&material.kid, algorithm, &pkcs8)?;
    Ok(StoredKey {
        kid: material.kid,
        algorithm,
        public_jwk: material.jwk,
        sealed_private,
        master_key_id: sealing.key_id().to_owned(),
        created_at,
        active_from,
        revoked_at: None,
    })
}

/// Makes keys of one algorithm under one master key.
#[derive(Debug)]
pub struct KeyFactory {
    pub algorithm: SigningAlgorithm,
    pub sealing: SealingKey,
}

impl KeyMaker for KeyFactory {
    fn make(&self, created_at: Timestamp, active_from: Timestamp) -> Result<StoredKey, MakeKeyError> {
        let key = generate(self.algorithm, &self.sealing, created_at, active_from);
        key.map_err(|error| MakeKeyError(Box::new(error)))
    }
}

fn generate_pkcs8(algorithm: SigningAlgorithm) -> Option<Zeroizing<Vec<u8>>> {
    let random = SystemRandom::new();
    let bytes = match algorithm {
        SigningAlgorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?.as_ref().to_vec()
        }
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random).ok()?.as_ref().to_vec(),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            der.as_ref().to_vec()
        }
    };
    Some(Zeroizing::new(bytes))
}

impl Material {
    fn parse(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        let (private, (public, decoding)) = match algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
                let public = PublicKey::of_ec(&pair)?;
                (PrivateKey::Es256(pair), public)
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
                let public = PublicKey::of_ed(&pair);
                (PrivateKey::EdDsa(pair), public)
            }
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
                let public = PublicKey::of_rsa(&pair);
                let pss = algorithm == SigningAlgorithm::Ps256;
                (if pss { PrivateKey::Ps256(pair) } else { PrivateKey::Rs256(pair) }, public)
            }
        };
        let kid = public.thumbprint()?;
        let header = serde_json::to_vec(&Header { alg: algorithm.as_str(), kid: &kid, typ: "at+jwt" }).ok()?;
        Some(Self {
            jwk: public.jwk(&kid, algorithm)?,
            header: URL_SAFE_NO_PAD.encode(header),
            kid,
            algorithm,
            private,
            public: decoding,
            signed: SignedTokens::default(),
        })
    }
}

impl OpenKey {
    /// Opens a stored key. Its public half is taken from the private one: the row's own is not trusted.
    pub fn open(row: &StoredKey, sealing: &[SealingKey]) -> Result<Self, KeyError> {
        let pkcs8 = seal::open(row, sealing)?;
        let material = Material::parse(row.algorithm, &pkcs8)
            .filter(|material| material.kid == row.kid)
            .ok_or_else(|| KeyError::Mismatch { kid: row.kid.clone() })?;
        Ok(Self {
            material: Arc::new(material),
            created_at: row.created_at,
            active_from: row.active_from,
            revoked_at: row.revoked_at,
        })
    }

    /// This key with the dates of `row`, if that is the same key: a `kid` is a digest of the key.
    pub fn with_dates_of(&self, row: &StoredKey) -> Option<Self> {
        (self.material.kid == row.kid && self.material.algorithm == row.algorithm).then(|| Self {
            material: Arc::clone(&self.material),
            created_at: row.created_at,
            active_from: row.active_from,
            revoked_at: row.revoked_at,
        })
    }

    /// This key as one of `rows` has it.
    pub fn as_stored_in(&self, rows: &[&StoredKey]) -> Option<Self> {
        rows.iter().find_map(|row| self.with_dates_of(row))
    }

    /// Whether it verifies at `now`.
    pub fn verifies(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none_or(|at| at > now)
    }

    /// Whether it signs at `now`, unless a newer one does.
    pub fn signs(&self, now: Timestamp) -> bool {
        self.active_from <= now && self.verifies(now)
    }

    /// By what a newer key is told from an older one.
    pub fn age(&self) -> (Timestamp, Timestamp, &str) {
        (self.active_from, self.created_at, &self.material.kid)
    }
}
