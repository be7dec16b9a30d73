#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! Claims that must not be read, in tokens that are truly signed by the server's own key.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/crypto.rs"]
mod support;

use agentidp_core::domain::key::SigningAlgorithm;
use forge::{Forger, ISSUER, members, object, refuse, with};

fn refuse_payload(forger: &Forger, payload: impl AsRef<[u8]>, what: &str) {
    refuse(forger, &forger.token(forger.header(), payload), what);
}

const NO_TEXT: &[&str] = &[
    "null",
    "1",
    "-1",
    "1.5",
    "9223372036854775808",
    "1e400",
    "true",
    "false",
    "[]",
    "{}",
    "[\"a\"]",
    "{\"a\":\"b\"}",
    "\"\"",
];
const NO_NUMBER: &[&str] = &[
    "null",
    "\"1767225600\"",
    "\"\"",
    "1767225600.0",
    "1.5",
    "-1",
    "-0",
    "-1767225600",
    "1e9",
    "1E9",
    "9223372036854775808",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "true",
    "[]",
    "{}",
    "[1767225600]",
    "{\"a\":1}",
    "01",
    "0x1",
    "+1",
    "NaN",
    "",
];

#[test]
fn every_claim_has_one_type() {
    let forger = Forger::new(SigningAlgorithm::EdDsa);
    for (index, (name, good)) in members().into_iter().enumerate() {
        let mut missing = members();
        missing.remove(index);
        refuse_payload(&forger, object(&missing), &format!("{name} missing"));
        let mut twice = members();
        twice.push((name, good.clone()));
        refuse_payload(&forger, object(&twice), &format!("{name} twice"));
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        let hidden = object(&members()).replacen('{', &format!("{{\"{escaped}\":{good},"), 1);
        refuse_payload(&forger, hidden, &format!("{name} twice, once escaped"));
        let wrong = match name {
            "iat" | "nbf" | "exp" | "gen" => NO_NUMBER,
            "aud" => &[
                "null",
                "1",
                "true",
                "[]",
                "{}",
                "[1]",
                "[null]",
                "[\"\"]",
                "\"\"",
                "[[\"a\"]]",
                "[\"a\",1]",
                "[\"a\",\"\"]",
            ],
            _ => NO_TEXT,
        };
        for value in wrong {
            refuse_payload(&forger, with(name, value), &format!("{name}: {value}"));
        }
    }
}

#[test]
fn every_claim_has_one_form() {
    let forger = Forger::new(SigningAlgorithm::EdDsa);
    let id = "0198c0de-0000-7000-8000-0000000000";
    for name in ["jti", "cred"] {
        for value in [
            format!("{id}AB"),
            format!("{{{id}b2}}"),
            format!("urn:uuid:{id}b2"),
            format!(" {id}b2"),
            format!("{id}b"),
            format!("{id}b2\\n"),
            format!("{id}b2").replace('-', ""),
            "x".to_owned(),
        ] {
            refuse_payload(&forger, with(name, &format!("\"{value}\"")), &format!("{name} {value}"));
        }
    }
    for (name, value) in [
        ("sub", format!("{id}a2")),
        ("client_id", format!("{id}a2")),
        ("iss", format!("{ISSUER}/")),
        ("iss", ISSUER.to_uppercase()),
        ("iss", format!("{ISSUER}\\u0000")),
        ("scope", "agents:read  data:read".to_owned()),
        ("scope", " agents:read".to_owned()),
        ("scope", "agents:read ".to_owned()),
        ("scope", "data:*".to_owned()),
        ("scope", "*".to_owned()),
        ("scope", "a:b\\tc:d".to_owned()),
        ("owner", " team-a".to_owned()),
        ("owner", "team\\u0000a".to_owned()),
        ("owner", "x".repeat(129)),
    ] {
        refuse_payload(&forger, with(name, &format!("\"{value}\"")), &format!("{name} {value:.60}"));
    }
    for name in ["iat", "nbf", "exp"] {
        refuse_payload(&forger, with(name, "253402300800"), &format!("{name} after the year 9999"));
    }
    let both = object(&members()).replace(&format!("{id}a1"), &format!("{id}A1"));
    refuse_payload(&forger, both, "sub and client_id in upper case");
}

#[test]
fn a_payload_is_one_object() {
    let forger = Forger::new(SigningAlgorithm::EdDsa);
    let good = object(&members());
    let values: Vec<String> = members().into_iter().map(|(_, value)| value).collect();
    let extra = |member: &str| good.replacen('}', &format!(",{member}}}"), 1);
    for (what, payload) in [
        ("the values as an array", format!("[{}]", values.join(","))),
        ("an object in an array", format!("[{good}]")),
        ("an object in an object", format!("{{\"claims\":{good}}}")),
        ("two objects", format!("{good}{good}")),
        ("an object and a byte", format!("{good}\0")),
        ("space before", format!(" {good}")),
        ("space after", format!("{good}\n")),
        ("a mark before", format!("\u{feff}{good}")),
        ("a comma at the end", good.replacen('}', ",}", 1)),
        ("a comment", good.replacen('{', "{/**/", 1)),
        ("an unknown claim", extra("\"admin\":true")),
        ("an unknown claim twice", extra("\"x\":1,\"x\":2")),
        ("a name in another case", good.replacen("\"exp\"", "\"EXP\"", 1)),
        ("a string of it", serde_json::to_string(&good).unwrap()),
        ("deep nesting", with("aud", &format!("{}{}", "[".repeat(4_000), "]".repeat(4_000)))),
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("half of it", good[..good.len() / 2].to_owned()),
    ] {
        refuse_payload(&forger, payload, what);
    }
    let mut bytes = good.into_bytes();
    let place = bytes.windows(6).position(|window| window == b"team-a").unwrap();
    bytes[place] = 0xff;
    refuse_payload(&forger, bytes, "bytes that are not UTF-8");
}
