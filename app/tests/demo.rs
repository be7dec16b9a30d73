//! `scripts/demo` plays the main job against the binary, as a newcomer would.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_demo_plays_the_main_job() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let demo = Command::new(root.join("scripts/demo"))
        .env("AGENTIDP", env!("CARGO_BIN_EXE_agentidp"))
        .output()
        .expect("the demo starts");
    let text = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{text}\n{}", String::from_utf8_lossy(&demo.stderr));
    assert!(text.contains("All 51 answers were as they should be."), "{text}");
}
