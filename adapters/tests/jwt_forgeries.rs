#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! Tokens that must not be read: forged headers, borrowed keys, second spellings.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/crypto.rs"]
mod support;

use agentidp_core::domain::key::SigningAlgorithm;
use agentidp_core::ports::tokens::{TokenSigner, TokenVerifier};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use forge::{Forger, ISSUER, base64, members, object, refuse, with};

#[test]
fn the_forger_can_make_a_good_token() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
        let forger = Forger::new(algorithm);
        let token = forger.token(forger.header(), object(&members()));
        let claims = forger.ring.read(&token).expect("each refusal below has but one reason");
        assert_eq!(claims, agentidp_core::contract::tokens::claims(ISSUER));
    }
}

#[test]
fn other_algorithms_are_refused() {
    for own in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
        let forger = Forger::new(own);
        let payload = object(&members());
        for alg in [
            "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "ES384", "ES256K", "RS384", "RS512",
            "PS256", "PS384", "PS512", "EdDSA ", "eddsa", "es256", "Ed25519", "RSA-OAEP", "dir",
        ] {
            let header = forger.header().replace(&format!("\"{own}\""), &format!("\"{alg}\""));
            let signed = forger.token(&header, &payload);
            refuse(&forger, &signed, &format!("{alg} for {own}"));
            let message = signed.rsplit_once('.').unwrap().0;
            refuse(&forger, &format!("{message}."), &format!("{alg} without signature"));
            refuse(&forger, message, &format!("{alg} in two parts"));
        }
        for raw in ["null", "1", "true", "[]", "{}", "[\"EdDSA\"]"] {
            let header = forger.header().replace(&format!("\"{own}\""), raw);
            refuse(&forger, &forger.token(&header, &payload), &format!("alg {raw}"));
        }
    }
}

#[test]
fn the_public_key_is_no_hmac_key() {
    let forger = Forger::new(SigningAlgorithm::Es256);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &forger.pkcs8).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let keys: Vec<Vec<u8>> = vec![
        pair.public_key().as_ref().to_vec(),
        der.as_ref().to_vec(),
        pem.clone().into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        forger.row.public_jwk.clone().into_bytes(),
        forger.ring.key_set().into_bytes(),
        forger.row.kid.clone().into_bytes(),
        vec![],
    ];
    for key in keys {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        for header in [forger.header(), forger.header().replace("ES256", "HS256")] {
            let message = format!("{}.{}", base64(header), base64(object(&members())));
            let tag = hmac::sign(&key, message.as_bytes());
            refuse(&forger, &format!("{message}.{}", base64(tag)), "an HMAC under public bytes");
        }
    }
}

#[test]
fn foreign_and_unknown_keys_are_refused() {
    let (forger, thief) = (Forger::new(SigningAlgorithm::EdDsa), Forger::new(SigningAlgorithm::EdDsa));
    let payload = object(&members());
    refuse(&forger, &thief.token(forger.header(), &payload), "another key under our kid");
    refuse(&forger, &thief.token(thief.header(), &payload), "another key under its own kid");
    for kid in [
        "../../dev/null",
        "/dev/null",
        "' or 1=1 --",
        "",
        " ",
        "*",
        "0",
        "file:///etc/passwd",
        "\\u0000",
        &thief.row.kid,
        &forger.row.kid.to_uppercase(),
        &format!("{} ", forger.row.kid),
        &"k".repeat(10_000),
        &"k".repeat(65_536),
    ] {
        let header = forger.header().replace(&forger.row.kid, kid);
        refuse(&forger, &forger.token(&header, &payload), &format!("kid {kid:.40}"));
    }
    for raw in ["null", "1", "[]", "{}"] {
        let header = forger.header().replace(&format!("\"{}\"", forger.row.kid), raw);
        refuse(&forger, &forger.token(&header, &payload), &format!("kid {raw}"));
    }
    let header = forger.header().replace(&format!("\"kid\":\"{}\",", forger.row.kid), "");
    refuse(&forger, &forger.token(&header, &payload), "no kid");
}

