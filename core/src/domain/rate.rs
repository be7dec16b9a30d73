//! Rate limits by GCRA (generic cell rate algorithm, ITU-T I.371): a bucket is one number, the theoretical arrival time.

use super::time::Timestamp;
use std::time::Duration;

/// So many events a minute, and as many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute(pub std::num::NonZeroU32);

/// What a bucket says to one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateDecision {
    pub allowed: bool,
    /// Events a minute: `RateLimit-Limit`.
    pub limit: u32,
    /// Events that would be allowed at once now: `RateLimit-Remaining`.
    pub remaining: u32,
    /// Until the bucket is full again: `RateLimit-Reset`.
    pub reset: Duration,
    /// Until the next event is allowed; zero if it is now.
    pub retry_after: Duration,
}

impl PerMinute {
    /// Decides one event at `now` for a bucket whose theoretical arrival time is `tat`, and says what the bucket then
    /// holds. With `take` false it only looks.
    pub fn decide(self, tat: Option<Timestamp>, now: Timestamp, take: bool) -> (RateDecision, Timestamp) {
        let limit = i64::from(self.0.get());
        let window = 60_000_i64;
        // In millionths of a millisecond, so that limits above 60,000 a minute do not round to nothing.
        let scale = 1_000_000_i64;
        let interval = window.saturating_mul(scale).checked_div(limit).unwrap_or(i64::MAX);
        let used =
            tat.map_or(0, |tat| tat.unix_millis().saturating_sub(now.unix_millis()).max(0)).saturating_mul(scale);
        let free = window.saturating_mul(scale).saturating_sub(used);
        let allowed = free >= interval;
        let after = if allowed && take { used.saturating_add(interval) } else { used };
        let left = window.saturating_mul(scale).saturating_sub(after);
        let decision = RateDecision {
            allowed,
            limit: self.0.get(),
            remaining: u32::try_from(left.checked_div(interval).unwrap_or(0)).unwrap_or(u32::MAX),
            reset: millis(after, scale),
            retry_after: if allowed { Duration::ZERO } else { millis(interval.saturating_sub(free), scale) },
        };
        (decision, now.after(millis(after, scale)))
    }
}

/// Rounds up: a bucket is never a fraction emptier than it was paid for.
fn millis(amount: i64, scale: i64) -> Duration {
    let rounded = amount.saturating_add(scale.saturating_sub(1)).checked_div(scale).unwrap_or(0);
    Duration::from_millis(u64::try_from(rounded).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(limit: u32, moments: impl IntoIterator<Item = i64>) -> Vec<RateDecision> {
        let limit = PerMinute(limit.try_into().unwrap());
        let mut tat = None;
        moments
            .into_iter()
            .map(|at| {
                let (decision, next) = limit.decide(tat, Timestamp::from_unix_millis(at), true);
                tat = Some(next);
                decision
            })
            .collect()
    }

    #[test]
    fn as_many_at_once_as_a_minute_allows_then_one_by_one() {
        let decisions = run(30, std::iter::repeat_n(1_000, 31).chain([2_999, 3_000, 3_001]));
        assert!(decisions[..30].iter().all(|decision| decision.allowed));
        assert_eq!(decisions[0].remaining, 29);
        assert_eq!(decisions[29].remaining, 0);
        assert!(!decisions[30].allowed);
        assert_eq!(decisions[30].retry_after, Duration::from_secs(2));
        assert_eq!(decisions[31..].iter().map(|d| d.allowed).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_full_minute_fills_the_bucket() {
        let decisions = run(2, [0, 0, 60_000, 60_000, 60_000]);
        assert_eq!(decisions.iter().map(|d| d.allowed).collect::<Vec<_>>(), [true, true, true, true, false]);
    }

    #[test]
    fn looking_takes_nothing() {
        let limit = PerMinute(1.try_into().unwrap());
        let now = Timestamp::from_unix_millis(5);
        let (looked, tat) = limit.decide(None, now, false);
        assert!(looked.allowed);
        assert!(limit.decide(Some(tat), now, true).0.allowed);
    }

    #[test]
    fn a_high_limit_is_still_a_limit() {
        let allowed = run(100_000, std::iter::repeat_n(7, 200_000)).iter().filter(|d| d.allowed).count();
        assert!((59_000..=100_000).contains(&allowed), "{allowed}");
    }
}
