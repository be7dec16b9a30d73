#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! Biscuits that nobody minted, that cost too much, and many good ones at once.

#[path = "support/biscuit.rs"]
mod support;

use agentidp_adapters::biscuit::{BiscuitRing, MAX_BYTES};
use agentidp_core::contract::tokens::claims;
use agentidp_core::domain::ids::TokenId;
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::biscuits::{BiscuitMinter, BiscuitReader, RequestFacts, Undecided};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use biscuit_auth::builder::Algorithm;
use biscuit_auth::format::schema;
use biscuit_auth::{Biscuit, BiscuitBuilder, BlockBuilder, KeyPair, PublicKey, UnverifiedBiscuit};
use prost::Message;
use std::sync::Arc;
use support::{ISSUER, attenuate, ring, root};

fn minted() -> (Arc<BiscuitRing>, String) {
    let ring = ring(&[root()], ISSUER);
    let token = ring.mint(&claims(ISSUER), TokenId::new(uuid::Uuid::from_u128(7))).unwrap().0;
    (ring, token)
}

fn facts() -> RequestFacts {
    RequestFacts { operation: None, target: None, resource: None, time: Timestamp::from_unix_seconds(1_767_225_660) }
}

/// The token with its envelope changed, in the form that it is written in.
fn enveloped(token: &str, change: impl FnOnce(&mut schema::Biscuit)) -> String {
    let mut envelope = schema::Biscuit::decode(URL_SAFE.decode(token).unwrap().as_slice()).unwrap();
    change(&mut envelope);
    URL_SAFE.encode(envelope.encode_to_vec())
}

#[test]
fn another_envelope_is_no_biscuit() {
    let (ring, token) = minted();
    assert!(ring.read(&enveloped(&token, |_| {})).is_some());
    let changed = |change: fn(&mut schema::Biscuit)| enveloped(&token, change);
    let attenuated = attenuate(&token, "check if requested(\"data:read\")");
    for (what, forged) in [
        ("no key id", changed(|envelope| envelope.root_key_id = None)),
        ("an unknown key id", changed(|envelope| envelope.root_key_id = envelope.root_key_id.map(|id| id ^ 1))),
        ("no proof", changed(|envelope| envelope.proof.content = None)),
        (
            "another proof",
            changed(|envelope| {
                envelope.proof.content = Some(schema::proof::Content::NextSecret(vec![7; 32]));
            }),
        ),
        ("a short signature", changed(|envelope| envelope.authority.signature.truncate(63))),
        ("a version that it was not signed in", changed(|envelope| envelope.authority.version = Some(1))),
        ("a version that nobody knows", changed(|envelope| envelope.authority.version = Some(99))),
        ("a block that is taken away", enveloped(&attenuated, |envelope| envelope.blocks.clear())),
        (
            "a block that is doubled",
            enveloped(&attenuated, |envelope| {
                let again = envelope.blocks.clone();
                envelope.blocks.extend(again);
            }),
        ),
    ] {
        assert!(ring.read(&forged).is_none(), "{what}");
    }
    let bytes = URL_SAFE.decode(&token).unwrap();
    for (what, other) in [
        ("an unknown field", [bytes.as_slice(), &[0x7a, 0x01, 0x00]].concat()),
        ("a field twice", [bytes.as_slice(), &[0x08, 0x01]].concat()),
        ("nothing", vec![]),
        ("zeros", vec![0; 300]),
    ] {
        assert!(ring.read(&URL_SAFE.encode(other)).is_none(), "{what}");
    }
    let other_alphabet = STANDARD.encode(&bytes);
    assert!(other_alphabet == token || ring.read(&other_alphabet).is_none());
}

#[test]
fn another_root_key_signs_nothing_here() {
    let (ring, token) = minted();
    let id = UnverifiedBiscuit::from_base64(&token).unwrap().root_key_id().unwrap();
    let blocks = |algorithm| {
        let foreign = KeyPair::new_with_algorithm(algorithm);
        BiscuitBuilder::new()
            .root_key_id(id)
            .fact("agent(\"x\")")
            .unwrap()
            .build(&foreign)
            .unwrap()
            .to_base64()
            .unwrap()
    };
    assert!(ring.read(&blocks(Algorithm::Ed25519)).is_none());
    assert!(ring.read(&blocks(Algorithm::Secp256r1)).is_none());
    // The server's first block on a chain of somebody else's.
    let foreign = blocks(Algorithm::Ed25519);
    let authority = schema::Biscuit::decode(URL_SAFE.decode(&foreign).unwrap().as_slice()).unwrap().authority;
    assert!(ring.read(&enveloped(&token, |envelope| envelope.authority.next_key = authority.next_key)).is_none());
    assert!(ring.read(&enveloped(&token, |envelope| envelope.blocks.push(authority_of(&foreign)))).is_none());
}

