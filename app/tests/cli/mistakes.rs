//! Many mistakes of the configuration at once: each is told by name, and nothing has been started or made.

use crate::harness::Place;

const MISTAKES: [(&str, &str); 17] = [
    ("HOST", "localhost"),
    ("PORT", "many"),
    ("ISSUER", "ftp://id.example.com"),
    ("DATABASE_URL", "mysql://db/agentidp"),
    ("MASTER_KEY", "c2hvcnQ="),
    ("TOKEN_TTL_SECONDS", "1"),
    ("SIGNING_ALG", "HS256"),
    ("KEY_ROTATION_DAYS", "-1"),
    ("RATE_LIMIT_PER_MINUTE", "often"),
    ("TRUSTED_PROXIES", "everybody"),
    ("CORS_ORIGINS", "*"),
    ("POLICY_DIR", "nowhere"),
    ("POLICY_ENGINE", "opa"),
    ("AUDIT_RETENTION_DAYS", "always"),
    ("LOG_FORMAT", "xml"),
    ("SECRETS_BACKEND", "disk"),
    ("VAULT_ADDR", "http://vault.example.com"),
];
const COMMANDS: [&[&str]; 4] = [&["serve"], &["dev"], &["config", "check"], &["config", "check", "--profile", "dev"]];

/// Every mistake stands on a line of its own, under the name of its variable and without the value of a secret.
fn told(place: &Place, command: &[&str]) {
    let ended = place.run(command);
    let names: Vec<String> = MISTAKES.iter().map(|(name, _)| format!("\n  {name}: ")).collect();
    ended.failed(2, &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.stderr.lines().count(), 1 + MISTAKES.len(), "{command:?}: {}", ended.stderr);
    assert!(!ended.stderr.contains("c2hvcnQ=") && !place.path("data").exists(), "{command:?}: {}", ended.stderr);
}

#[test]
fn of_the_environment() {
    let place = MISTAKES.iter().fold(Place::bare(), |place, (name, value)| place.with(name, value));
    COMMANDS.iter().for_each(|command| told(&place, command));
}

#[test]
fn of_the_file() {
    let place = Place::bare();
    let lines = MISTAKES.iter().map(|(name, value)| format!("{} = '{value}'\n", name.to_lowercase()));
    place.write("agentidp.toml", &lines.collect::<String>());
    COMMANDS.iter().for_each(|command| told(&place, command));
}

#[test]
fn of_not_setting_the_master_key() {
    let words = ["the master key in `data/master.key` cannot be read", "set MASTER_KEY to the key of the servers"];
    for command in [&["bootstrap"] as &[&str], &["keys", "rotate"]] {
        Place::bare().run(command).failed(2, &words);
    }
}
