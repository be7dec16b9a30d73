//! The form of a stored hash: `$2b$12$` + 22 characters of salt + 31 of hash.

/// The least cost that bcrypt has.
pub const MIN_COST: u32 = 4;
/// The greatest cost that is verified: a poisoned row with cost 31 would keep a processor for two days.
pub const MAX_COST: u32 = 12;

const LENGTH: usize = 60;

/// Why a stored text is not verified. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("it does not have the form of a bcrypt hash")]
    Malformed,
    #[error("its cost {0} is above {MAX_COST}")]
    TooDear(u32),
}

/// Judges a stored hash before it is used, and tells its cost.
pub fn check(hash: &str) -> Result<u32, Flaw> {
    if hash.len() != LENGTH || !hash.is_ascii() {
        return Err(Flaw::Malformed);
    }
    let mut parts = hash.split('$');
    let (Some(""), Some(version), Some(cost), Some(rest), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Flaw::Malformed);
    };
    let known = matches!(version, "2a" | "2b" | "2x" | "2y");
    let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let body = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
    match cost.parse() {
        Ok(cost) if known && digits && body && cost >= MIN_COST => {
            if cost > MAX_COST {
                Err(Flaw::TooDear(cost))
            } else {
                Ok(cost)
            }
        }
        _ => Err(Flaw::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "$2b$04$abcdefghijklmnopqrstuuRJmOBMbmgLpWDJ2SZ6SYGDmx.vFyW3q";

    #[test]
    fn costs_are_read_and_capped() {
        for (cost, expected) in [
            ("04", Ok(4)),
            ("12", Ok(12)),
            ("13", Err(Flaw::TooDear(13))),
            ("31", Err(Flaw::TooDear(31))),
            ("99", Err(Flaw::TooDear(99))),
            ("03", Err(Flaw::Malformed)),
            ("+4", Err(Flaw::Malformed)),
            ("x4", Err(Flaw::Malformed)),
        ] {
            assert_eq!(check(&GOOD.replacen("04", cost, 1)), expected, "{cost}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let wide = GOOD.replacen("abc", "é.", 1);
        assert_eq!(wide.len(), 60);
        for text in ["", "$2b$", &GOOD[..59], &format!("{GOOD}x"), &wide, &GOOD.replace("2b", "3b"), &"$".repeat(60)] {
            assert_eq!(check(text), Err(Flaw::Malformed), "{text}");
        }
        for version in ["2a", "2x", "2y"] {
            assert_eq!(check(&GOOD.replace("2b", version)), Ok(4));
        }
    }
}
