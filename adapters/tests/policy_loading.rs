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
const DATA: &str = r#"{"scopes": {}}"#;
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
        let message = refusal(RegoPolicy::new(PolicySource::new(text, DATA)));
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
    let message = refusal(RegoPolicy::new(PolicySource::new(
        PolicySource::builtin().rego,
        r#"{"scopes": {}, "agentidp": {"authz": 1}}"#,
    )));
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
    let interpreted = |lines: &str| {
        let text = format!("package agentidp.authz\n\n{DENY}\n\n{lines}\n");
        let proved = Proved::new(PolicySource::new(text, DATA));
        proved.and_then(|proved| proved.interpret()).expect_err(lines).to_string()
    };
    assert!(interpreted(&format!("{other}\n\n{third}")).contains("trial decision `list`"));
    assert!(interpreted("decision := {} if to_number(input.operation) == 1").contains("trial decision"));
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
        (r#"{"allow": true, "reason": "R.", "owners": [], "status": 404}"#, "`status`"),
        (r#"{"allow": true, "reason": "R.", "owners": [], "obligations": []}"#, "obligations"),
    ] {
        let message = answering(answer).decide(&input("special")).expect_err(answer).to_string();
        assert!(message.contains(problem), "{answer}: {message}");
    }
    for (member, most) in [("rule", 64), ("reason", 1024)] {
        let answer = |length: usize| {
            // A line of a policy may not be that long.
            let text = |length: usize| {
                format!("concat(\"\", [{}])", vec![format!("\"{}\"", "x".repeat(32)); length / 32].join(",\n"))
            };
            let (reason, rule) =
                if member == "rule" { ("\"R.\"".to_owned(), text(length)) } else { (text(length), "\"r\"".to_owned()) };
            let answer = format!("{{\"allow\": false, \"owners\": [],\n\"reason\": {reason},\n\"rule\": {rule}}}");
            answering(&answer).decide(&input("special"))
        };
        assert!(answer(most).is_ok());
        assert!(answer(most + 32).unwrap_err().to_string().contains(&format!("`{member}`")));
    }
    let undefined = PolicySource::new("package agentidp.authz\n\ndecision := {} if false", DATA);
    assert!(refusal(RegoPolicy::new(undefined)).contains("undefined"));
}

/// The machine of regorus takes a rule that fails for one that does not hold. A refusal must not be lost by that.
#[test]
fn a_refusal_that_fails_lets_nothing_through() {
    let refusing = |condition: &str| {
        let allow = r#"{"allow": true, "reason": "Yes.", "owners": "*"}"#;
        let refuse = r#"{"allow": false, "reason": "No.", "owners": []}"#;
        with(&format!(
            "h(x) := 1 if x == 1\n\nh(x) := 2 if x == 1\n\n\
             decision := {refuse} if {{\n\tinput.operation == \"special\"\n\t{condition}\n}} else := {allow} if {{\n\t\
             input.operation == \"special\"\n}}"
        ))
        .unwrap()
    };
    let asking = |expires_at: &str, grace_seconds: i64| {
        let mut input = input("special");
        input.request.expires_at = Some(expires_at.to_owned());
        input.request.grace_seconds = Some(grace_seconds);
        input
    };
    let late = "time.parse_rfc3339_ns(input.request.expiresAt) > time.parse_rfc3339_ns(input.time)";
    let policy = refusing(late);
    let allowed =
        |policy: &RegoPolicy, input: &PolicyInput| policy.decide(input).map(|decided| decided.decision.allow).ok();
    assert_eq!(allowed(&policy, &asking("1980-01-01T00:00:00Z", 1)), Some(true));
    assert_eq!(allowed(&policy, &asking("2200-01-01T00:00:00Z", 1)), Some(false));
    assert_eq!(allowed(&policy, &asking("9999-12-31T00:00:00Z", 1)), None, "beyond what nanoseconds can tell");
    assert_eq!(allowed(&policy, &asking("soon", 1)), None);
    let policy = refusing("3600 / input.request.graceSeconds < 1");
    assert_eq!(allowed(&policy, &asking("", 1)), Some(true));
    assert_eq!(allowed(&policy, &asking("", 7200)), Some(false));
    assert_eq!(allowed(&policy, &asking("", 0)), None);
    assert_eq!(allowed(&refusing("h(1) > 0"), &asking("", 1)), None);
    assert_eq!(allowed(&refusing("to_number(input.request.expiresAt) > 1"), &asking("x", 1)), None);
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
        doublings("\"x\"", &|x| format!("concat({x}, [\"\", {x}, \"\"])")),
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
        "sprintf(input.request.owner, [1])",
        "replace(input.path, \"a\", input.path)",
        "regex.replace(input.path, \"a\", input.path)",
        "strings.count(input.path, \"\")",
        "units.parse(input.request.expiresAt)",
        "units.parse_bytes(input.request.expiresAt)",
    ] {
        let message = refusal(with(&format!("helps if {call}\n\ndecision := {{}} if {{\n\tinput.x\n\thelps\n}}")));
        let told = format!("a policy may not call `{}`", call.split('(').next().unwrap());
        assert!(message.contains("authz.rego:5:") && message.contains(&told), "{told}: {message}");
    }
}

