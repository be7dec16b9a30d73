//! The texts that make a policy, and where they come from.

use super::LoadError;
use super::suite::{SUFFIX, TestFile};
use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

const REGO_FILE: &str = "authz.rego";
const DATA_FILE: &str = "data/scopes.json";
/// Most bytes of a file.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most files of tests.
const MAX_TESTS: usize = 64;

/// A policy and its data, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// The text of `authz.rego`.
    pub rego: String,
    /// The text of `data/scopes.json`.
    pub data: String,
    /// What the policy must hold before it is taken. No part of its hash: it decides nothing.
    pub tests: Vec<TestFile>,
    /// The folder named in messages.
    folder: String,
}

impl PolicySource {
    /// The files that the product is shipped with: where they lie in the folder of a policy, and their texts.
    pub const BUILTIN: [(&'static str, &'static str); 3] = [
        (REGO_FILE, include_str!("../../../policies/authz.rego")),
        (DATA_FILE, include_str!("../../../policies/data/scopes.json")),
        ("authz_test.rego", include_str!("../../../policies/authz_test.rego")),
    ];

    /// Takes the two texts.
    pub fn new(rego: impl Into<String>, data: impl Into<String>) -> Self {
        Self { rego: rego.into(), data: data.into(), tests: Vec::new(), folder: "policies".to_owned() }
    }

    /// The policy that the product is shipped with. Its tests were run before it was.
    pub fn builtin() -> Self {
        let [(_, rego), (_, data), _] = Self::BUILTIN;
        Self::new(rego, data)
    }

    /// Reads `authz.rego`, `data/scopes.json` and the tests in `folder`.
    ///
    /// # Errors
    /// One of them cannot be read or is no UTF-8.
    pub fn from_dir(folder: &Path) -> Result<Self, LoadError> {
        let (rego, data) = (read(&folder.join(REGO_FILE))?, read(&folder.join(DATA_FILE))?);
        let (tests, others): (Vec<_>, Vec<_>) =
            rego_files(folder)?.into_iter().partition(|path| path.to_str().is_some_and(|path| path.ends_with(SUFFIX)));
        if let Some(other) = others.iter().find(|path| !path.ends_with(REGO_FILE)) {
            return Err(LoadError::Unread(other.display().to_string()));
        }
        if tests.len() > MAX_TESTS {
            let source = std::io::Error::other(format!("it has more than {MAX_TESTS} files of tests"));
            return Err(LoadError::Read { path: folder.display().to_string(), source });
        }
        let test = |path: &PathBuf| Ok(TestFile { name: path.display().to_string(), text: read(path)? });
        let tests = tests.iter().map(test).collect::<Result<_, LoadError>>()?;
        Ok(Self { rego, data, tests, folder: folder.display().to_string() })
    }

    /// SHA-256 in hex over both texts, each after its length, so that no text can pass into the other.
    pub fn hash(&self) -> String {
        let mut context = Context::new(&SHA256);
        for text in [&self.rego, &self.data] {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(text.as_bytes());
        }
        hex::encode(context.finish())
    }

    /// All of it, for [`PolicySource::from_json`].
    pub fn to_json(&self) -> String {
        let tests: Vec<_> = self.tests.iter().map(|test| json!({"name": test.name, "text": test.text})).collect();
        json!({"folder": self.folder, "rego": self.rego, "data": self.data, "tests": tests}).to_string()
    }

    /// Reads what [`PolicySource::to_json`] wrote, in another process.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(text: &str) -> Result<Self, LoadError> {
        let value: Value = serde_json::from_str(text).map_err(|error| LoadError::Trial(error.to_string()))?;
        let member = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| LoadError::Trial(format!("`{name}` is missing")))
        };
        let test = |test: &Value| Ok(TestFile { name: member(test, "name")?, text: member(test, "text")? });
        let tests = value.get("tests").and_then(Value::as_array).into_iter().flatten();
        let (rego, data, folder) = (member(&value, "rego")?, member(&value, "data")?, member(&value, "folder")?);
        Ok(Self { rego, data, tests: tests.map(test).collect::<Result<_, _>>()?, folder })
    }

    pub(super) fn rego_name(&self) -> String {
        format!("{}/{REGO_FILE}", self.folder)
    }

    pub(super) fn data_name(&self) -> String {
        format!("{}/{DATA_FILE}", self.folder)
    }
}

/// The files of Rego in a folder, by name. Hidden ones are those of editors.
fn rego_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read { path: folder.display().to_string(), source };
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    paths.retain(|path| name(path).ends_with(".rego") && !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

/// The text of a file of the policy. Anything but a regular file of a reasonable size is refused unread: a pipe would be
/// waited for, and a device has no end.
pub(super) fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |source| LoadError::Read { path: path.display().to_string(), source };
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(failed(std::io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(text)
    } else {
        Err(failed(std::io::Error::other(format!("it has more than {MAX_BYTES} bytes"))))
    }
}
