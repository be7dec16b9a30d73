//! Signing keys of tokens.

use super::text::closed_set;
use super::time::Timestamp;

closed_set!(
    /// Signature algorithms (RFC 7518 §3.1, RFC 8037).
    SigningAlgorithm { Es256 = "ES256", EdDsa = "EdDSA", Rs256 = "RS256", Ps256 = "PS256" }
);

/// A signing key as it is stored: the private half only sealed under the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// `kid` of JWS headers and of the key set (RFC 7638 thumbprint).
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// The public half as a JWK (RFC 7517), in JSON.
    pub public_jwk: String,
    /// PKCS #8, sealed by AES-256-GCM.
    pub sealed_private: Vec<u8>,
    /// Which master key seals it.
    pub master_key_id: String,
    pub created_at: Timestamp,
    /// From when it signs.
    pub active_from: Timestamp,
    /// From when it neither signs nor verifies.
    pub revoked_at: Option<Timestamp>,
}
