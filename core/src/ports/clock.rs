//! Time and randomness.

use crate::domain::ids::uuid_v7;
use crate::domain::time::Timestamp;
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` from a cryptographically secure generator. It MUST NOT give the same bytes twice.
    fn fill(&self, bytes: &mut [u8]);
}

/// A new version 7 UUID.
pub fn new_uuid(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    uuid_v7(clock.now(), &random)
}
