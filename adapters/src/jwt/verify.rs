//! Reading.

use super::keys::Material;
use super::{KeyRing, MAX_TOKEN_BYTES, claims, low_s};
use agentidp_core::domain::key::SigningAlgorithm;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::tokens::TokenVerifier;
use autometrics::autometrics;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

#[autometrics]
impl TokenVerifier for KeyRing {
    /// The header is never parsed: it is one of those that this ring writes, which names key, algorithm and type, or
    /// the token is none of ours. So no `alg`, `jku`, `x5u`, `jwk`, `crit` or path in `kid` has anyone to talk to.
    fn read(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let key = self.find(|key| key.header == header)?;
        if !key.signed.know(token, || is_signed(&key, message, signature)) {
            return None;
        }
        claims::read(&URL_SAFE_NO_PAD.decode(payload).ok()?, self.issuer())
    }

    #[skip_autometrics]
    fn key_set(&self) -> String {
        let keys = self.verifying();
        let jwks: Vec<&str> = keys.iter().map(|key| key.jwk.as_str()).collect();
        format!("{{\"keys\":[{}]}}", jwks.join(","))
    }
}

/// The algorithm is that of the key. The decoder takes the unpadded spelling with zero tail bits and no other.
fn is_signed(key: &Material, message: &str, signature: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let algorithm = match key.algorithm {
        SigningAlgorithm::Es256 if !low_s::is_low(&bytes) => return false,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
        SigningAlgorithm::Ps256 => Algorithm::PS256,
    };
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.public, algorithm).unwrap_or(false)
}
