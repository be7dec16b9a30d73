//! Contract of [`BiscuitMinter`] and [`BiscuitReader`]. Forged envelopes and blocks that cost too much need the
//! implementation's own tools, so their tests stand with it.

use super::tokens::claims;
use crate::domain::ids::TokenId;
use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::token::Claims;
use crate::ports::biscuits::{BiscuitMinter, BiscuitReader, ReadBiscuit, RequestFacts};
use std::sync::Arc;
use uuid::Uuid;

/// What a suite runs on.
pub struct Parties {
    pub issuer: String,
    pub minter: Arc<dyn BiscuitMinter>,
    /// Reads what `minter` mints.
    pub reader: Arc<dyn BiscuitReader>,
    /// Has the same keys under another issuer.
    pub other_issuer: Arc<dyn BiscuitReader>,
    /// Has other keys under the same issuer.
    pub other_keys: Arc<dyn BiscuitReader>,
    /// Adds a block of this Datalog to a Biscuit, as its holder does.
    pub attenuate: fn(&str, &str) -> String,
}

const TARGET: &str = "0198c0de-0000-7000-8000-0000000000d4";

fn parent() -> TokenId {
    TokenId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00e5))
}

fn mint(parties: &Parties, claims: &Claims) -> String {
    parties.minter.mint(claims, parent()).expect("a key is active").0
}

fn plain(parties: &Parties) -> String {
    mint(parties, &claims(&parties.issuer))
}

fn read(parties: &Parties, token: &str) -> ReadBiscuit {
    parties.reader.read(token).expect("it is a Biscuit")
}

/// What a request says a minute after the issue.
fn facts(parties: &Parties) -> RequestFacts {
    RequestFacts {
        operation: Some("getAgent".to_owned()),
        target: Some(TARGET.to_owned()),
        resource: Some(parties.issuer.clone()),
        time: Timestamp::from_unix_seconds(1_767_225_660),
    }
}

/// Asks again while nothing is known, as a client does that is answered 503.
fn passing(parties: &Parties, token: &str, facts: &RequestFacts) -> String {
    let checks = read(parties, token).checks;
    let decided = (0..100).find_map(|_| checks.passing(facts).ok());
    decided.expect("it is decided at last").to_string()
}

/// What is minted is read again, whole.
pub fn what_is_minted_is_read(parties: &Parties) {
    let plain = claims(&parties.issuer);
    for claims in [
        plain.clone(),
        Claims { audience: vec!["https://a.example/x".to_owned(), "urn:b".to_owned()], ..plain.clone() },
        Claims { owner: "Équipe \"Ω\" \\ / 龍 <&>".parse().expect("this is an owner"), ..plain.clone() },
        Claims { generation: i64::MAX, ..plain.clone() },
        Claims { expires_at: Timestamp::from_unix_seconds(253_402_300_799), ..plain.clone() },
        largest(&plain),
    ] {
        let found = read(parties, &mint(parties, &claims));
        assert_eq!((found.claims, found.parent, found.blocks.len()), (claims, parent(), 1));
    }
}

/// As much as an agent and a request may ask for.
fn largest(plain: &Claims) -> Claims {
    let scopes: Vec<String> =
        (10..74).map(|n| format!("{}:{}", "r".repeat(30), "a".repeat(31) + &n.to_string())).collect();
    let audience = (0..8).map(|n| format!("https://{}.example/{n}", "h".repeat(238))).collect();
    let owner = "o".repeat(128).parse().expect("this is an owner");
    Claims { scopes: ScopeSet::parse(&scopes.join(" ")).expect("these are scopes"), audience, owner, ..plain.clone() }
}

/// The largest Biscuit can still be attenuated, and is decided.
pub fn the_largest_is_decided(parties: &Parties) {
    let claims = largest(&claims(&parties.issuer));
    let token = (parties.attenuate)(&mint(parties, &claims), "check if requested($s), $s.ends_with(\"42\")");
    assert_eq!(passing(parties, &token, &facts(parties)).matches(' ').count(), 0);
    assert!(passing(parties, &token, &facts(parties)).ends_with("42"));
}

/// Other keys read nothing of it, and neither does another issuer, though it has the keys.
pub fn others_read_nothing(parties: &Parties) {
    let token = plain(parties);
    assert!(parties.other_keys.read(&token).is_none());
    assert!(parties.other_issuer.read(&token).is_none());
}

