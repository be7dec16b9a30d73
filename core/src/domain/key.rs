//! Signing keys of tokens. Each use has keys of its own, and what a key does hangs on those of its use alone.

use super::text::closed_set;
use super::time::Timestamp;
use std::time::Duration;

/// How long a new key is published before it signs: as long as a key set may be cached, and what a server takes to
/// learn of the key.
pub const PUBLISHED_AHEAD: Duration = Duration::from_secs(300 + 5);
/// How long a key verifies after others took its place: as long as the longest token lives, and some room for clocks.
pub const VERIFIES_ON: Duration = Duration::from_secs(86_400 + 300);

closed_set!(
    /// What a key signs.
    KeyUse {
        /// Access tokens.
        Jwt = "jwt",
        /// First blocks of Biscuits: a root key.
        Biscuit = "biscuit",
    }
);

closed_set!(
    /// Signature algorithms (RFC 7518 §3.1, RFC 8037).
    SigningAlgorithm { Es256 = "ES256", EdDsa = "EdDSA", Rs256 = "RS256", Ps256 = "PS256" }
);

closed_set!(
    /// What a key does at a moment.
    KeyState {
        /// It is in the key set and will sign.
        Published = "published",
        Signs = "signs",
        /// Another one signs; this one verifies.
        Retired = "retired",
        /// Every token that it signed is over: it left the key set for good.
        Ended = "ended",
        Revoked = "revoked",
    }
);

/// A signing key as it is stored: the private half only sealed under the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// `kid` of JWS headers and of the key set (RFC 7638 thumbprint), or the root key id of Biscuits in decimal digits.
    pub kid: String,
    pub usage: KeyUse,
    pub algorithm: SigningAlgorithm,
    /// The public half as its key set has it, in JSON: a JWK (RFC 7517), or an entry of the Biscuit keys.
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

impl StoredKey {
    /// By what a newer key is told from an older one.
    pub fn age(&self) -> (Timestamp, Timestamp, &str) {
        (self.active_from, self.created_at, &self.kid)
    }

    /// What the key does at `now`, beside all others of its use. The newest one signs of those that may. A key whose
    /// successors are all revoked signs again, unless it has left the key set: from there is no way back.
    pub fn state(&self, all: &[Self], now: Timestamp) -> KeyState {
        if self.is_revoked(now) {
            return KeyState::Revoked;
        }
        let newer = |key: &&Self| key.usage == self.usage && key.age() > self.age() && key.active_from <= now;
        let successors: Vec<&Self> = all.iter().filter(newer).collect();
        if longest_reign(&successors, now) >= VERIFIES_ON {
            KeyState::Ended
        } else if self.active_from > now {
            KeyState::Published
        } else if successors.iter().any(|key| !key.is_revoked(now)) {
            KeyState::Retired
        } else {
            KeyState::Signs
        }
    }

    fn is_revoked(&self, now: Timestamp) -> bool {
        self.revoked_at.is_some_and(|at| at <= now)
    }
}

/// The newest of the keys of this use that sign at `now` or will.
pub fn newest(keys: &[StoredKey], usage: KeyUse, now: Timestamp) -> Option<&StoredKey> {
    let serves =
        |key: &&StoredKey| key.usage == usage && matches!(key.state(keys, now), KeyState::Published | KeyState::Signs);
    keys.iter().filter(serves).max_by(|a, b| a.age().cmp(&b.age()))
}

