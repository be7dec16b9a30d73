//! Mistakes of the configuration, for the person who made them.

/// One mistake: which variable, and what to do about it. Never carries the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable, or the path of the file.
    pub name: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

/// Every mistake of one configuration. `Display` gives one line for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has mistakes:{}", lines(mistakes))]
pub struct ConfigError {
    pub mistakes: Vec<Mistake>,
}

impl ConfigError {
    pub(super) fn one(name: &str, problem: impl Into<String>) -> Self {
        Mistake { name: name.to_owned(), problem: problem.into() }.into()
    }
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake] }
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}
