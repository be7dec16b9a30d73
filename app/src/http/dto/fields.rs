//! Reads the members of a JSON object or a query string into domain values and collects every mistake.

use crate::http::error::{Failure, FieldError};
use agentidp_core::domain::text::Invalid;
use poem::Request;
use serde_json::{Map, Value};
use std::str::FromStr;

/// The fields of a request, taken one by one; what is left in the end is unknown.
pub struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
    /// Whether fields that nobody took are errors. Unknown query parameters are ignored.
    strict: bool,
}

impl Fields {
    /// The members of a JSON object.
    ///
    /// # Errors
    /// The body is something else.
    pub fn of_object(value: Value) -> Result<Self, Failure> {
        match value {
            Value::Object(members) => Ok(Self { members, errors: Vec::new(), strict: true }),
            _ => Err(Failure::invalid("body", "must be a JSON object")),
        }
    }

    /// The parameters of the query string.
    pub fn of_query(request: &Request) -> Self {
        let mut fields = Self { members: Map::new(), errors: Vec::new(), strict: false };
        let query = request.uri().query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if fields.members.insert(name.to_string(), Value::String(value.into_owned())).is_some() {
                fields.error(&name, "must be given once");
            }
        }
        fields
    }

    /// Whether there is no field at all.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &str, parse: impl FnOnce(&Value) -> Result<T, Invalid>) -> Option<T> {
        if !self.members.contains_key(name) {
            self.error(name, "is required");
            return None;
        }
        self.optional(name, parse)
    }

    /// A field that may be there.
    pub fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&Value) -> Result<T, Invalid>) -> Option<T> {
        let value = self.members.remove(name)?;
        match parse(&value) {
            Ok(value) => Some(value),
            Err(Invalid(message)) => {
                self.error(name, message);
                None
            }
        }
    }

    /// Notes a mistake.
    pub fn error(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: name.to_owned(), message: message.into() });
    }

    /// What was read, unless there was any mistake. `value` is asked only then.
    ///
    /// # Errors
    /// Every mistake that was met.
    pub fn finish<T>(mut self, value: impl FnOnce() -> Option<T>) -> Result<T, Failure> {
        if self.strict {
            let unknown: Vec<String> = self.members.keys().map(|name| name.chars().take(64).collect()).collect();
            unknown.iter().for_each(|name| self.error(name, "is not a field of this request"));
        }
        match value() {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Failure::validation(self.errors)),
        }
    }
}

/// Reads a string as a domain value.
pub fn text<T: FromStr<Err = Invalid>>(value: &Value) -> Result<T, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new("must be a string"))?.parse()
}

/// Reads a list of strings.
pub fn texts(value: &Value) -> Result<Vec<String>, Invalid> {
    let wrong = || Invalid::new("must be a list of strings");
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

/// Reads a whole number within bounds.
pub fn integer(value: &Value, least: i64, most: i64) -> Result<i64, Invalid> {
    let wrong = || Invalid::new(format!("must be a whole number from {least} to {most}"));
    value.as_i64().filter(|number| (least..=most).contains(number)).ok_or_else(wrong)
}

/// Reads a truth value.
pub fn boolean(value: &Value) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| Invalid::new("must be `true` or `false`"))
}