#[test]
fn a_policy_that_fails_its_own_tests_is_refused() {
    let test =
        |text: &str| TestFile { name: "own_test.rego".to_owned(), text: format!("package own_test\n\n{text}\n") };
    let with_tests = |tests: &str| {
        let mut source = PolicySource::builtin();
        source.tests = vec![test(tests)];
        Proved::new(source).unwrap().interpret()
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
    assert!(Proved::new(PolicySource::new("package agentidp.authz", DATA)).is_err());
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
fn a_table_that_is_spelt_wrong_is_refused() {
    for data in ["{}", r#"{"scope": {}}"#, r#"{"scopes": []}"#, r#"{"scopes": {"agents:read": ["listAgents"]}}"#] {
        let message = refusal(RegoPolicy::new(PolicySource::new(PolicySource::builtin().rego, data)));
        assert!(message.contains("scopes.json: `scopes` is no object of objects"), "{data}: {message}");
    }
}

/// What lies in a folder beside the files of a policy: of editors, of others, or of no use.
#[test]
fn only_the_files_of_a_policy_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let shipped = PolicySource::builtin();
    std::fs::create_dir(path("data")).unwrap();
    std::fs::write(path("authz.rego"), &shipped.rego).unwrap();
    std::fs::write(path("data/scopes.json"), &shipped.data).unwrap();
    std::fs::write(path("b_test.rego"), "package b_test").unwrap();
    std::fs::write(path("a_test.rego"), "package a_test").unwrap();
    std::fs::write(path("README.md"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", path(".#a_test.rego")).unwrap();
    let read = PolicySource::from_dir(folder.path()).unwrap();
    let names: Vec<_> = read.tests.iter().map(|test| test.name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["a_test.rego", "b_test.rego"]);
    let refused = |problem: &str| {
        let error = PolicySource::from_dir(folder.path()).unwrap_err();
        let text = format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(text.contains(problem), "{text}");
    };
    std::fs::write(path("frozen.rego"), "package agentidp.authz").unwrap();
    refused("frozen.rego` is neither");
    std::fs::remove_file(path("frozen.rego")).unwrap();
    std::fs::create_dir(path("c_test.rego")).unwrap();
    refused("c_test.rego`: Some(\"it is no regular file");
    std::fs::remove_dir(path("c_test.rego")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path("c_test.rego")).status().unwrap().success());
    refused("it is no regular file");
    std::fs::remove_file(path("c_test.rego")).unwrap();
    std::fs::write(path("authz.rego"), "x".repeat(1024 * 1024 + 1)).unwrap();
    refused("authz.rego`: Some(\"it has more than 1048576 bytes");
}

#[test]
fn a_policy_passes_to_another_process_whole() {
    let mut source = PolicySource::builtin();
    source.tests = TestFile::builtin();
    assert_eq!(PolicySource::from_json(&source.to_json()).unwrap(), source);
    for text in ["", "[]", "{}", r#"{"folder": "", "rego": "", "data": "", "tests": [{}]}"#] {
        assert!(PolicySource::from_json(text).is_err(), "{text}");
    }
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
