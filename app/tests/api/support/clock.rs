//! A clock that goes on only when a test says so.

use agentidp::wiring;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use agentidp_core::services::Ambient;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub struct TestClock(AtomicI64);

impl TestClock {
    /// It shows the time of this machine.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(wiring::system_time().unix_millis())))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// What a server lives by.
    pub fn ambient(self: &Arc<Self>) -> Ambient {
        Ambient { clock: Arc::clone(self) as _, ..wiring::ambient() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}
