//! The secrets that the server met, and the ways in which they could be written down.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// Secrets by their text; what each is.
#[derive(Default)]
pub struct Marks(BTreeMap<String, &'static str>);

impl Marks {
    /// Remembers a secret. A short one would be found by chance.
    pub fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 12, "{what} is too short to be searched for");
        self.0.insert(secret.to_owned(), what);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Fails if any secret is in `bytes`, in whatever spelling.
    pub fn must_not_be_in(&self, place: &str, bytes: &[u8]) {
        for (secret, what) in &self.0 {
            for spelled in spellings(secret) {
                if let Some(at) = find(bytes, spelled.as_bytes()) {
                    let from = at.saturating_sub(200);
                    let around = String::from_utf8_lossy(&bytes[from..(at + 60).min(bytes.len())]);
                    panic!("{what} is in {place}: …{around}…");
                }
            }
        }
    }
}

/// The spellings of a secret: itself, in hex, percent-encoded, escaped in JSON and in base64, at each of the three
/// places that a byte can have in a group of it.
pub fn spellings(secret: &str) -> Vec<String> {
    let percent: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let mut all = vec![
        secret.to_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        percent,
        json.trim_matches('"').to_owned(),
    ];
    for shift in 0..3 {
        let shifted = [&b"\0\0"[..shift], secret.as_bytes()].concat();
        // Whole groups only: those at the ends also hold bytes of the neighbours.
        let whole = shifted.len() - shifted.len() % 3;
        let first = if shift == 0 { 0 } else { 3 };
        let encoded = STANDARD.encode(&shifted[first..whole]);
        all.push(encoded.replace('+', "-").replace('/', "_"));
        all.push(encoded);
    }
    all.sort();
    all.dedup();
    all
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}
