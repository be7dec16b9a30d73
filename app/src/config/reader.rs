//! Reads settings one by one, gathers the mistakes and remembers which names were asked for: those are the names that
//! exist, so a key of the file that nobody asked for is a mistake, and the documentation can be checked against them.

use super::error::Mistake;
use super::source::Source;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

/// No secret is longer; a larger file is the wrong file.
const SECRET_FILE_LIMIT: u64 = 64 * 1024;
/// A century: longer is meant to be for ever, which is 0.
const MAX_DAYS: u32 = 36_500;
const SECONDS_OF_A_DAY: u64 = 86_400;

pub(super) struct Reader<'a> {
    source: &'a Source,
    asked: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, asked: BTreeSet::new(), mistakes: source.mistakes.clone() }
    }

    /// The text of a variable: of the environment, else of the file.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.asked.insert(name.to_owned());
        let Some(value) = self.source.env.get(name) else {
            return self.source.file.get(name).cloned();
        };
        let text = value.to_str().map(str::to_owned);
        if text.is_none() {
            self.mistake(name, "is not UTF-8");
        }
        text
    }

    /// The value of a variable, or `None` without one or with a mistake. `parse` says what is wrong.
    pub(super) fn parse<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        self.keep(name, parse(text.trim()))
    }

    /// A whole number from `min` to `max`.
    pub(super) fn number(&mut self, name: &str, default: u32, min: u32, max: u32) -> u32 {
        let number = self.parse(name, |text| {
            let number = text.parse::<u32>().ok().filter(|number| (min..=max).contains(number));
            number.ok_or_else(|| format!("`{text}` is not a whole number from {min} to {max}"))
        });
        number.unwrap_or(default)
    }

    /// A number of days; 0 is none, for ever.
    pub(super) fn days(&mut self, name: &str, default: u32) -> Option<Duration> {
        let days = self.number(name, default, 0, MAX_DAYS);
        let time = Duration::from_secs(u64::from(days).saturating_mul(SECONDS_OF_A_DAY));
        Some(time).filter(|time| !time.is_zero())
    }

    /// A list separated by commas; white space around the items is allowed.
    pub(super) fn list<T>(&mut self, name: &str, mut parse: impl FnMut(&str) -> Result<T, String>) -> Vec<T> {
        let text = self.text(name).unwrap_or_default();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.filter_map(|item| self.keep(name, parse(item))).collect()
    }

    /// A secret: the variable itself, or the content of the file that `NAME_FILE` names, without the line ends at its
    /// end. The environment goes before the file here too: either form there hides both in `agentidp.toml`.
    pub(super) fn secret(&mut self, name: &str) -> Option<SecretString> {
        let file_name = format!("{name}_FILE");
        let (text, path) = (self.text(name), self.text(&file_name));
        match (text, path) {
            (Some(_), Some(_)) if self.in_env(name) == self.in_env(&file_name) => {
                self.mistake(name, format!("is set beside {file_name}; set one of them"));
                None
            }
            (Some(text), path) if path.is_none() || self.in_env(name) => Some(text.into()),
            (_, Some(path)) => {
                let content = read_secret(&path).map(SecretString::from);
                self.keep(&file_name, content.map_err(|problem| format!("`{path}` {problem}")))
            }
            _ => None,
        }
    }

    /// A secret of a known form. `parse` must not quote it.
    pub(super) fn parse_secret<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let secret = self.secret(name)?;
        self.keep(name, parse(secret.expose_secret()))
    }

    pub(super) fn mistake(&mut self, name: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake { name: name.to_owned(), problem: problem.into() });
    }

    /// Whether a mistake about `name` has been made already.
    pub(super) fn has_mistake(&self, name: &str) -> bool {
        let file_name = format!("{name}_FILE");
        self.mistakes.iter().any(|mistake| mistake.name == name || mistake.name == file_name)
    }

    /// All mistakes, keys of the file that do not exist included.
    pub(super) fn finish(mut self) -> Vec<Mistake> {
        let unknown = self.source.file.keys().filter(|name| !self.asked.contains(*name));
        let unknown = unknown.map(|name| Mistake {
            name: name.to_lowercase(),
            problem: "is not a setting; see docs/CONFIG.md for their names".to_owned(),
        });
        self.mistakes.extend(unknown);
        self.mistakes
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeSet<String> {
        &self.asked
    }

    fn in_env(&self, name: &str) -> bool {
        self.source.env.contains_key(name)
    }

    fn keep<T>(&mut self, name: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|problem| self.mistake(name, problem)).ok()
    }
}

fn read_secret(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let read = file.take(SECRET_FILE_LIMIT).read_to_string(&mut text);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Err("is empty".to_owned()) } else { Ok(secret.to_owned()) }
}