/// The longest time up to `now` in which at least one of the keys could sign, without a break.
fn longest_reign(keys: &[&StoredKey], now: Timestamp) -> Duration {
    let end = |key: &StoredKey| key.revoked_at.map_or(now, |at| at.min(now));
    let mut reigns: Vec<_> =
        keys.iter().map(|key| (key.active_from, end(key))).filter(|(from, to)| from <= to).collect();
    reigns.sort_unstable();
    let mut longest = Duration::ZERO;
    let mut reign: Option<(Timestamp, Timestamp)> = None;
    for (from, to) in reigns {
        let (since, until) = reign.filter(|(_, until)| from <= *until).unwrap_or((from, to));
        let until = until.max(to);
        longest = longest.max(until.since(since));
        reign = Some((since, until));
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_700;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_000_000).after(Duration::from_secs(seconds))
    }

    fn key(kid: &str, active_from: u64, revoked_at: Option<u64>) -> StoredKey {
        StoredKey {
            kid: kid.to_owned(),
            usage: KeyUse::Jwt,
            algorithm: SigningAlgorithm::Es256,
            public_jwk: String::new(),
            sealed_private: Vec::new(),
            master_key_id: String::new(),
            created_at: at(0),
            active_from: at(active_from),
            revoked_at: revoked_at.map(at),
        }
    }

    fn states(keys: &[StoredKey], seconds: u64) -> Vec<&'static str> {
        keys.iter().map(|key| key.state(keys, at(seconds)).as_str()).collect()
    }

    #[test]
    fn a_key_is_published_signs_is_retired_and_ends() {
        let keys = [key("a", 0, None), key("b", 305, None)];
        assert_eq!(states(&keys, 304), ["signs", "published"]);
        assert_eq!(states(&keys, 305), ["retired", "signs"]);
        assert_eq!(states(&keys, 305 + DAY - 1), ["retired", "signs"]);
        assert_eq!(states(&keys, 305 + DAY), ["ended", "signs"]);
    }

    #[test]
    fn the_newest_key_is_one_that_signs_or_will() {
        let newest =
            |keys: &[StoredKey], seconds| super::newest(keys, KeyUse::Jwt, at(seconds)).map(|key| key.kid.clone());
        assert_eq!(newest(&[], 0), None);
        let keys = [key("a", 0, None), key("b", 305, None), key("c", 610, Some(20))];
        assert_eq!(newest(&keys[..1], 0).as_deref(), Some("a"));
        assert_eq!(newest(&keys, 0).as_deref(), Some("c"));
        assert_eq!(newest(&keys, 20).as_deref(), Some("b"), "one that is revoked counts no more");
    }

    #[test]
    fn a_key_signs_again_when_its_successors_are_revoked() {
        let keys = [key("a", 0, None), key("b", 10, Some(20)), key("c", 15, Some(30))];
        assert_eq!(states(&keys, 29), ["retired", "revoked", "signs"]);
        assert_eq!(states(&keys, 30), ["signs", "revoked", "revoked"]);
        // It signed at 30, so its tokens count from there.
        let keys = [keys.as_slice(), &[key("d", 10 + DAY, None)]].concat();
        assert_eq!(states(&keys, 10 + DAY)[0], "retired");
        assert_eq!(states(&keys, 9 + 2 * DAY)[0], "retired");
        assert_eq!(states(&keys, 10 + 2 * DAY)[0], "ended");
    }

    #[test]
    fn what_ended_does_not_come_back() {
        let keys = [key("a", 0, None), key("b", 10, Some(9 + DAY)), key("c", 20, Some(11 + DAY))];
        assert_eq!(states(&keys, 9 + DAY), ["retired", "revoked", "signs"]);
        assert_eq!(states(&keys, 11 + DAY), ["ended", "revoked", "revoked"]);
    }

    #[test]
    fn a_key_of_another_use_changes_nothing() {
        let other = StoredKey { usage: KeyUse::Biscuit, ..key("b", 10, None) };
        let keys = [key("a", 0, None), other];
        assert_eq!(states(&keys, 11), ["signs", "signs"]);
        assert_eq!(states(&keys, 11 + DAY), ["signs", "signs"]);
    }

    #[test]
    fn a_key_that_was_revoked_before_it_signed_succeeds_nobody() {
        let keys = [key("a", 0, None), key("b", 305, Some(100))];
        assert_eq!(states(&keys, 305 + 2 * DAY), ["signs", "revoked"]);
    }
}
