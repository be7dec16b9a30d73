//! Signing.

use super::keys::PrivateKey;
use super::{KeyRing, MAX_TOKEN_BYTES, claims, low_s};
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::tokens::{SignError, TokenSigner, TokenText};
use autometrics::autometrics;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[autometrics]
impl TokenSigner for KeyRing {
    fn sign(&self, claims: &Claims) -> Result<TokenText, SignError> {
        let wrong = |what: &str| SignError(what.to_owned());
        let key = self.signing().ok_or_else(|| wrong("no signing key is active"))?;
        let json = claims::write(claims).ok_or_else(|| wrong("the claims cannot be written"))?;
        // What this ring would not read is not issued.
        claims::read(&json, self.issuer()).ok_or_else(|| wrong("the claims are not those of a token"))?;
        let mut token = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(json));
        let signature = sign(&key.private, token.as_bytes()).ok_or_else(|| wrong("the key does not sign"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_TOKEN_BYTES { Err(wrong("the token is too long")) } else { Ok(TokenText(token)) }
    }
}

fn sign(key: &PrivateKey, message: &[u8]) -> Option<Vec<u8>> {
    match key {
        PrivateKey::Es256(pair) => {
            let mut signature = pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec();
            low_s::lower(&mut signature);
            Some(signature)
        }
        PrivateKey::EdDsa(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        PrivateKey::Rs256(pair) => sign_rsa(pair, &RSA_PKCS1_SHA256, message),
        PrivateKey::Ps256(pair) => sign_rsa(pair, &RSA_PSS_SHA256, message),
    }
}

fn sign_rsa(pair: &RsaKeyPair, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}
