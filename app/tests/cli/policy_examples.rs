//! The examples of `docs/POLICY.md`: each patch fits the shipped policy, and its tests hold with it and fail without.

use crate::harness::Place;
use std::path::{Path, PathBuf};
use std::process::Command;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The names of the patches, as the page shows them.
fn examples(page: &str) -> Vec<String> {
    let names = page.lines().filter_map(|line| line.strip_prefix("[`policy/")?.split_once(".patch`]"));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_example_of_the_page_does_what_its_tests_say() {
    let page = std::fs::read_to_string(docs().join("POLICY.md")).unwrap();
    let names = examples(&page);
    assert_eq!(names.len(), 5, "{names:?}");
    let files = std::fs::read_dir(docs().join("policy")).unwrap().count();
    assert_eq!(files, 2 * names.len(), "a patch and a file of tests for each, and nothing else");
    let shipped = Place::bare().done(&["policy", "test", "--json"]).json()["tests"].as_u64().unwrap();
    for name in names {
        let patch = std::fs::read_to_string(docs().join(format!("policy/{name}.patch"))).unwrap();
        assert!(page.contains(&format!("```diff\n{patch}```\n")), "the page shows another patch of {name}");
        let place = Place::bare();
        place.done(&["policy", "export", "policy"]);
        let test = format!("{}_test.rego", name.replace('-', "_"));
        std::fs::copy(docs().join("policy").join(&test), place.path("policy").join(&test)).unwrap();
        let without = place.run(&["policy", "test", "policy"]);
        assert_eq!(without.code, 1, "{name}: its tests hold without it: {without:?}");

        let applied = Command::new("git")
            .args(["apply", "-p1", &docs().join(format!("policy/{name}.patch")).display().to_string()])
            .current_dir(place.path("policy"))
            .output()
            .unwrap();
        assert!(applied.status.success(), "{name}: {applied:?}");
        let tests = place.done(&["policy", "test", "policy", "--json"]).json()["tests"].as_u64().unwrap();
        assert!(tests > shipped + 2, "{name}: {tests}");
        place.done(&["policy", "check", "policy"]);
    }
}
