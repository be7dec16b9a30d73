//! The tests of a policy are run, and none that fails goes unnoticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

use agentidp_adapters::rego::PolicySource;
use agentidp_adapters::rego::suite::{TestFile, TestResult, run};
use std::time::{Duration, Instant};

fn ran(text: &str) -> Vec<TestResult> {
    let file = TestFile { name: "x_test.rego".to_owned(), text: format!("package agentidp.authz_test\n\n{text}\n") };
    run(&PolicySource::builtin(), &[file]).unwrap()
}

/// The problem of each test, empty where it holds.
fn problems(text: &str) -> Vec<(String, String)> {
    let strip = |name: String| name.strip_prefix("data.agentidp.authz_test.").unwrap().to_owned();
    ran(text).into_iter().map(|test| (strip(test.name), test.problem.unwrap_or_default())).collect()
}

#[test]
fn each_way_to_fail_is_noticed() {
    let found = problems(
        "test_true if true\n\ntest_undefined if {\n\tinput.x == 1\n}\n\ntest_false := false\n\ntest_text := \"yes\"\n\n\
         test_error if to_number(\"x\") == 1\n\n  test_indented if 1 == 2\n\ntest_both if 1 == 2\n\ntest_both if true\n\n\
         test_helper(x) := x\n\nhelps if {\n\ttest_helper(1) == 1\n}",
    );
    let told = |name: &str| found.iter().find(|(found, _)| found == name).unwrap().1.as_str();
    assert_eq!(found.len(), 7, "{found:?}");
    assert_eq!((told("test_true"), told("test_both")), ("", ""));
    assert!(told("test_undefined").contains("undefined") && told("test_indented").contains("undefined"), "{found:?}");
    assert!(told("test_false").contains("false") && told("test_text").contains("not true"), "{found:?}");
    assert!(told("test_error").contains("x_test.rego:"), "{found:?}");
}

#[test]
fn tests_see_the_policy_and_its_data() {
    let text = "import data.agentidp.authz\n\ntest_data if data.scopes[\"agents:read\"].listAgents\n\n\
                test_decision if authz.decision.allow == false with input as {}";
    assert_eq!(problems(text).iter().filter(|(_, problem)| problem.is_empty()).count(), 2);
}

#[test]
fn a_file_that_does_not_compile_is_named() {
    let file = TestFile { name: "bad_test.rego".to_owned(), text: "package x\n\ntest_a if {".to_owned() };
    let message = run(&PolicySource::builtin(), &[file]).unwrap_err().to_string();
    assert!(message.contains("bad_test.rego:"), "{message}");
}

#[test]
fn a_test_without_an_end_is_stopped() {
    let start = Instant::now();
    let found =
        problems("test_endless if count([x | some x in numbers.range(1, 900000); some y in [1, 2, 3]; x > y]) == 1");
    assert!(!found[0].1.is_empty(), "{found:?}");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// The interpreter would follow them until the stack, and with it the process, has ended.
#[test]
fn functions_that_call_themselves_are_refused() {
    let first = "package first_test\n\nimport data.second_test as second\n\ntest_a if f(1)\n\n";
    let second = "package second_test\n\nimport data.first_test\n\n";
    for (f, g) in [
        ("f(x) if f(x)", ""),
        ("f(x) if g(x)\n\ng(x) if {\n\tsome y in [x]\n\tevery z in [y] { f(z) }\n}", ""),
        ("f(x) if data.first_test.f(x)", ""),
        ("f(x) if data[\"first_test\"].f(x)", ""),
        ("f(x) if second.g(x)", "g(x) if first_test.f(x)"),
        ("f(x) := [y | y := f(x)]", ""),
        ("f(x) := {\"a\": f(x)}", ""),
        ("f(x) := 1 if x > 0\n\nelse := f(x)", ""),
    ] {
        let file = |name: &str, text: String| TestFile { name: name.to_owned(), text };
        let files =
            [file("first_test.rego", format!("{first}{f}\n")), file("second_test.rego", format!("{second}{g}\n"))];
        let message = run(&PolicySource::builtin(), &files).expect_err(f).to_string();
        assert!(message.contains("first_test.f comes to call itself"), "{message}");
    }
    let wrapper = "import data.agentidp.authz\n\ncovered(x, y) if authz.covered(x, y)\n\n\
                   test_a if covered(\"a:b\", [\"a:*\"])";
    assert_eq!(problems(wrapper), [("test_a".to_owned(), String::new())]);
}
