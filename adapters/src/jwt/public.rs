//! The public half of a key: as a JWK (RFC 7517), as its thumbprint (RFC 7638), and as what checks signatures.

use agentidp_core::domain::key::SigningAlgorithm;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Serialize;

/// Length of a coordinate of P-256, in bytes.
const COORDINATE: usize = 32;

/// The members of a JWK that make up the key, in the alphabetical order of RFC 7638 §3.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum PublicKey {
    Ec { crv: &'static str, kty: &'static str, x: String, y: String },
    Okp { crv: &'static str, kty: &'static str, x: String },
    Rsa { e: String, kty: &'static str, n: String },
}

#[derive(Serialize)]
struct Jwk<'a> {
    #[serde(flatten)]
    key: &'a PublicKey,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: &'a str,
}

impl PublicKey {
    /// The public half of an ECDSA key; none if it is not on P-256.
    pub fn of_ec(pair: &EcdsaKeyPair) -> Option<(Self, DecodingKey)> {
        let point = pair.public_key().as_ref();
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(COORDINATE)?;
        let key = Self::Ec { crv: "P-256", kty: "EC", x: encode(x), y: encode(y) };
        (y.len() == COORDINATE).then(|| (key, DecodingKey::from_ec_der(point)))
    }

    /// The public half of an Ed25519 key.
    pub fn of_ed(pair: &Ed25519KeyPair) -> (Self, DecodingKey) {
        let bytes = pair.public_key().as_ref();
        (Self::Okp { crv: "Ed25519", kty: "OKP", x: encode(bytes) }, DecodingKey::from_ed_der(bytes))
    }

    /// The public half of an RSA key.
    pub fn of_rsa(pair: &RsaKeyPair) -> (Self, DecodingKey) {
        let public = pair.public_key();
        let n = encode(public.modulus().big_endian_without_leading_zero());
        let e = encode(public.exponent().big_endian_without_leading_zero());
        (Self::Rsa { e, kty: "RSA", n }, DecodingKey::from_rsa_der(public.as_ref()))
    }

    /// SHA-256 over the members that make up the key, in base64url: its `kid`.
    pub fn thumbprint(&self) -> Option<String> {
        let canonical = serde_json::to_vec(self).ok()?;
        Some(encode(digest(&SHA256, &canonical).as_ref()))
    }

    /// The JWK, in JSON.
    pub fn jwk(&self, kid: &str, algorithm: SigningAlgorithm) -> Option<String> {
        serde_json::to_string(&Jwk { key: self, usage: "sig", alg: algorithm.as_str(), kid }).ok()
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_those_of_the_rfc() {
        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
                 oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA\
                 ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-\
                 kEgU8awapJzKnqDKgw";
        let key = PublicKey::Rsa { e: "AQAB".to_owned(), kty: "RSA", n: n.to_owned() };
        assert_eq!(key.thumbprint().unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let key = PublicKey::Okp { crv: "Ed25519", kty: "OKP", x };
        assert_eq!(key.thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
