//! A root key: made, and parsed. Its name is a random number, for Biscuits have 32 bits for it and a digest of the key
//! needs more.

use crate::signing_keys::{KeyError, Material, SealingKey};
use agentidp_core::domain::key::{KeyUse, SigningAlgorithm, StoredKey};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::tokens::{KeyMaker, MakeKeyError};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use biscuit_auth::{Algorithm, KeyPair, PrivateKey, PublicKey};
use serde::Serialize;
use zeroize::Zeroizing;

/// A root key in memory.
pub struct RootKey {
    pub id: u32,
    pub pair: KeyPair,
    pub public: PublicKey,
    /// Its entry in the key set, in JSON.
    pub entry: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    key_id: u32,
    algorithm: &'static str,
    public_key: String,
}

impl RootKey {
    fn of(id: u32, private: &[u8]) -> Option<Self> {
        let pair = KeyPair::from(&PrivateKey::from_bytes(private, Algorithm::Ed25519).ok()?);
        let public = pair.public();
        let entry = Entry { key_id: id, algorithm: "ed25519", public_key: public.to_bytes_hex() };
        Some(Self { id, pair, public, entry: serde_json::to_string(&entry).ok()? })
    }
}

impl Material for RootKey {
    const USAGE: KeyUse = KeyUse::Biscuit;

    /// The row says nothing of the key but its name, to which the sealed half is bound.
    fn parse(row: &StoredKey, private: &[u8]) -> Option<Self> {
        let id = row.kid.parse::<u32>().ok().filter(|id| id.to_string() == row.kid)?;
        if row.algorithm == SigningAlgorithm::EdDsa { Self::of(id, private) } else { None }
    }
}

/// Makes a root key that signs from `active_from` on, sealed as it is stored.
///
/// # Errors
/// [`KeyError::Cryptography`], for want of randomness.
pub fn generate(sealing: &SealingKey, created_at: Timestamp, active_from: Timestamp) -> Result<StoredKey, KeyError> {
    let (mut id, mut private) = ([0; 4], Zeroizing::new([0; 32]));
    let random = SystemRandom::new();
    let filled = random.fill(&mut id).and_then(|()| random.fill(private.as_mut_slice()));
    filled.map_err(|_| KeyError::Cryptography("there is no randomness"))?;
    let key = RootKey::of(u32::from_be_bytes(id), private.as_slice());
    let key = key.ok_or(KeyError::Cryptography("a new key does not parse"))?;
    let (kid, algorithm) = (key.id.to_string(), SigningAlgorithm::EdDsa);
    Ok(StoredKey {
        sealed_private: sealing.seal(&kid, algorithm, private.as_slice())?,
        kid,
        usage: KeyUse::Biscuit,
        algorithm,
        public_jwk: key.entry,
        master_key_id: sealing.key_id().to_owned(),
        created_at,
        active_from,
        revoked_at: None,
    })
}

/// Makes root keys under one master key.
#[derive(Debug)]
pub struct RootKeyFactory {
    pub sealing: SealingKey,
}

impl KeyMaker for RootKeyFactory {
    fn make(&self, created_at: Timestamp, active_from: Timestamp) -> Result<StoredKey, MakeKeyError> {
        generate(&self.sealing, created_at, active_from).map_err(|error| MakeKeyError(Box::new(error)))
    }
}
