//! The request body: read once under a limit, and as JSON that holds no key twice.

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most bytes of a body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The whole body of the request, as the body middleware leaves it among the request's data.
#[derive(Debug, Clone)]
pub struct BodyBytes(pub Bytes);

/// Reads JSON strictly: a key given twice is an error, and so is anything after the value.
///
/// # Errors
/// What is wrong and where, without any of the text.
pub fn parse_json(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).map_err(|error| describe(&error))?;
    reader.end().map_err(|error| describe(&error))?;
    Ok(value)
}

/// `serde_json` may quote the input in its messages; position and kind are enough.
fn describe(error: &serde_json::Error) -> String {
    let duplicate = error.to_string().starts_with(DUPLICATE);
    let kind = if duplicate { DUPLICATE } else { "is not JSON" };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

const DUPLICATE: &str = "gives a key twice";

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(DUPLICATE));
            }
            let value = members.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_given_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"b":2,"a":3}]}"#, "{\"a\":1,\"\\u0061\":2}"] {
            assert!(parse_json(text.as_bytes()).unwrap_err().starts_with(DUPLICATE), "{text}");
        }
    }

    #[test]
    fn errors_say_where_and_nothing_of_what() {
        for text in
            ["", "{", "{\"secret\":tru}", "nul", "{} {}", "[1,]", "\u{feff}{}", "{\"a\":1}\0", "NaN", "'aidp_x'"]
        {
            let error = parse_json(text.as_bytes()).unwrap_err();
            assert!(error.starts_with("is not JSON (line 1"), "{text}: {error}");
        }
        assert!(parse_json(&[b'"', 0xff, b'"']).is_err());
        assert!(parse_json("[".repeat(60_000).as_bytes()).is_err(), "depth is bounded");
    }

    #[test]
    fn plain_json_is_read() {
        assert_eq!(
            parse_json(br#" {"a":[1,-2,1.5,null,true,"x"]} "#).unwrap(),
            serde_json::json!({"a":[1,-2,1.5,null,true,"x"]})
        );
    }
}
