//! The contract suites of the ports: cases that every implementation passes, each a function of a port.
//!
//! A case panics where the contract is broken; the macros make one test per case and implementation.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

pub mod biscuits;
pub mod limits;
pub mod notices;
pub mod policy;
pub mod secrets;
pub mod storage;
pub mod tokens;
