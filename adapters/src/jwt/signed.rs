//! Tokens whose signature was right once, which it then is for ever: the dearest part of reading one. Nothing else is
//! remembered. Whether the key still verifies and whether the token lives is asked each time.

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;

/// Most tokens of one key; those used least go first.
const MOST: u64 = 10_000;

/// The tokens of one key, by SHA-256 of all of their text.
pub struct SignedTokens(Cache<[u8; 32], ()>);

impl Default for SignedTokens {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl SignedTokens {
    /// Whether `token` is signed, which `check` finds out if it is not known. What is not signed is not remembered.
    pub fn know(&self, token: &str, check: impl FnOnce() -> bool) -> bool {
        let digest = digest(&SHA256, token.as_bytes());
        let Ok(key) = <[u8; 32]>::try_from(digest.as_ref()) else { return check() };
        if self.0.get(&key).is_some() {
            return true;
        }
        let signed = check();
        if signed {
            self.0.insert(key, ());
        }
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_signed_is_remembered_and_byte_for_byte() {
        let signed = SignedTokens::default();
        assert!(!signed.know("a.b.c", || false));
        assert!(signed.know("a.b.c", || true), "a refusal is not remembered");
        assert!(signed.know("a.b.c", || panic!("it is known")));
        for other in ["a.b.C", "a.b.c=", "a.b.", "A.b.c"] {
            assert!(!signed.know(other, || false), "{other}");
        }
    }
}
