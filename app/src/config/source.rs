//! Where the settings come from: a map of the environment and the text of `agentidp.toml`, both injected. This is the
//! only file that looks at the environment of the process.

use super::error::Mistake;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// The file that is read when no other is named.
const DEFAULT_FILE: &str = "agentidp.toml";

/// Settings before they are parsed. Keys are the names of the variables, in upper case. The mistakes of the sources
/// themselves wait here, so that they are reported together with those of the values.
#[derive(Default)]
pub struct Source {
    pub(super) env: BTreeMap<String, OsString>,
    pub(super) file: BTreeMap<String, String>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Source {
    /// The environment of this process, and the file `path`; without one, `agentidp.toml` of the working directory if
    /// it is there.
    pub fn of_process(path: Option<&Path>) -> Self {
        let source =
            Self::of_env(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))));
        match path {
            Some(path) => source.with_file(path),
            None if Path::new(DEFAULT_FILE).exists() => source.with_file(Path::new(DEFAULT_FILE)),
            None => source,
        }
    }

    /// An injected environment. An empty variable counts as not set.
    pub fn of_env<N: Into<String>, V: Into<OsString>>(env: impl IntoIterator<Item = (N, V)>) -> Self {
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { env: env.filter(|(_, value): &(String, OsString)| !value.is_empty()).collect(), ..Self::default() }
    }

    /// Adds the settings of the file `path`, which must exist.
    #[must_use]
    pub fn with_file(mut self, path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => self.with_toml(&path.display().to_string(), &text),
            Err(error) => {
                self.mistake(&path.display().to_string(), format!("cannot be read: {error}"));
                self
            }
        }
    }

    /// Adds the settings of a TOML text; `name` says in mistakes where it came from.
    #[must_use]
    pub fn with_toml(mut self, name: &str, text: &str) -> Self {
        match text.parse::<toml::Table>() {
            Ok(table) => table.iter().for_each(|(key, value)| self.add(name, key, value)),
            // Only the message: the whole error quotes the line, which may hold a secret.
            Err(error) => {
                let line = error.span().map_or(0, |span| text.bytes().take(span.start).filter(|b| *b == b'\n').count());
                self.mistake(name, format!("line {}: {}", line.saturating_add(1), error.message()));
            }
        }
        self
    }

    fn add(&mut self, name: &str, key: &str, value: &toml::Value) {
        if key != key.to_lowercase() {
            return self.mistake(name, format!("`{key}` must be written in lower case"));
        }
        match scalar(value) {
            Some(text) if text.is_empty() => {}
            Some(text) => {
                self.file.insert(key.to_uppercase(), text);
            }
            None => self.mistake(name, format!("`{key}` must be a string, a whole number or a list of strings")),
        }
    }

    fn mistake(&mut self, name: &str, problem: String) {
        self.mistakes.push(Mistake { name: name.to_owned(), problem });
    }
}

/// Names only: values may be secrets.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file: Vec<_> = self.file.keys().collect();
        f.debug_struct("Source").field("file", &file).field("mistakes", &self.mistakes).finish_non_exhaustive()
    }
}

/// The text that the environment would hold for a TOML value: lists are separated by commas.
fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|l| l.join(","))
        }
        _ => None,
    }
}
