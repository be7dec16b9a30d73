//! A policy is proved before it is used, and its answers are read strictly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

use agentidp_adapters::rego::suite::TestFile;
use agentidp_adapters::rego::{LoadError, PolicySource, Proved, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::contract::policy::generated;
use agentidp_core::ports::policy::{Owners, PolicyEngine, PolicyInput, Refusal};
use std::time::{Duration, Instant};

/// A hundred thousand steps.
const LOOP: &str = "ten := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\n\
                    endless if count([0 | some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten]) == 1";
const DENY: &str = r#"default decision := {"allow": false, "reason": "No.", "owners": []}"#;

fn input(operation: &str) -> PolicyInput {
    let mut input = generated(7, 1).next().unwrap();
    operation.clone_into(&mut input.operation);
    input
}

/// A policy that denies all and has these lines as well.
fn with(lines: &str) -> Result<RegoPolicy, LoadError> {
    RegoPolicy::new(PolicySource::new(format!("package agentidp.authz\n\n{DENY}\n\n{lines}\n"), r#"{"scopes": {}}"#))
}

fn refusal(policy: Result<RegoPolicy, LoadError>) -> String {
    policy.err().expect("the policy was taken").to_string()
}

/// A policy whose answer to the operation `special`, which no trial uses, is `answer`.
fn answering(answer: &str) -> RegoPolicy {
    with(&format!("decision := {answer} if input.operation == \"special\"")).unwrap()
}

#[test]
fn a_policy_that_does_not_parse_names_the_place() {
    let message = refusal(with("decision := {"));
    assert!(message.contains("policies/authz.rego:6:1"), "{message}");
    let message = refusal(with("allow { true }"));
    assert!(message.contains("policies/authz.rego:5:"), "{message}");
}

#[test]
fn an_empty_policy_is_refused() {
    for text in ["", "package agentidp.authz", "package other\n\ndecision := {}"] {
        let message = refusal(RegoPolicy::new(PolicySource::new(text, "{}")));
        assert!(message.starts_with("the policy does not compile: "), "{message}");
        assert!(message.contains("authz.rego"), "{message}");
    }
}

#[test]
fn data_that_is_no_object_is_refused() {
    for (data, place) in [("{\n \"scopes\": {", "line 2 column"), ("[]", "scopes.json:1:1"), ("", "line 1 column 0")] {
        let message = refusal(RegoPolicy::new(PolicySource::new(PolicySource::builtin().rego, data)));
        assert!(message.contains("policies/data/scopes.json") && message.contains(place), "{message}");
        assert!(TablePolicy::new(data).is_err());
    }
    let message =
        refusal(RegoPolicy::new(PolicySource::new(PolicySource::builtin().rego, r#"{"agentidp": {"authz": 1}}"#)));
    assert!(message.contains("authz"), "{message}");
}

#[test]
fn an_unknown_function_is_refused() {
    let message = refusal(with("decision := {} if no.such.function(input)"));
    assert!(message.contains("no.such.function"), "{message}");
    let message = refusal(with(r#"decision := {} if http.send({"url": "http://127.0.0.1/", "method": "get"})"#));
    assert!(message.contains("http.send"), "{message}");
}

#[test]
fn endless_work_is_refused() {
    let message = refusal(with(&format!("decision := {{}} if endless\n\n{LOOP}")));
    assert!(
        message.contains("trial decision `unknown operation`")
            && message.contains("authz.rego:9:")
            && message.contains("limit"),
        "{message}"
    );
}

#[test]
fn rules_that_need_themselves_are_refused() {
    for (lines, circle) in [
        (
            "a if b\n\nb if a\n\ndecision := {} if a",
            "data.agentidp.authz.a -> data.agentidp.authz.b -> data.agentidp.authz.a",
        ),
        ("f(x) := y if y := f(x)\n\ndecision := {} if f(1)", "data.agentidp.authz.f -> data.agentidp.authz.f"),
        (
            "decision := {} if data.agentidp.authz[input.path]",
            "data.agentidp.authz.decision -> data.agentidp.authz.decision",
        ),
        ("decision := {} if decision.allow", "data.agentidp.authz.decision -> data.agentidp.authz.decision"),
    ] {
        let message = refusal(with(lines));
        assert!(message.contains(circle), "{message}");
    }
}

#[test]
fn contradicting_rules_and_failing_functions_are_refused() {
    let other = r#"decision := {"allow": false, "reason": "Other.", "owners": []} if input.operation == "listAgents""#;
    let third = other.replace("Other", "Third");
    assert!(refusal(with(&format!("{other}\n\n{third}"))).contains("trial decision `list`"));
    assert!(refusal(with("decision := {} if to_number(input.operation) == 1")).contains("trial decision"));
}

#[test]
fn a_policy_that_allows_anything_is_refused() {
    let message = refusal(with(r#"decision := {"allow": true, "reason": "Yes.", "owners": "*"} if true"#));
    assert!(message.contains("`unknown operation`") && message.contains("allowed"), "{message}");
}

#[test]
fn a_malformed_decision_is_an_error_and_never_an_allowance() {
    for (answer, problem) in [
        ("true", "no object"),
        ("[]", "no object"),
        ("{}", "no `allow`"),
        (r#"{"allow": "true", "reason": "R.", "owners": "*"}"#, "`allow`"),
        (r#"{"allow": 1, "reason": "R.", "owners": "*"}"#, "`allow`"),
        (r#"{"allow": true, "owners": "*"}"#, "no `reason`"),
        (r#"{"allow": true, "reason": null, "owners": "*"}"#, "`reason`"),
        (r#"{"allow": true, "reason": "R."}"#, "no `owners`"),
        (r#"{"allow": true, "reason": "R.", "owners": "team"}"#, "`owners`"),
        (r#"{"allow": true, "reason": "R.", "owners": {"team"}}"#, "`owners`"),
        (r#"{"allow": true, "reason": "R.", "owners": [" team"]}"#, "`owners`"),
        (r#"{"allow": true, "reason": "R.", "owners": [1]}"#, "`owners`"),
        (r#"{"allow": false, "reason": "R.", "owners": [], "status": 500}"#, "`status`"),
        (r#"{"allow": false, "reason": "R.", "owners": [], "status": "404"}"#, "`status`"),
        (r#"{"allow": false, "reason": "R.", "owners": [], "missing": ["a:*"]}"#, "`missing`"),
        (r#"{"allow": true, "reason": "R.", "owners": [], "scopes": "a:b"}"#, "`scopes`"),
        (r#"{"allow": true, "reason": "R.", "owners": [], "rule": 1}"#, "`rule`"),
        (r#"{"allow": true, "reason": "R.", "owners": [], "obligations": []}"#, "obligations"),
    ] {
        let message = answering(answer).decide(&input("special")).expect_err(answer).to_string();
        assert!(message.contains(problem), "{answer}: {message}");
    }
    let undefined = PolicySource::new("package agentidp.authz\n\ndecision := {} if false", "{}");
    assert!(refusal(RegoPolicy::new(undefined)).contains("undefined"));
}

#[test]
fn a_decision_is_read_whole() {
    let text =
        r#"{"allow": false, "reason": "R.", "owners": ["b", "a"], "status": 404, "missing": ["x:y"], "scopes": []}"#;
    let decision = answering(text).decide(&input("special")).unwrap().decision;
    assert_eq!(decision.owners, Owners::Only(vec!["b".parse().unwrap(), "a".parse().unwrap()]));
    assert_eq!((decision.refusal, decision.rule), (Refusal::NotFound, None));
    assert_eq!(decision.missing, ["x:y".parse().unwrap()]);
    assert!(decision.scopes.unwrap().is_empty());
}

#[test]
fn a_decision_that_meets_its_limit_is_an_error() {
    let policy = with(&format!("decision := {{}} if {{\n\tinput.operation == \"special\"\n\tendless\n}}\n\n{LOOP}"));
    let message = policy.unwrap().decide(&input("special")).unwrap_err().to_string();
    assert!(message.contains("limit"), "{message}");
}

/// In 40 doublings a text of one letter would have a terabyte.
#[test]
fn a_decision_that_builds_something_huge_is_an_error() {
    let doublings = |first: &str, double: &dyn Fn(&str) -> String| {
        let next = |n: usize| format!("x{n} := {}\n\n", double(&format!("x{}", n - 1)));
        format!("x0 := {first}\n\n{}", (1..=40).map(next).collect::<String>())
    };
    for lines in [
        doublings("\"x\"", &|x| format!("concat(\"\", [{x}, {x}])")),
        doublings("[1]", &|x| format!("array.concat({x}, {x})")),
        doublings("\"x\"", &|x| format!("replace({x}, \"x\", \"xx\")")),
        doublings("\"x\"", &|x| format!("sprintf(\"%s%s\", [{x}, {x}])")),
        doublings("3", &|x| format!("{x} * {x}")),
    ] {
        let policy = with(&format!("decision := {{}} if {{\n\tinput.operation == \"special\"\n\tx40\n}}\n\n{lines}"));
        let policy = policy.unwrap();
        let start = Instant::now();
        let message = policy.decide(&input("special")).unwrap_err().to_string();
        assert!(message.contains("memory"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}: {lines}", start.elapsed());
        assert!(!policy.decide(&input("other")).unwrap().decision.allow, "the next one is as ever");
    }
}

/// A decision comes out the same when it is made again, and no number makes it large.
#[test]
fn some_functions_may_not_be_used() {
    for call in [
        "numbers.range(1, input.request.graceSeconds)",
        "numbers.range_step(1, 9, 2)",
        "bits.lsh(1, 9)",
        "rand.intn(\"x\", 9)",
        "time.now_ns()",
    ] {
        let message = refusal(with(&format!("helps if {call}\n\ndecision := {{}} if {{\n\tinput.x\n\thelps\n}}")));
        let name = call.split('(').next().unwrap();
        assert!(message.contains("authz.rego:5:") && message.contains(&format!("`{name}` may not")), "{message}");
    }
}

#[test]
fn a_policy_that_fails_its_own_tests_is_refused() {
    let test =
        |text: &str| TestFile { name: "own_test.rego".to_owned(), text: format!("package own_test\n\n{text}\n") };
    let with_tests = |tests: &str| {
        let mut source = PolicySource::builtin();
        source.tests = vec![test(tests)];
        Proved::new(source)
    };
    assert!(with_tests("test_a if true").is_ok());
    assert!(with_tests("helper := 1").is_ok(), "no test is no failure");
    let message = with_tests("test_a if true\n\ntest_b if false").err().unwrap().to_string();
    assert!(message.contains("data.own_test.test_b: it is undefined") && !message.contains("test_a"), "{message}");
    let many: String = (0..9).map(|n| format!("test_{n} := {n}\n\n")).collect();
    assert!(with_tests(&many).err().unwrap().to_string().ends_with("; and 6 more"));
    assert!(with_tests("test_a if {").err().unwrap().to_string().contains("own_test.rego:"));
}

#[test]
fn a_bad_policy_leaves_the_old_one_in_force() {
    let policy = RegoPolicy::new(PolicySource::builtin()).unwrap();
    let before = policy.hash();
    assert!(Proved::new(PolicySource::new("package agentidp.authz", "{}")).is_err());
    assert_eq!((policy.hash(), policy.source()), (before.clone(), PolicySource::builtin()));
    let mut newer = PolicySource::builtin();
    newer.rego.push_str("\n# changed\n");
    policy.replace(Proved::new(newer.clone()).unwrap());
    assert_eq!(policy.hash(), newer.hash());
    assert_ne!(policy.hash(), before);
    assert_eq!(policy.decide(&input("listAgents")).unwrap().policy_hash, newer.hash());
}

#[test]
fn the_hash_tells_where_one_text_ends() {
    let hash = |rego: &str, data: &str| PolicySource::new(rego, data).hash();
    assert_ne!(hash("ab", "c"), hash("a", "bc"));
    assert_eq!(hash("ab", "c"), hash("ab", "c"));
}

#[test]
fn a_folder_gives_the_same_policy() {
    let folder = tempfile::tempdir().unwrap();
    let missing = PolicySource::from_dir(folder.path()).unwrap_err().to_string();
    assert!(missing.contains("authz.rego"), "{missing}");
    let shipped = PolicySource::builtin();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("authz.rego"), &shipped.rego).unwrap();
    std::fs::write(folder.path().join("data/scopes.json"), &shipped.data).unwrap();
    let read = PolicySource::from_dir(folder.path()).unwrap();
    assert_eq!(RegoPolicy::new(read).unwrap().hash(), RegoPolicy::new(shipped).unwrap().hash());
}
