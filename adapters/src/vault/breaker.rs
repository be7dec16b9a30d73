//! Keeps requests from waiting for a Vault that is away: after a few failures in a row it is not asked for a moment, then
//! by one request at a time.

use super::error::VaultError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row after which Vault is left alone.
const FAILURES: u32 = 3;

#[derive(Debug)]
pub(super) struct Breaker {
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    resting_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, state: Mutex::default() }
    }

    /// Whether nobody may ask now.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.state().resting_until.is_some_and(|until| now < until)
    }

    /// Whether a question may be asked now. After a rest the first one may, and the next only when another rest is over
    /// or an answer has come.
    pub(super) fn admit(&self, now: Instant) -> Result<(), VaultError> {
        let mut state = self.state();
        let Some(until) = state.resting_until else { return Ok(()) };
        if now < until {
            return Err(VaultError::Resting);
        }
        state.resting_until = now.checked_add(self.pause);
        Ok(())
    }

    /// Learns how a question ended.
    pub(super) fn note<T>(&self, answer: &Result<T, VaultError>, now: Instant) {
        let mut state = self.state();
        if !answer.as_ref().is_err_and(VaultError::is_away) {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.resting_until = now.checked_add(self.pause);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn fail(breaker: &Breaker, now: Instant) {
        breaker.note::<()>(&Err(VaultError::TimedOut), now);
    }

    #[test]
    fn it_rests_after_failures_in_a_row_and_asks_one_by_one() {
        let (breaker, start) = (Breaker::new(PAUSE), Instant::now());
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(start), Ok(()));
            fail(&breaker, start);
        }
        assert_eq!(breaker.admit(start), Err(VaultError::Resting));
        let later = start + PAUSE;
        assert_eq!(breaker.admit(later), Ok(()), "one asks");
        assert_eq!(breaker.admit(later), Err(VaultError::Resting), "the others wait for its answer");
        fail(&breaker, later);
        assert_eq!(breaker.admit(later + PAUSE), Ok(()));
        breaker.note(&Ok(()), later + PAUSE);
        assert_eq!((breaker.admit(later + PAUSE), breaker.admit(later + PAUSE)), (Ok(()), Ok(())));
    }

    #[test]
    fn an_answer_is_no_failure_whatever_it_says() {
        let (breaker, now) = (Breaker::new(PAUSE), Instant::now());
        for answer in [VaultError::Missing, VaultError::Conflict, VaultError::Refused] {
            fail(&breaker, now);
            fail(&breaker, now);
            breaker.note::<()>(&Err(answer), now);
        }
        fail(&breaker, now);
        assert_eq!(breaker.admit(now), Ok(()));
    }

    #[test]
    fn who_asks_and_never_comes_back_blocks_nobody_for_good() {
        let (breaker, mut now) = (Breaker::new(PAUSE), Instant::now());
        (0..FAILURES).for_each(|_| fail(&breaker, now));
        for _ in 0..3 {
            now += PAUSE;
            assert_eq!(breaker.admit(now), Ok(()));
        }
    }
}
