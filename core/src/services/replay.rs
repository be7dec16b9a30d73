//! Recorded decisions, made again by another policy: what would have come out otherwise.

use crate::ports::policy::{Decided, Decision, PolicyEngine, PolicyError, PolicyInput};

/// A decision and what another policy makes of the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub before: Result<Decided, PolicyError>,
    pub after: Result<Decided, PolicyError>,
}

/// How both compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same answer, by the same rule.
    Same,
    /// The same answer, by another rule.
    OtherRule,
    Differs(Difference),
}

/// What a caller would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// What was allowed would be refused.
    Refused,
    /// What was refused would be allowed.
    Allowed,
    /// A refusal would be shown otherwise: 403 or 404.
    Status,
    /// A token would get other scopes.
    Scopes,
    /// The rows of other owners would be within reach.
    Owners,
    /// There would be no decision any more: 503.
    Undecided,
    /// There would be a decision where there was none.
    Decided,
}

impl Difference {
    /// Its name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Allowed => "allowed",
            Self::Status => "status",
            Self::Scopes => "scopes",
            Self::Owners => "owners",
            Self::Undecided => "undecided",
            Self::Decided => "decided",
        }
    }
}

/// Decides on `input` by the policy that was in force and by the candidate. Nothing is recorded.
pub fn replay(in_force: &dyn PolicyEngine, candidate: &dyn PolicyEngine, input: &PolicyInput) -> Replayed {
    Replayed { before: in_force.decide(input), after: candidate.decide(input) }
}

impl Replayed {
    /// Compares both.
    pub fn compare(&self) -> Comparison {
        match (&self.before, &self.after) {
            (Ok(before), Ok(after)) => compare(&before.decision, &after.decision),
            (Ok(_), Err(_)) => Comparison::Differs(Difference::Undecided),
            (Err(_), Ok(_)) => Comparison::Differs(Difference::Decided),
            (Err(_), Err(_)) => Comparison::Same,
        }
    }
}

fn compare(before: &Decision, after: &Decision) -> Comparison {
    let difference = match (before.allow, after.allow) {
        (true, false) => Some(Difference::Refused),
        (false, true) => Some(Difference::Allowed),
        (false, false) if before.refusal != after.refusal => Some(Difference::Status),
        (true, true) if before.scopes != after.scopes => Some(Difference::Scopes),
        (true, true) if before.owners != after.owners => Some(Difference::Owners),
        _ => None,
    };
    match difference {
        Some(difference) => Comparison::Differs(difference),
        None if before.rule != after.rule => Comparison::OtherRule,
        None => Comparison::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scope::ScopeSet;
    use crate::ports::policy::{Owners, Refusal};

    fn allowed() -> Decision {
        Decision {
            allow: true,
            reason: String::new(),
            owners: Owners::Only(Vec::new()),
            rule: Some("a".to_owned()),
            refusal: Refusal::Forbidden,
            missing: Vec::new(),
            scopes: None,
        }
    }

    fn refused() -> Decision {
        Decision { allow: false, ..allowed() }
    }

    #[test]
    fn what_a_caller_would_notice_is_told() {
        let differs = Comparison::Differs;
        let other_rule = |decision: Decision| Decision { rule: Some("b".to_owned()), ..decision };
        let reason = |decision: Decision| Decision { reason: "another".to_owned(), ..decision };
        let hidden = Decision { refusal: Refusal::NotFound, ..refused() };
        let scopes = Decision { scopes: Some(ScopeSet::default()), ..allowed() };
        let all = Decision { owners: Owners::All, ..allowed() };
        let cases = [
            (allowed(), allowed(), Comparison::Same),
            (refused(), reason(refused()), Comparison::Same),
            (allowed(), other_rule(allowed()), Comparison::OtherRule),
            (refused(), other_rule(refused()), Comparison::OtherRule),
            (allowed(), refused(), differs(Difference::Refused)),
            (refused(), allowed(), differs(Difference::Allowed)),
            (refused(), hidden.clone(), differs(Difference::Status)),
            (hidden, refused(), differs(Difference::Status)),
            (allowed(), scopes, differs(Difference::Scopes)),
            (allowed(), all.clone(), differs(Difference::Owners)),
            // A refusal reaches no rows, whatever it says of them.
            (refused(), Decision { allow: false, ..all }, Comparison::Same),
        ];
        for (before, after, expected) in cases {
            assert_eq!(compare(&before, &after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn no_decision_differs_from_any() {
        let decided = || Ok(Decided { decision: allowed(), policy_hash: String::new() });
        let none = || Err(PolicyError { problem: String::new(), policy_hash: String::new() });
        let cases = [
            (decided(), none(), Comparison::Differs(Difference::Undecided)),
            (none(), decided(), Comparison::Differs(Difference::Decided)),
            (none(), none(), Comparison::Same),
        ];
        for (before, after, expected) in cases {
            assert_eq!(Replayed { before, after }.compare(), expected);
        }
    }
}
