//! Log lines for what others can make happen thousands of times a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two lines of the same kind.
const PERIOD: Duration = Duration::from_secs(60);

/// Says when a line may be written: the first time, then at most once a minute.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Said>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    left_out: u64,
}

impl Seldom {
    /// How many lines were left out since the last one, if another may be written at `now`.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = said.as_mut()
            && now.saturating_duration_since(last.at) < PERIOD
        {
            last.left_out = last.left_out.saturating_add(1);
            return None;
        }
        let left_out = said.as_ref().map_or(0, |last| last.left_out);
        *said = Some(Said { at: now, left_out: 0 });
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_tells_how_many_were_left_out() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(seldom.due(start), Some(0));
        assert_eq!((seldom.due(start), seldom.due(after(59))), (None, None));
        assert_eq!(seldom.due(after(60)), Some(2));
        assert_eq!(seldom.due(after(119)), None);
        assert_eq!(seldom.due(after(600)), Some(1));
        assert_eq!(seldom.due(after(660)), Some(0));
    }
}
