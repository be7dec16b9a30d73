//! Time and randomness of this machine: what the clock and entropy ports are made of.

use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::{Clock, Entropy};
use agentidp_core::services::Ambient;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        system_time()
    }
}

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is what the clock port is made of")]
pub fn system_time() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "without randomness nothing here may go on")]
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system gives randomness");
    }
}

/// Time and randomness of this machine.
pub fn ambient() -> Ambient {
    Ambient { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy(SystemRandom::new())) }
}
