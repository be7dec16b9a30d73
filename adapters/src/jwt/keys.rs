//! A signing key of JWTs: made, and parsed.

use super::public::PublicKey;
use super::signed::SignedTokens;
use crate::signing_keys::{self, KeyError, SealingKey};
use agentidp_core::domain::key::{KeyUse, SigningAlgorithm, StoredKey};
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
use zeroize::Zeroizing;

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
    let material = Material::of(algorithm, &pkcs8).ok_or(KeyError::Cryptography("a new key does not parse"))?;
    let sealed_private = sealing.seal(&material.kid, algorithm, &pkcs8)?;
    Ok(StoredKey {
        kid: material.kid,
        usage: KeyUse::Jwt,
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

impl signing_keys::Material for Material {
    const USAGE: KeyUse = KeyUse::Jwt;

    fn parse(row: &StoredKey, private: &[u8]) -> Option<Self> {
        Self::of(row.algorithm, private).filter(|material| material.kid == row.kid)
    }
}

impl Material {
    fn of(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Option<Self> {
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
