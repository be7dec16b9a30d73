//! JSON as canonical text: sorted keys, no white space. A column type of the database's own would reorder keys, refuse
//! `\u0000` and give other bytes back than were written.

use agentidp_core::domain::json::Json;
use serde_json::Value;
use std::collections::BTreeMap;

/// The text of `json`.
pub fn write(json: &Json) -> String {
    let mut text = String::new();
    push(&mut text, json);
    text
}

/// The JSON in `text`; none if it is no JSON, or holds a number that is not a whole one of 64 bits.
pub fn read(text: &str) -> Option<Json> {
    convert(serde_json::from_str(text).ok()?)
}

/// Written by hand, since the order of keys in serde_json's own object hangs on a feature that any crate may set.
fn push(text: &mut String, json: &Json) {
    match json {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Integer(value) => text.push_str(&value.to_string()),
        Json::Text(value) => push_text(text, value),
        Json::List(items) => push_all(text, ('[', ']'), items, push),
        Json::Object(members) => push_all(text, ('{', '}'), members, |text, (key, value)| {
            push_text(text, key);
            text.push(':');
            push(text, value);
        }),
    }
}

fn push_text(text: &mut String, value: &str) {
    text.push_str(&Value::from(value).to_string());
}

fn push_all<T>(
    text: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut String, T),
) {
    text.push(open);
    for (index, value) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        item(text, value);
    }
    text.push(close);
}

fn convert(value: Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Number(value) => Json::Integer(value.as_i64()?),
        Value::String(value) => Json::Text(value),
        Value::Array(items) => Json::List(items.into_iter().map(convert).collect::<Option<_>>()?),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| Some((key, convert(value)?)));
            Json::Object(members.collect::<Option<BTreeMap<_, _>>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_bytes_and_come_back() {
        let json = Json::object([
            ("z", Json::List(vec![Json::Null, Json::Bool(true), Json::Integer(i64::MIN)])),
            ("a", Json::text("\"\\\n\u{0}ü")),
            ("", Json::object::<&str>([])),
        ]);
        let text = write(&json);
        assert_eq!(text, r#"{"":{},"a":"\"\\\n\u0000ü","z":[null,true,-9223372036854775808]}"#);
        assert_eq!(read(&text), Some(json));
    }

    #[test]
    fn what_the_domain_has_no_value_for_is_refused() {
        for text in ["", "{", "1.5", "[1e400]", "{} {}", "18446744073709551615"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
