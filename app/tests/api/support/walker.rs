//! Calls operations and holds every answer against the OpenAPI document.

use super::document::{Document, Documented};
use super::{Answer, Call, TestApp};
use std::collections::BTreeSet;

/// Headers that an answer has for a reason, so that each is documented where it comes.
const TELLING: [&str; 8] = [
    "location",
    "www-authenticate",
    "retry-after",
    "idempotency-replayed",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "allow",
];

/// Checks every answer that it gets.
pub struct Walker<'a> {
    pub app: &'a TestApp,
    pub document: Document,
    /// Operation and what it answered: `getAgent 404 AGENT_NOT_FOUND`.
    pub seen: BTreeSet<String>,
}

impl<'a> Walker<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, document: Document::load(), seen: BTreeSet::new() }
    }

    /// Calls an operation and expects an answer such as `201` or `404 AGENT_NOT_FOUND`.
    pub async fn step(&mut self, id: &str, path: &str, expected: &str, complete: impl FnOnce(Call) -> Call) -> Answer {
        let operation = self.document.operation(id);
        let plain = path.split('?').next().unwrap();
        let fits = operation.path.split('/').zip(plain.split('/')).all(|(a, b)| a == b || a.starts_with('{'));
        assert!(fits && operation.path.split('/').count() == plain.split('/').count(), "{id} is not at {path}");
        let answer = complete(self.app.call(&operation.method, path)).send().await;
        let outcome = if answer.status < 400 { answer.status.to_string() } else { answer.failure() };
        assert_eq!(outcome, expected, "{id}: {}", answer.text);
        self.check(&operation, &answer);
        self.seen.insert(format!("{id} {outcome}"));
        answer
    }

    fn check(&self, operation: &Documented, answer: &Answer) {
        let place = format!("{} {}: {}", operation.id, answer.status, answer.text);
        let response = operation.value["responses"].get(answer.status.to_string());
        let response = response.unwrap_or_else(|| panic!("undocumented status; {place}"));
        match response.get("content") {
            None => assert_eq!(answer.text, "", "{place}"),
            Some(content) => {
                let media = &content[answer.header("content-type")];
                let is_json = answer.header("content-type") == "application/json";
                let body = if is_json { answer.json.clone() } else { answer.text.clone().into() };
                assert!(media.is_object(), "undocumented media type; {place}");
                assert_eq!(self.document.mistakes(&media["schema"], &body), Vec::<String>::new(), "{place}");
            }
        }
        let documented: BTreeSet<String> =
            response["headers"].as_object().unwrap().keys().map(|name| name.to_lowercase()).collect();
        for name in TELLING.iter().filter(|name| answer.headers.contains_key(**name)) {
            assert!(documented.contains(*name), "undocumented header {name}; {place}");
        }
        let mut wanted = vec!["x-request-id", "cache-control"];
        match answer.status {
            201 => wanted.push("location"),
            401 => wanted.push("www-authenticate"),
            429 | 503 => wanted.push("retry-after"),
            _ => {}
        }
        for name in wanted {
            assert!(documented.contains(name) && !answer.header(name).is_empty(), "no {name}; {place}");
        }
    }
}
