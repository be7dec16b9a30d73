//! Contract of [`TokenSigner`] and [`TokenVerifier`]. Forged headers and claims need the implementation's own keys, so
//! their tests stand with it.

use crate::domain::ids::{AgentId, CredentialId, TokenId};
use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::token::Claims;
use crate::ports::tokens::{TokenSigner, TokenVerifier};
use std::sync::Arc;
use uuid::Uuid;

/// What a suite runs on.
pub struct Parties {
    pub issuer: String,
    pub signer: Arc<dyn TokenSigner>,
    /// Reads what `signer` signs.
    pub verifier: Arc<dyn TokenVerifier>,
    /// Has the same keys under another issuer.
    pub other_issuer: Arc<dyn TokenVerifier>,
    /// Has other keys under the same issuer.
    pub other_keys: Arc<dyn TokenVerifier>,
}

/// Claims as a token of `issuer` has them.
pub fn claims(issuer: &str) -> Claims {
    let issued_at = Timestamp::from_unix_seconds(1_767_225_600);
    Claims {
        issuer: issuer.to_owned(),
        subject: AgentId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00a1)),
        audience: vec![issuer.to_owned()],
        issued_at,
        not_before: issued_at,
        expires_at: Timestamp::from_unix_seconds(1_767_229_200),
        id: TokenId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00b2)),
        scopes: ScopeSet::parse("agents:read data:read").expect("these are scopes"),
        owner: "team-a".parse().expect("this is an owner"),
        credential: CredentialId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00c3)),
        generation: 7,
    }
}

fn sign(parties: &Parties, claims: &Claims) -> String {
    parties.signer.sign(claims).expect("a key is active").0
}

/// What is signed is read again, whole.
pub fn what_is_signed_is_read(parties: &Parties) {
    let plain = claims(&parties.issuer);
    let many: Vec<String> = (0..64).map(|n| format!("resource-{n}:action.with_all-signs")).collect();
    for claims in [
        plain.clone(),
        Claims { audience: vec!["https://a.example/x".to_owned(), "urn:b".to_owned()], ..plain.clone() },
        Claims { owner: "Équipe \"Ω\" \\ / 龍 <&>".parse().expect("this is an owner"), ..plain.clone() },
        Claims { scopes: ScopeSet::parse(&many.join(" ")).expect("these are scopes"), ..plain.clone() },
        Claims { generation: i64::MAX, ..plain.clone() },
        Claims { expires_at: Timestamp::from_unix_seconds(253_402_300_799), ..plain },
    ] {
        assert_eq!(parties.verifier.read(&sign(parties, &claims)), Some(claims));
    }
}

/// Other keys read nothing of it.
pub fn other_keys_read_nothing(parties: &Parties) {
    assert_eq!(parties.other_keys.read(&sign(parties, &claims(&parties.issuer))), None);
}

/// Another issuer reads nothing of it, though it has the keys.
pub fn another_issuer_reads_nothing(parties: &Parties) {
    assert_eq!(parties.other_issuer.read(&sign(parties, &claims(&parties.issuer))), None);
}

/// Expiry and audience are the caller's to judge.
pub fn time_and_audience_are_not_judged(parties: &Parties) {
    let plain = claims(&parties.issuer);
    let long_ago = Timestamp::from_unix_seconds(1);
    let far_ahead = Timestamp::from_unix_seconds(9_999_999_999);
    for claims in [
        Claims { issued_at: long_ago, not_before: long_ago, expires_at: long_ago, ..plain.clone() },
        Claims { issued_at: far_ahead, not_before: far_ahead, expires_at: far_ahead, ..plain.clone() },
        Claims { audience: vec!["https://elsewhere.example".to_owned()], ..plain },
    ] {
        assert_eq!(parties.verifier.read(&sign(parties, &claims)), Some(claims));
    }
}

/// Any change at any place, and any second spelling, is no token.
pub fn one_spelling_is_the_token(parties: &Parties) {
    let token = sign(parties, &claims(&parties.issuer));
    let refuse = |other: &str, what: &str| assert_eq!(parties.verifier.read(other), None, "{what}");
    for (place, character) in token.char_indices() {
        let (before, after) = (&token[..place], &token[place + 1..]);
        for other in ['A', 'B', '_', '-', '.', '=', ' '] {
            if other != character {
                refuse(&format!("{before}{other}{after}"), &format!("{other:?} at {place}"));
            }
        }
        refuse(&format!("{before}{after}"), &format!("without {place}"));
        refuse(&format!("{before}A{character}{after}"), &format!("more at {place}"));
        refuse(before, &format!("cut at {place}"));
    }
    for ending in ["=", "==", "A", ".", " ", "\n", "\0", "%3D", ".x"] {
        refuse(&format!("{token}{ending}"), &format!("{ending:?} at the end"));
    }
    for beginning in [" ", "\n", "Bearer ", ".", "\u{feff}"] {
        refuse(&format!("{beginning}{token}"), &format!("{beginning:?} at the start"));
    }
    refuse(&token.to_lowercase(), "lower case");
    refuse(&token.replace('.', ".."), "doubled dots");
    refuse(&token.repeat(2), "twice");
    refuse(&"A".repeat(1_000_000), "a megabyte");
    refuse("", "nothing");
    refuse("..", "dots");
    assert!(parties.verifier.read(&token).is_some(), "the token itself still counts");
}

/// Neighbouring bits of the last character of each part are not another spelling.
pub fn tail_bits_are_fixed(parties: &Parties) {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let token = sign(parties, &claims(&parties.issuer));
    let ends = token.match_indices('.').map(|(dot, _)| dot - 1).chain([token.len() - 1]);
    for end in ends {
        for other in ALPHABET.chars().filter(|other| !token[end..].starts_with(*other)) {
            let other = format!("{}{other}{}", &token[..end], &token[end + 1..]);
            assert_eq!(parties.verifier.read(&other), None, "{other:?} at {end}");
        }
    }
}

/// A signature belongs to its own message.
pub fn parts_do_not_mix(parties: &Parties) {
    let plain = claims(&parties.issuer);
    let one = sign(parties, &plain);
    let two = sign(parties, &Claims { generation: 8, ..plain });
    let (message, _) = one.rsplit_once('.').expect("it has parts");
    let (_, signature) = two.rsplit_once('.').expect("it has parts");
    assert_eq!(parties.verifier.read(&format!("{message}.{signature}")), None);
}

/// The key set is public and has no private member.
pub fn the_key_set_is_public(parties: &Parties) {
    let set = parties.verifier.key_set();
    assert!(set.starts_with("{\"keys\":[{") && set.ends_with("}]}"), "{set}");
    for member in ["\"kty\":", "\"use\":\"sig\"", "\"alg\":", "\"kid\":"] {
        assert!(set.contains(member), "{member} is missing in {set}");
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(!set.contains(&format!("\"{member}\":")), "{member} is in {set}");
    }
}

/// One test per case; `$setup` is a function that gives [`Parties`].
#[macro_export]
macro_rules! token_contract {
    ($name:ident, $setup:expr) => {
        $crate::token_contract!(@cases $name, $setup, what_is_signed_is_read, other_keys_read_nothing,
            another_issuer_reads_nothing, time_and_audience_are_not_judged, one_spelling_is_the_token,
            tail_bits_are_fixed, parts_do_not_mix, the_key_set_is_public);
    };
    (@cases $name:ident, $setup:expr, $($case:ident),+) => {
        mod $name {
            #[allow(unused_imports, reason = "the setup names what it needs")]
            use super::*;
            $(#[test]
            fn $case() {
                $crate::contract::tokens::$case(&$setup);
            })+
        }
    };
}
