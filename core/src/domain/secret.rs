//! Client secrets: how those made here look, and how one is taken from a request.
//!
//! `aidp_` + 22 base62 characters (the credential's id) + `_` + 43 base62 characters (more than 256 random bits) +
//! 6 base62 characters (CRC-32 of all before it). Scanners find leaked secrets by the form, and garbage is refused
//! before any look-up. The prefix is a promise to those scanners: it never changes.

use super::ids::CredentialId;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

/// What every secret made here begins with.
pub const SECRET_PREFIX: &str = "aidp_";
/// Random characters drawn for a secret; 62^43 > 2^256.
pub const RANDOM_CHARACTERS: usize = 43;
/// Longest secret of a legacy credential, in bytes: bcrypt reads no further.
pub const LEGACY_MAX_BYTES: usize = 72;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 22;
const CHECKSUM_LENGTH: usize = 6;
const TOTAL_LENGTH: usize = SECRET_PREFIX.len() + ID_LENGTH + 1 + RANDOM_CHARACTERS + CHECKSUM_LENGTH;

/// A secret made here, in plain text. It is shown once and wiped when dropped; `Debug` prints nothing of it.
#[derive(Debug)]
pub struct IssuedSecret(SecretString);

/// A secret that a client presented, of either form.
#[derive(Debug)]
pub struct PresentedSecret {
    text: SecretString,
    credential: Option<CredentialId>,
}

impl IssuedSecret {
    /// Makes the secret of a credential from random bytes, of which `draw` gives one at a time.
    pub fn generate(credential: CredentialId, mut draw: impl FnMut() -> u8) -> Self {
        let mut text = String::with_capacity(TOTAL_LENGTH);
        text.push_str(SECRET_PREFIX);
        push_base62(&mut text, credential.uuid().as_u128(), ID_LENGTH);
        text.push('_');
        for _ in 0..RANDOM_CHARACTERS {
            text.push(random_character(&mut draw));
        }
        let checksum = crc32fast::hash(text.as_bytes());
        push_base62(&mut text, u128::from(checksum), CHECKSUM_LENGTH);
        Self(SecretString::from(text))
    }

    /// The plain text, for the one answer that shows it and for the backend that keeps it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PresentedSecret {
    /// Takes what a client sent. Any text is taken: whether it has the form of a secret made here is asked later.
    pub fn new(text: String) -> Self {
        let credential = credential_of(&text);
        Self { text: SecretString::from(text), credential }
    }

    /// The credential that the secret names, if it has the form of one made here and its checksum holds.
    pub fn credential(&self) -> Option<CredentialId> {
        self.credential
    }

    /// Whether it may be the secret of a legacy credential.
    pub fn may_be_legacy(&self) -> bool {
        (1..=LEGACY_MAX_BYTES).contains(&self.expose().len()) && !self.expose().contains('\0')
    }

    /// The plain text, for the backend that compares it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

/// Bytes from 248 on would make the first characters of the alphabet likelier: they are drawn again.
fn random_character(draw: &mut impl FnMut() -> u8) -> char {
    loop {
        let byte = draw();
        if byte < 248 {
            return digit(u128::from(byte % 62));
        }
    }
}

fn digit(value: u128) -> char {
    usize::try_from(value).ok().and_then(|index| ALPHABET.get(index)).map_or('0', |byte| char::from(*byte))
}

/// Appends `value` in base 62, most significant digit first, filled with zeros to `width`.
fn push_base62(text: &mut String, value: u128, width: usize) {
    let mut rest = value;
    let mut digits = Vec::with_capacity(width);
    for _ in 0..width {
        digits.push(digit(rest % 62));
        rest /= 62;
    }
    text.extend(digits.iter().rev());
}

fn parse_base62(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |sum, byte| {
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        sum.checked_mul(62)?.checked_add(u128::try_from(value).ok()?)
    })
}

fn credential_of(text: &str) -> Option<CredentialId> {
    if text.len() != TOTAL_LENGTH || !text.is_ascii() {
        return None;
    }
    let (body, checksum) = text.split_at_checked(TOTAL_LENGTH.checked_sub(CHECKSUM_LENGTH)?)?;
    if parse_base62(checksum)? != u128::from(crc32fast::hash(body.as_bytes())) {
        return None;
    }
    let (id, random) = body.strip_prefix(SECRET_PREFIX)?.split_once('_')?;
    (id.len() == ID_LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then(|| parse_base62(id))
        .flatten()
        .map(|id| CredentialId::new(Uuid::from_u128(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(seed: u8) -> String {
        let id = CredentialId::new(Uuid::from_u128(u128::MAX));
        let mut next = seed;
        IssuedSecret::generate(id, || {
            next = next.wrapping_mul(5).wrapping_add(113);
            next
        })
        .expose()
        .to_owned()
    }

    #[test]
    fn what_is_made_is_recognised_and_names_its_credential() {
        let text = secret(1);
        assert_eq!(text.len(), 77);
        assert_eq!(PresentedSecret::new(text).credential(), Some(CredentialId::new(Uuid::from_u128(u128::MAX))));
    }

    #[test]
    fn any_single_change_is_noticed() {
        let text = secret(2);
        for position in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[position] = if other[position] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(PresentedSecret::new(other).credential(), None, "position {position}");
        }
        for other in [format!("{text} "), text[1..].to_owned(), text.to_uppercase(), String::new()] {
            assert_eq!(PresentedSecret::new(other).credential(), None);
        }
    }

    #[test]
    fn an_id_beyond_128_bits_is_refused() {
        let body = format!("aidp_{}_{}", "z".repeat(22), "a".repeat(43));
        let mut text = body.clone();
        push_base62(&mut text, u128::from(crc32fast::hash(body.as_bytes())), 6);
        assert_eq!(PresentedSecret::new(text).credential(), None);
    }

    #[test]
    fn every_character_is_equally_likely() {
        let mut counts = [0_u32; 62];
        let mut byte = 0_u8;
        for _ in 0..248 {
            let character = random_character(&mut || {
                byte = byte.wrapping_add(1);
                byte
            });
            counts[ALPHABET.iter().position(|known| char::from(*known) == character).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| *count == 4));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let text = secret(3);
        let random = &text[30..];
        let id = CredentialId::new(Uuid::from_u128(1));
        assert!(!format!("{:?}", PresentedSecret::new(text.clone())).contains(random));
        assert!(!format!("{:?}", IssuedSecret::generate(id, || 7)).contains("aidp_"));
    }
}
