//! Help, wrong usage, and what is printed without any setting.

use crate::harness::Place;
use std::collections::BTreeSet;

/// Every command, with the options and arguments that its help must name.
const COMMANDS: [(&[&str], &[&str]); 20] = [
    (&["dev"], &["--data-dir", "--port", "--owner", "--json"]),
    (&["serve"], &[]),
    (&["migrate"], &["--json"]),
    (&["bootstrap"], &["--owner", "--recover", "--json"]),
    (&["config", "check"], &["--profile", "--json"]),
    (&["openapi"], &["--json"]),
    (&["policy", "check"], &["[DIR]", "--json"]),
    (&["policy", "test"], &["[DIR]", "--json", "_test.rego"]),
    (&["policy", "explain"], &["[DIR]", "--input", "--event", "--json"]),
    (&["policy", "replay"], &["--policy", "--since", "7d", "--json"]),
    (&["policy", "export"], &["<DIR>", "POLICY_DIR"]),
    (&["policy", "schema"], &["JSON Schema"]),
    (&["keys", "list"], &["--json"]),
    (&["keys", "rotate"], &["--use", "--json", "305 seconds"]),
    (&["keys", "revoke"], &["<KID>", "--json"]),
    (&["credentials", "import"], &["<FILE>", "--json", "clientId", "secretHash"]),
    (&["credentials", "status"], &["--json"]),
    (&["audit", "export"], &["--from", "--to"]),
    (&["healthcheck"], &["--url"]),
    (&["completion"], &["<SHELL>", "bash"]),
];

/// The names under `Commands:` in the help of a command.
fn listed(place: &Place, command: &[&str]) -> BTreeSet<String> {
    let help = place.done(&[command, &["--help"]].concat()).stdout;
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let lines = rest.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn every_command_explains_itself() {
    let place = Place::bare();
    for (command, words) in COMMANDS {
        let ended = place.done(&[command, &["--help"]].concat());
        assert_eq!(ended.stderr, "");
        for word in words.iter().chain(&["--config", "--help", "Usage: agentidp", "Example"]) {
            assert!(ended.stdout.contains(word), "{command:?} does not name `{word}`:\n{}", ended.stdout);
        }
    }
}

#[test]
fn no_command_is_left_out() {
    let place = Place::bare();
    let names = |depth: usize, under: &str| -> BTreeSet<String> {
        let commands = COMMANDS.iter().map(|(command, _)| *command);
        let within = commands.filter(|command| command.len() > depth && (depth == 0 || command[0] == under));
        within.map(|command| command[depth].to_owned()).collect()
    };
    assert_eq!(listed(&place, &[]), names(0, ""));
    for group in ["config", "policy", "keys", "credentials", "audit"] {
        assert_eq!(listed(&place, &[group]), names(1, group), "{group}");
    }
}

/// The sections of `docs/CLI.md`: the command of each, and its text.
fn documented() -> impl Iterator<Item = (Vec<&'static str>, &'static str)> {
    let page = include_str!("../../../docs/CLI.md");
    let sections = page.split("\n## agentidp ").skip(1).map(|section| section.split_once('\n').unwrap());
    sections.map(|(command, text)| (command.split(' ').collect(), text))
}

#[test]
fn the_page_has_every_command_with_its_options_and_an_example() {
    let known: Vec<Vec<&str>> = COMMANDS.iter().map(|(command, _)| command.to_vec()).collect();
    assert_eq!(documented().map(|(command, _)| command).collect::<Vec<_>>(), known);
    for ((command, text), (_, words)) in documented().zip(COMMANDS) {
        let options = words.iter().map(|word| word.trim_matches(['<', '>', '[', ']']));
        for option in options.filter(|word| word.starts_with("--") || word.chars().all(char::is_uppercase)) {
            assert!(text.contains(option), "the page does not tell `{option}` of {command:?}");
        }
        assert!(text.contains(&format!("agentidp {}", command.join(" "))), "{command:?} has no example");
    }
}

#[test]
fn no_option_takes_a_secret() {
    let place = Place::bare();
    for (command, _) in COMMANDS {
        let help = place.done(&[command, &["--help"]].concat()).stdout;
        let options = help.split_whitespace().filter(|word| word.starts_with("--"));
        let secret = ["secret", "password", "token", "master", "credential"];
        let bad: Vec<_> = options.filter(|option| secret.iter().any(|word| option.contains(word))).collect();
        assert!(bad.is_empty(), "{command:?}: {bad:?}");
    }
}

#[test]
fn wrong_usage_is_status_2() {
    let place = Place::bare();
    for arguments in [
        &["serv"] as &[&str],
        &["dev", "--nonsense"],
        &["dev", "--port", "65536"],
        &["dev", "--owner", " spaced "],
        &["keys", "burn"],
        &["keys", "revoke"],
        &["completion", "cobol"],
        &["credentials", "import"],
    ] {
        place.run(arguments).failed(2, &["error: "]);
    }
    place.run(&[]).failed(2, &["Usage: agentidp"]);
    place.run(&["config", "check", "--config", "nowhere.toml"]).failed(2, &["nowhere.toml", "cannot be read"]);
}

#[test]
fn the_version_is_told() {
    assert_eq!(Place::bare().done(&["--version"]).stdout, format!("agentidp {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_document_is_printed_in_both_forms() {
    let place = Place::bare();
    let yaml = place.done(&["openapi"]);
    assert!(yaml.stdout.starts_with("openapi: "), "{}", &yaml.stdout[..60]);
    let json = place.done(&["openapi", "--json"]).json();
    let from_yaml: serde_json::Value = serde_yaml_ng::from_str(&yaml.stdout).unwrap();
    assert_eq!(from_yaml, json);
    assert!(json["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
}

#[test]
fn completion_is_a_script() {
    let script = Place::bare().done(&["completion", "bash"]).stdout;
    assert!(script.contains("complete -F _agentidp") && script.contains("--data-dir"), "{script}");
}