fn authority_of(token: &str) -> schema::SignedBlock {
    schema::Biscuit::decode(URL_SAFE.decode(token).unwrap().as_slice()).unwrap().authority
}

/// A signature by P-256 has two forms, so its block would have a second id that nobody revoked.
#[test]
fn a_block_has_one_id_for_ever() {
    let (ring, token) = minted();
    let next = KeyPair::new_with_algorithm(Algorithm::Secp256r1);
    let biscuit = UnverifiedBiscuit::from_base64(&token).unwrap();
    let block = || BlockBuilder::new().code("check if true").unwrap();
    let second = biscuit.append_with_keypair(&next, block()).unwrap();
    assert!(ring.read(&second.to_base64().unwrap()).is_none());
    let ed25519 = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    assert!(ring.read(&biscuit.append_with_keypair(&ed25519, block()).unwrap().to_base64().unwrap()).is_some());
}

#[test]
fn third_parties_add_nothing() {
    let (ring, token) = minted();
    let biscuit = UnverifiedBiscuit::from_base64(&token).unwrap();
    let third = KeyPair::new();
    let request = biscuit.third_party_request().unwrap();
    let block =
        request.create_block(&third.private(), BlockBuilder::new().code("scope(\"admin:all\")").unwrap()).unwrap();
    let added = biscuit.append_third_party(&block.serialize().unwrap()).unwrap();
    assert!(ring.read(&added.to_base64().unwrap()).is_none());
}

#[test]
fn a_sealed_biscuit_counts_and_ends_the_chain() {
    let (ring, token) = minted();
    let narrow = attenuate(&token, "check if requested(\"data:read\")");
    let sealed = UnverifiedBiscuit::from_base64(&narrow).unwrap().seal().unwrap();
    let read = ring.read(&sealed.to_base64().unwrap()).unwrap();
    assert_eq!(read.checks.passing(&facts()).unwrap().to_string(), "data:read");
    assert_eq!(read.blocks, ring.read(&narrow).unwrap().blocks, "it is the same Biscuit");
    assert!(sealed.append(BlockBuilder::new()).is_err());
}

#[test]
fn blocks_and_bytes_are_bounded() {
    let (ring, mut token) = minted();
    for blocks in 2..=16 {
        token = attenuate(&token, "check if requested($s)");
        assert_eq!(ring.read(&token).map(|read| read.blocks.len()), Some(blocks));
    }
    assert_eq!(ring.read(&token).unwrap().checks.passing(&facts()).unwrap().to_string(), "agents:read data:read");
    assert!(ring.read(&attenuate(&token, "check if true")).is_none(), "a 17th block");

    let (ring, token) = minted();
    let used = URL_SAFE.decode(&token).unwrap().len();
    let long = |size: usize| attenuate(&token, &format!("note(\"{}\")", "x".repeat(size)));
    let room = MAX_BYTES - used - (URL_SAFE.decode(long(1_000)).unwrap().len() - used - 1_000) - 20;
    assert!(ring.read(&long(room)).is_some());
    assert!(ring.read(&long(room + 100)).is_none());
}

