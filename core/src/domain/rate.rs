//! Rate limits by GCRA (generic cell rate algorithm, ITU-T I.371): a bucket is one number, the theoretical arrival
//! time.

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

/// What a bucket remembers: its theoretical arrival time, in microseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalTime(pub i64);

/// A bucket is as deep as a minute, less what the limit leaves over when it divides one. In microseconds: the numbers of
/// a script in Redis hold them exactly until the year 2255.
const WINDOW_MICROS: i64 = 60_000_000;

impl PerMinute {
    /// Decides one event at `now` for a bucket that remembers `arrival`, and says what it then remembers. With `take`
    /// false it only looks. A clock that was set back cannot lock a bucket for longer than a minute.
    pub fn decide(self, arrival: Option<ArrivalTime>, now: Timestamp, take: bool) -> (RateDecision, ArrivalTime) {
        let now = now.unix_millis().saturating_mul(1_000);
        let (interval, depth) = (self.interval_micros(), self.depth_micros());
        let used = arrival.map_or(0, |arrival| arrival.0.saturating_sub(now).clamp(0, depth));
        let allowed = used.saturating_add(interval) <= depth;
        let after = if allowed && take { used.saturating_add(interval) } else { used };
        (self.decision(allowed, after), ArrivalTime(now.saturating_add(after)))
    }

    /// How much of a bucket an event takes, in microseconds.
    pub fn interval_micros(self) -> i64 {
        WINDOW_MICROS.checked_div(i64::from(self.0.get())).unwrap_or(1).max(1)
    }

    /// How much a bucket holds, in microseconds.
    pub fn depth_micros(self) -> i64 {
        self.interval_micros().saturating_mul(i64::from(self.0.get())).min(WINDOW_MICROS)
    }

    /// What is said to an event after which so many microseconds of the bucket are in use.
    pub fn decision(self, allowed: bool, used_micros: i64) -> RateDecision {
        let interval = self.interval_micros();
        let free = self.depth_micros().saturating_sub(used_micros);
        let wait = interval.saturating_sub(free).max(0);
        RateDecision {
            allowed,
            limit: self.0.get(),
            remaining: u32::try_from(free.checked_div(interval).unwrap_or(0)).unwrap_or(0).min(self.0.get()),
            reset: micros(used_micros),
            retry_after: if allowed { Duration::ZERO } else { micros(wait) },
        }
    }
}

fn micros(amount: i64) -> Duration {
    Duration::from_micros(u64::try_from(amount).unwrap_or(0))
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
    fn the_burst_is_the_limit_whether_or_not_it_divides_a_minute() {
        for limit in [1, 7, 30, 100, 777, 6_000, 9_999, 100_000] {
            let allowed = run(limit, std::iter::repeat_n(7, 120_000)).iter().filter(|d| d.allowed).count();
            assert_eq!(allowed, limit as usize);
        }
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out_for_long() {
        let limit = PerMinute(2.try_into().unwrap());
        let (_, arrival) = limit.decide(None, Timestamp::from_unix_millis(3_600_000), true);
        let (decision, _) = limit.decide(Some(arrival), Timestamp::from_unix_millis(0), true);
        assert!(decision.retry_after <= Duration::from_secs(60));
    }
}
