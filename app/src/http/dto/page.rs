//! Pages of lists and their opaque cursors.

use super::fields::Fields;
use agentidp_core::domain::page::{Cursor, Page, PageRequest};
use agentidp_core::domain::text::Invalid;
use agentidp_core::domain::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

/// The `limit` and `cursor` parameters.
pub fn page_request(fields: &mut Fields) -> Option<PageRequest> {
    let given = fields.optional("limit", |value| limit(value).map(Some));
    let after = fields.optional("cursor", |value| decode(value).map(Some));
    PageRequest::new(given.flatten().unwrap_or(PageRequest::DEFAULT_LIMIT), after.flatten()).ok()
}

fn limit(value: &Value) -> Result<u32, Invalid> {
    let wrong = || Invalid::new("must be a whole number from 1 to 100");
    let text = value.as_str().unwrap_or_default();
    // `parse` would take a plus sign.
    let number =
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten().ok_or_else(wrong)?;
    PageRequest::new(number, None).map(PageRequest::limit).map_err(|_| wrong())
}

/// The `nextCursor` of a page.
pub fn next_cursor<T>(page: &Page<T>) -> Option<String> {
    page.next.map(encode)
}

/// A cursor is a position and nothing more: whatever it says, the owners of the decision bound what is read.
fn encode(cursor: Cursor) -> String {
    let mut bytes = Vec::with_capacity(24);
    bytes.extend_from_slice(&cursor.at.unix_millis().to_be_bytes());
    bytes.extend_from_slice(cursor.id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(value: &Value) -> Result<Cursor, Invalid> {
    let wrong = || Invalid::new("must be a `nextCursor` that this list gave");
    let bytes = URL_SAFE_NO_PAD.decode(value.as_str().unwrap_or_default()).map_err(|_| wrong())?;
    let (at, id) = bytes.split_at_checked(8).ok_or_else(wrong)?;
    let at = Timestamp::from_unix_millis(i64::from_be_bytes(at.try_into().map_err(|_| wrong())?));
    Ok(Cursor { at, id: Uuid::from_slice(id).map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_trip_and_nothing_else_is_one() {
        let cursor = Cursor { at: Timestamp::from_unix_millis(1_764_017_100_007), id: Uuid::from_u128(7) };
        let text = encode(cursor);
        assert_eq!(decode(&Value::String(text.clone())).unwrap(), cursor);
        for other in ["", "x", "null", &text[1..], &format!("{text}="), &format!("{text}AAAA"), "' OR 1=1 --"] {
            assert!(decode(&Value::String(other.to_owned())).is_err(), "{other} was taken");
        }
    }

    #[test]
    fn limits_are_plain_numbers_within_bounds() {
        for (text, number) in [
            ("1", Some(1)),
            ("100", Some(100)),
            ("0", None),
            ("101", None),
            ("+5", None),
            ("5.0", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(limit(&Value::String(text.to_owned())).ok(), number, "{text}");
        }
    }
}