/// No character can be changed, added or taken away.
pub fn one_spelling_is_the_biscuit(parties: &Parties) {
    let token = (parties.attenuate)(&plain(parties), "check if true");
    let refuse = |other: &str, what: &str| assert!(parties.reader.read(other).is_none(), "{what}");
    for (place, character) in token.char_indices() {
        let (before, after) = (&token[..place], &token[place + 1..]);
        for other in ['A', '_', '+', '='] {
            if other != character {
                refuse(&format!("{before}{other}{after}"), &format!("{other:?} at {place}"));
            }
        }
        refuse(before, &format!("cut at {place}"));
    }
    for ending in ["=", "==", "A", "AAAA", ".", " ", "\n", "%3D"] {
        refuse(&format!("{token}{ending}"), &format!("{ending:?} at the end"));
    }
    for other in [token.trim_end_matches('=').to_owned() + "A", token.repeat(2), "A".repeat(1_000_000), String::new()] {
        refuse(&other, "another text");
    }
    let bare = token.trim_end_matches('=');
    if bare != token {
        refuse(bare, "without padding");
    }
    refuse(&format!(" {token}"), "a space before");
}

/// Each block has an id, and what is derived keeps those that were there.
pub fn derived_biscuits_keep_the_ids(parties: &Parties) {
    let first = plain(parties);
    let (left, right) = ((parties.attenuate)(&first, "check if true"), (parties.attenuate)(&first, "check if true"));
    let (first, left, right) =
        (read(parties, &first).blocks, read(parties, &left).blocks, read(parties, &right).blocks);
    assert_eq!((first.len(), left.len(), right.len()), (1, 2, 2));
    assert_eq!((&left[0], &right[0]), (&first[0], &first[0]));
    assert_ne!(left[1], right[1]);
    assert_ne!(read(parties, &plain(parties)).blocks, first, "two with the same claims are two");
    assert!(left.iter().all(|id| id.len() == 128 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
}

/// Without checks it has all its scopes, up to its end and not at it.
pub fn its_end_is_the_first_check(parties: &Parties) {
    let claims = claims(&parties.issuer);
    for token in [plain(parties), (parties.attenuate)(&plain(parties), "check if true")] {
        let at = |time| passing(parties, &token, &RequestFacts { time, ..facts(parties) });
        let last = Timestamp::from_unix_millis(claims.expires_at.unix_millis() - 1);
        assert_eq!(at(last), "agents:read data:read");
        assert_eq!(at(claims.expires_at), "");
    }
}

/// A check sees the facts of the request, one candidate and the first block.
pub fn checks_narrow(parties: &Parties) {
    for (check, left) in [
        ("check if requested($s), [\"data:read\"].contains($s)", "data:read"),
        ("check if requested(\"agents:read\"); check if requested(\"data:read\")", ""),
        ("check if requested($s), $s == \"agents:read\" || $s == \"data:read\"", "agents:read data:read"),
        ("check if requested($s), scope($s)", "agents:read data:read"),
        ("check if operation(\"getAgent\")", "agents:read data:read"),
        ("check if operation($o), [\"listAgents\", \"updateAgent\"].contains($o)", ""),
        ("check if target($a), $a == \"0198c0de-0000-7000-8000-0000000000d4\"", "agents:read data:read"),
        ("check if target($a), $a == \"0198c0de-0000-7000-8000-0000000000ff\"", ""),
        ("check if resource($r), $r.starts_with(\"https://\")", "agents:read data:read"),
        ("check if resource(\"https://elsewhere.example\")", ""),
        ("check if time($t), $t < 2026-01-01T00:01:01Z", "agents:read data:read"),
        ("check if time($t), $t < 2026-01-01T00:01:00Z", ""),
        ("check all requested($s), $s == \"data:read\"", "data:read"),
        ("reject if requested(\"data:read\")", "agents:read"),
        ("check if unknown($x)", ""),
        ("check if operation($o), $o > 7", ""),
    ] {
        let token = (parties.attenuate)(&plain(parties), check);
        assert_eq!(passing(parties, &token, &facts(parties)), left, "{check}");
        let token = (parties.attenuate)(&token, "check if true");
        assert_eq!(passing(parties, &token, &facts(parties)), left, "{check}, in a block between");
    }
}

/// A check on what the request does not say fails.
pub fn a_fact_that_is_not_there_fails(parties: &Parties) {
    let silent = RequestFacts { operation: None, target: None, resource: None, ..facts(parties) };
    for check in ["check if operation($x)", "check if target($x)", "check if resource($x)"] {
        let token = (parties.attenuate)(&plain(parties), check);
        assert_eq!(passing(parties, &token, &facts(parties)), "agents:read data:read", "{check}");
        assert_eq!(passing(parties, &token, &silent), "", "{check}");
    }
}

/// What a holder states passes no check of others, gives no scope and changes no claim.
pub fn stated_facts_count_for_nothing(parties: &Parties) {
    let text = |name: &str, value: &str| format!("{name}(\"{value}\")");
    let id = "0198c0de-0000-7000-8000-00000000ffff";
    let mut stated: Vec<String> =
        ["agent", "token", "parent", "credential", "target"].map(|name| text(name, id)).to_vec();
    stated.extend([text("owner", "system"), text("issuer", "x:y"), text("audience", "x:y"), text("resource", "x:y")]);
    stated.extend(["admin:all", "data:write"].map(|scope| text("scope", scope)));
    stated.extend(["admin:all", "data:read"].map(|scope| text("requested", scope)));
    stated.push(text("operation", "listAgents"));
    stated.extend(["time", "issued", "expires"].map(|name| format!("{name}(2099-01-01T00:00:00Z)")));
    stated.push("generation(99)".to_owned());
    let narrow = "check if requested(\"agents:read\"); check if operation(\"getAgent\"); check if time($t), $t < 2026-02-01T00:00:00Z";
    let narrowed = (parties.attenuate)(&plain(parties), narrow);
    let forged = (parties.attenuate)(&narrowed, &stated.join(";"));
    let found = read(parties, &forged);
    assert_eq!((found.claims, found.parent), (claims(&parties.issuer), parent()));
    assert_eq!(passing(parties, &forged, &facts(parties)), "agents:read");
    for statement in &stated {
        let name = statement.split('(').next().expect("a name");
        let check = format!("check if {name}($x), $x == {}", &statement[name.len() + 1..statement.len() - 1]);
        let narrowed = (parties.attenuate)(&plain(parties), &check);
        let plainly = passing(parties, &narrowed, &facts(parties));
        let forged = (parties.attenuate)(&narrowed, statement);
        assert_eq!(passing(parties, &forged, &facts(parties)), plainly, "{statement}");
        assert!(!plainly.contains("admin") && !plainly.contains("write"), "{statement}");
    }
    let late = RequestFacts { time: Timestamp::from_unix_seconds(1_767_229_200), ..facts(parties) };
    let forged = (parties.attenuate)(&plain(parties), "time(2026-01-01T00:00:01Z)");
    assert_eq!(passing(parties, &forged, &late), "", "its end does not move");
}

/// The key set is public.
pub fn the_key_set_names_the_key(parties: &Parties) {
    let set = parties.reader.key_set();
    assert!(set.starts_with("{\"keys\":[{\"keyId\":") && set.ends_with("\"}]}"), "{set}");
    assert!(set.contains("\"algorithm\":\"ed25519\",\"publicKey\":\""), "{set}");
}

/// One test per case; `$setup` is a function that gives [`Parties`].
#[macro_export]
macro_rules! biscuit_contract {
    ($name:ident, $setup:expr) => {
        $crate::biscuit_contract!(@cases $name, $setup, what_is_minted_is_read, the_largest_is_decided,
            others_read_nothing, one_spelling_is_the_biscuit, derived_biscuits_keep_the_ids, its_end_is_the_first_check,
            checks_narrow, a_fact_that_is_not_there_fails, stated_facts_count_for_nothing, the_key_set_names_the_key);
    };
    (@cases $name:ident, $setup:expr, $($case:ident),+) => {
        mod $name {
            #[allow(unused_imports, reason = "the setup names what it needs")]
            use super::*;
            $(#[test]
            fn $case() {
                $crate::contract::biscuits::$case(&$setup);
            })+
        }
    };
}