#[test]
fn other_types_are_refused() {
    let forger = Forger::new(SigningAlgorithm::EdDsa);
    for typ in [
        "\"JWT\"",
        "\"jwt\"",
        "\"\"",
        "\"AT+JWT\"",
        "\"at+JWT\"",
        "\"application/at+jwt\"",
        "\"logout+jwt\"",
        "null",
        "1",
    ] {
        let header = forger.header().replace("\"at+jwt\"", typ);
        refuse(&forger, &forger.token(&header, object(&members())), &format!("typ {typ}"));
    }
    let header = forger.header().replace(",\"typ\":\"at+jwt\"", "");
    refuse(&forger, &forger.token(&header, object(&members())), "no typ");
}

#[test]
fn nothing_else_stands_in_a_header() {
    let forger = Forger::new(SigningAlgorithm::EdDsa);
    let jwk = forger.row.public_jwk.clone();
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""zip":"DEF""#,
        r#""jku":"https://evil.example/jwks""#,
        r#""x5u":"https://evil.example/x""#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"AA""#,
        r#""cty":"JWT""#,
        r#""enc":"A128GCM""#,
        r#""typ":"at+jwt""#,
        r#""alg":"EdDSA""#,
        r#""alg":"none""#,
        r#""x":1"#,
        &format!("\"jwk\":{jwk}"),
        &format!("\"kid\":\"{}\"", forger.row.kid),
    ] {
        let header = forger.header();
        let (last, first) =
            (header.replace('}', &format!(",{member}}}")), header.replace('{', &format!("{{{member},")));
        for header in [first, last] {
            refuse(&forger, &forger.token(&header, object(&members())), member);
        }
    }
    for header in ["", "{}", "null", "[]", "\"\"", "{", "\u{feff}{}"] {
        refuse(&forger, &forger.token(header, object(&members())), header);
    }
    for header in
        [format!(" {}", forger.header()), forger.header().replace(':', ": "), forger.header().replace('E', "\\u0045")]
    {
        refuse(&forger, &forger.token(&header, object(&members())), "another spelling of the header");
    }
}

#[test]
fn other_serializations_are_refused() {
    let forger = Forger::new(SigningAlgorithm::EdDsa);
    let token = forger.token(forger.header(), object(&members()));
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let flat = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
    let general =
        format!(r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#);
    let standard = |part: &str| STANDARD.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    let padded = |part: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    for (what, other) in [
        ("the flattened form", flat),
        ("the general form", general),
        ("a detached payload", format!("{header}..{signature}")),
        ("five parts", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("parts in another order", format!("{payload}.{header}.{signature}")),
        ("padding in the signature", format!("{header}.{payload}.{}", padded(signature))),
        ("the other alphabet", format!("{header}.{payload}.{}", standard(signature))),
        ("a line break", format!("{header}.{payload}.{}\n{}", &signature[..40], &signature[40..])),
    ] {
        refuse(&forger, &other, what);
    }
    for ending in ["=", "==", "A", "\n", " ", "%3D"] {
        let signed = forger.sign(&format!("{header}.{payload}{ending}"));
        refuse(&forger, &signed, &format!("{ending:?} after the payload, truly signed"));
    }
    let long = forger.token(forger.header(), with("aud", &format!("\"{}\"", "a".repeat(16_384))));
    refuse(&forger, &long, "more than 16 KiB");
}

/// n of P-256, for the second form of a signature.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn the_twin_of_an_ecdsa_signature_is_refused() {
    let forger = Forger::new(SigningAlgorithm::Es256);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &forger.pkcs8).unwrap();
    for _ in 0..20 {
        let token = forger.ring.sign(&agentidp_core::contract::tokens::claims(ISSUER)).unwrap().0;
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut twin = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut borrow = 0_i16;
        for place in (0..32).rev() {
            let difference = i16::from(ORDER[place]) - i16::from(twin[32 + place]) - borrow;
            twin[32 + place] = u8::try_from(difference.rem_euclid(256)).unwrap();
            borrow = i16::from(difference < 0);
        }
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        public.verify(message.as_bytes(), &twin).expect("mathematically it is a signature");
        refuse(&forger, &format!("{message}.{}", base64(twin)), "the twin");
        assert!(forger.ring.read(&token).is_some());
    }
}