/// What a check may cost is known before it runs: the library looks at the time only between two checks.
#[test]
fn checks_that_cost_too_much_are_no_biscuit() {
    let (ring, token) = minted();
    let many = |range: std::ops::Range<u32>, item: fn(u32) -> String| range.map(item).collect::<Vec<_>>().join(";");
    let numbers = (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let few = (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    for (what, datalog) in [
        ("a rule", "right($s) <- scope($s)".to_owned()),
        ("a join", format!("{}; check if p($a), p($b), p($c), p($d), $a > $b", many(0..60, |n| format!("p({n})")))),
        ("a pattern", "check if requested($s), $s.matches(\"^(a{1000}){1000}$\")".to_owned()),
        (
            "a nested loop",
            format!("check if [{numbers}].all($x -> [{numbers}].all($y -> [{numbers}].any($z -> $z == 7)))"),
        ),
        ("a loop", "check if [1, 2].any($x -> $x == 2)".to_owned()),
        ("a function of ours", "check if requested($s), $s.extern::anything()".to_owned()),
        ("unions", format!("check if [1]{} == [1]", format!(".union([{few}])").repeat(25))),
        ("concatenations", format!("check if \"{0}\"{1} == \"\"", "x".repeat(3_000), " + \"y\"".repeat(200))),
        ("many checks", many(0..60, |_| "check if scope($a), scope($b), scope($c), $a == $b, $b == $c".to_owned())),
    ] {
        let refused = attenuate(&token, &datalog);
        assert!(URL_SAFE.decode(&refused).unwrap().len() <= MAX_BYTES, "{what}: the length alone refuses it");
        assert!(ring.read(&refused).is_none(), "{what}");
    }
    let set = (0..50).map(|n| format!("\"r:{n}\"")).collect::<Vec<_>>().join(",");
    for datalog in [
        format!("check if requested($s), [{set}, \"data:read\"].contains($s)"),
        many(0..20, |_| "check if requested($s), $s == \"data:read\" || $s == \"data:write\"".to_owned()),
    ] {
        let read = ring.read(&attenuate(&token, &datalog)).expect("this is little");
        assert_eq!(read.checks.passing(&facts()).unwrap().to_string(), "data:read");
    }
}

/// Checks run once for each scope: many scopes make them dearer.
#[test]
fn checks_that_cost_too_much_for_all_scopes_are_no_biscuit() {
    let ring = ring(&[root()], ISSUER);
    let of_scopes = |count: usize| {
        let scopes = (0..count).map(|number| format!("r{number}:a").parse().unwrap()).collect();
        ring.mint(&Claims { scopes, ..claims(ISSUER) }, TokenId::new(uuid::Uuid::from_u128(7))).unwrap().0
    };
    let check = "check if requested($s), [\"r0:a\", \"r1:a\"].contains($s)";
    let costly = [check; 100].join(";");
    assert!(ring.read(&attenuate(&of_scopes(5), &costly)).is_some());
    assert!(ring.read(&attenuate(&of_scopes(64), &costly)).is_none());
    // As many blocks as there may be, with a usual check each.
    let longest = ring.read(&(1..16).fold(of_scopes(70), |token, _| attenuate(&token, check))).unwrap();
    assert_eq!(longest.checks.passing(&facts()).unwrap().to_string(), "r0:a r1:a");
}

/// Checks that do not ask for the candidate say the same of every scope.
#[test]
fn checks_that_see_no_candidate_decide_for_all_scopes() {
    let (ring, token) = minted();
    let passing =
        |check: &str| ring.read(&attenuate(&token, check)).unwrap().checks.passing(&facts()).unwrap().to_string();
    assert_eq!(passing("check if time($t), $t < 2100-01-01T00:00:00Z"), "agents:read data:read");
    assert_eq!(passing("check if time($t), $t < 2000-01-01T00:00:00Z"), "");
    // One that asks for it is run for each, wherever it stands.
    let token = attenuate(&token, "check if scope($s), requested($s), $s.starts_with(\"data:\")");
    let later = attenuate(&token, "check if time($t)");
    assert_eq!(ring.read(&later).unwrap().checks.passing(&facts()).unwrap().to_string(), "data:read");
}

/// Whatever the machine does meanwhile, a good Biscuit is never refused. "Not known" is possible and is no refusal; so
/// that this test says something it must be rare.
#[test]
fn under_load_nothing_is_refused() {
    let (ring, token) = minted();
    let token = attenuate(&token, "check if requested($s), [\"data:read\", \"x:y\"].contains($s)");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (ring, token) = (Arc::clone(&ring), token.clone());
            std::thread::spawn(move || {
                let outcomes =
                    (0..200).map(|_| ring.read(&token).expect("its signatures are good").checks.passing(&facts()));
                outcomes
                    .filter(|outcome| match outcome {
                        Ok(scopes) => {
                            assert_eq!(scopes.to_string(), "data:read");
                            true
                        }
                        Err(Undecided) => false,
                    })
                    .count()
            })
        })
        .collect();
    let decided: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(decided > 800, "{decided} of 1600 were decided");
}

#[test]
fn keys_that_are_not_what_they_say_do_not_open() {
    let (row, other) = (root(), root());
    let open = |row: StoredKey| {
        let clock = Arc::new(support::HandClock::default());
        BiscuitRing::open(&[row], &[support::sealing()], ISSUER, clock)
    };
    assert!(open(row.clone()).is_ok());
    for altered in [
        StoredKey { kid: other.kid.clone(), ..row.clone() },
        StoredKey { sealed_private: other.sealed_private.clone(), ..row.clone() },
        StoredKey { kid: "01".to_owned(), ..row.clone() },
        StoredKey { sealed_private: vec![], ..row.clone() },
    ] {
        assert!(open(altered).is_err());
    }
    assert_eq!(format!("{:?}", open(row).unwrap()), "Ring");
}

/// The key set is enough to verify offline.
#[test]
fn the_public_key_verifies() {
    let (ring, token) = minted();
    let set = ring.key_set();
    let hex = set.split("\"publicKey\":\"").nth(1).unwrap().split('"').next().unwrap();
    let public = PublicKey::from_bytes_hex(hex, Algorithm::Ed25519).unwrap();
    let biscuit = Biscuit::from_base64(&token, public).unwrap();
    assert!(set.contains(&format!("\"keyId\":{},", biscuit.root_key_id().unwrap())));
}
