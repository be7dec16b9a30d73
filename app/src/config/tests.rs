//! Every mistake, several at once, where values come from, and what `Debug` does not show.

use super::reader::Reader;
use super::*;
use agentidp_core::domain::key::SigningAlgorithm;
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// 32 bytes in base64: 0, 1, 2 …
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SERVE: [(&str, &str); 2] = [("ISSUER", "https://id.example.com"), ("MASTER_KEY", KEY)];
const DOCUMENTATION: &str = include_str!("../../../docs/CONFIG.md");

fn dev() -> Profile {
    Profile::Dev { data_dir: None, port: None }
}

pub(super) fn source(env: &[(&str, &str)]) -> Source {
    Source::of_env(env.iter().copied())
}

/// A configuration of `serve` that lacks nothing, and `env` on top.
pub(super) fn serve(env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(&Profile::Serve, &source(&[&SERVE, env].concat()))
}

pub(super) fn mistakes(result: Result<Config, ConfigError>) -> Vec<(String, String)> {
    result.unwrap_err().mistakes.into_iter().map(|mistake| (mistake.name, mistake.problem)).collect()
}

/// Asserts that `env` has exactly one mistake, of that name and with those words.
#[track_caller]
pub(super) fn assert_mistake(env: &[(&str, &str)], name: &str, words: &str) {
    let found = mistakes(serve(env));
    assert_eq!(found.len(), 1, "{env:?}: {found:?}");
    assert_eq!(found[0].0, name, "{found:?}");
    assert!(found[0].1.contains(words), "{found:?} lacks {words:?}");
}

#[test]
fn serve_needs_an_issuer_and_a_master_key_only() {
    let config = serve(&[]).unwrap();
    assert_eq!(config.server.address(), "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.server.issuer.text("http://127.0.0.1:1"), "https://id.example.com");
    assert!(config.server.trusted_proxies.is_empty() && config.server.cors_origins.is_empty());
    assert!(matches!(&config.database.url, DatabaseUrl::Sqlite(path) if path == Path::new("data/agentidp.db")));
    assert_eq!(config.secrets.backend, SecretsBackend::Digest);
    assert_eq!((config.policy.folder, config.policy.engine), (None, PolicyEngineKind::Rego));
    assert!(matches!(config.keys.required(), Ok(MasterKeySource::Given(key)) if key.expose()[31] == 31));
    assert!(config.keys.previous.is_none());
    let day = |days: u64| Some(Duration::from_secs(days * 86_400));
    let tokens = Tokens { ttl: Duration::from_secs(3600), algorithm: SigningAlgorithm::Es256, key_rotation: day(90) };
    assert_eq!(config.tokens, tokens);
    let limit = |limit: Option<agentidp_core::domain::rate::PerMinute>| limit.map(|limit| limit.0.get());
    assert_eq!(limit(config.limits.requests), Some(100));
    assert_eq!(limit(config.limits.introspections), Some(6_000));
    assert_eq!(limit(config.limits.auth_failures), Some(30));
    assert_eq!((config.limits.agents_per_owner, config.limits.tokens_per_client_per_month), (None, None));
    assert_eq!(config.audit.retention, day(90));
    assert_eq!(config.log, Log { format: None, filter: "info".to_owned() });
}

#[test]
fn serve_reports_what_it_lacks() {
    let found = mistakes(Config::load(&Profile::Serve, &source(&[])));
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["ISSUER", "MASTER_KEY"]);
    assert!(found.iter().all(|(_, problem)| problem.starts_with("is required")));
}

#[test]
fn dev_needs_nothing() {
    let config = Config::load(&dev(), &source(&[])).unwrap();
    assert_eq!(config.server.address(), "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server.issuer, Issuer::BaseUrl);
    assert!(matches!(config.keys.required(), Ok(MasterKeySource::File(path)) if path == Path::new("data/master.key")));
}

#[test]
fn options_of_dev_go_before_their_variables() {
    let profile = Profile::Dev { data_dir: Some("there".into()), port: Some(0) };
    let env = [("DATABASE_URL", "postgres://db/production"), ("PORT", "9000")];
    let config = Config::load(&profile, &source(&env)).unwrap();
    assert_eq!(config.server.port, 0);
    for url in [&config.database.url, &config.database.migration_url] {
        assert!(matches!(url, DatabaseUrl::Sqlite(path) if path == Path::new("there/agentidp.db")));
    }
    assert!(matches!(config.keys.current, Some(MasterKeySource::File(path)) if path == Path::new("there/master.key")));
}

#[test]
fn dev_on_a_foreign_address_needs_an_issuer() {
    let found = mistakes(Config::load(&dev(), &source(&[("HOST", "192.0.2.1")])));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "ISSUER");
    assert!(Config::load(&dev(), &source(&[("HOST", "0.0.0.0")])).is_ok());
}

#[test]
fn a_tool_needs_nothing_before_it_asks() {
    let config = Config::load(&Profile::Tool, &source(&[("DATABASE_URL", "postgres://db/agentidp")])).unwrap();
    assert_eq!(config.keys.required().unwrap_err().mistakes[0].name, "MASTER_KEY");
    let config = Config::load(&Profile::Tool, &source(&[("DATABASE_URL", "sqlite:///var/lib/a.db")])).unwrap();
    assert!(matches!(config.keys.required(), Ok(MasterKeySource::File(p)) if p == Path::new("/var/lib/master.key")));
}

#[test]
fn base_url_of_every_address_is_on_the_loopback() {
    let text = |bound: &str| base_url("http", bound.parse::<SocketAddr>().unwrap());
    assert_eq!(Issuer::BaseUrl.text(&text("127.0.0.1:8080")), "http://127.0.0.1:8080");
    assert_eq!(text("0.0.0.0:80"), "http://127.0.0.1:80");
    assert_eq!(text("[::]:81"), "http://[::1]:81");
}

#[test]
fn server_mistakes() {
    assert_mistake(&[("HOST", "localhost")], "HOST", "IP address");
    assert_mistake(&[("PORT", "65536")], "PORT", "`65536` is not a port");
    for address in ["9090", "localhost:9090", "127.0.0.1", "127.0.0.1:x"] {
        assert_mistake(&[("METRICS_ADDR", address)], "METRICS_ADDR", "is not an IP address and a port");
    }
    let nowhere = [("TLS_CERT_FILE", "/nowhere/cert"), ("TLS_KEY_FILE", "/nowhere/key")];
    let told =
        |env: &[(&str, &str)]| mistakes(serve(env)).into_iter().map(|(name, problem)| format!("{name}: {problem}"));
    let away = |file: &str| format!("`/nowhere/{file}` cannot be opened: No such file or directory (os error 2)");
    let (certificate, key) = (format!("TLS_CERT_FILE: {}", away("cert")), format!("TLS_KEY_FILE: {}", away("key")));
    assert!(told(&nowhere).eq([certificate.clone(), key.clone()]), "neither hides the other");
    assert!(told(&nowhere[..1]).eq([certificate, "TLS_KEY_FILE: is required beside TLS_CERT_FILE".to_owned()]));
    assert!(told(&nowhere[1..]).eq([key, "TLS_CERT_FILE: is required beside TLS_KEY_FILE".to_owned()]));
    let tool = Config::load(&Profile::Tool, &source(&nowhere)).unwrap();
    assert_eq!(tool.server.base_url(tool.server.address()), "https://127.0.0.1:8080");
}

#[test]
fn issuer_mistakes() {
    for (issuer, words) in [
        ("id.example.com", "absolute URL"),
        ("ftp://id.example.com", "must begin with `https:`"),
        ("http://id.example.com", "loopback"),
        ("http://localhost.example.com", "loopback"),
        ("https://id.example.com/", "must be written as `https://id.example.com`"),
        ("https://ID.example.com:443", "must be written as `https://id.example.com`"),
        ("https://id.example.com?a=b", "query"),
        ("https://id.example.com#a", "fragment"),
        ("https://me:word@id.example.com", "user or a password"),
    ] {
        assert_mistake(&[("ISSUER", issuer)], "ISSUER", words);
    }
    let found = mistakes(serve(&[("ISSUER", "https://me:sesame@id.example.com")]));
    assert!(!found[0].1.contains("sesame"));
}

#[test]
fn issuers_that_are_taken() {
    for issuer in ["https://id.example.com/tenant", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"] {
        assert_eq!(serve(&[("ISSUER", issuer)]).unwrap().server.issuer, Issuer::Fixed(issuer.parse().unwrap()));
    }
}

#[test]
fn trusted_proxies_are_nets_but_never_everyone() {
    let config = serve(&[("TRUSTED_PROXIES", "10.1.2.3/8, 192.0.2.7 ,2001:db8::/32,")]).unwrap();
    let nets: Vec<_> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(nets, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
    assert_mistake(&[("TRUSTED_PROXIES", "proxy.example.com")], "TRUSTED_PROXIES", "is not a net");
    assert_mistake(&[("TRUSTED_PROXIES", "0.0.0.0/0")], "TRUSTED_PROXIES", "trust everyone");
    assert_mistake(&[("TRUSTED_PROXIES", "::/0")], "TRUSTED_PROXIES", "trust everyone");
    assert_mistake(&[("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1")], "TRUSTED_PROXIES", "every address together");
    assert_mistake(&[("TRUSTED_PROXIES", "::ffff:10.0.0.0/104")], "TRUSTED_PROXIES", "as an IPv4 net");
}

#[test]
fn origins_are_exact() {
    let config = serve(&[("CORS_ORIGINS", "https://a.example.com,http://localhost:3000")]).unwrap();
    let origins: Vec<_> = config.server.cors_origins.iter().map(Origin::as_str).collect();
    assert_eq!(origins, ["https://a.example.com", "http://localhost:3000"]);
    for (origin, words) in [
        ("*", "any page"),
        ("null", "any page"),
        ("https://a.example.com/", "must be written as `https://a.example.com`"),
        ("https://a.example.com:443", "must be written as"),
        ("https://a.example.com/path", "must be written as"),
        ("a.example.com", "absolute URL"),
        ("file:///a", "must begin with"),
    ] {
        assert_mistake(&[("CORS_ORIGINS", origin)], "CORS_ORIGINS", words);
    }
}

#[test]
fn database_mistakes() {
    for (url, words) in [
        ("mysql://db", "must begin with `sqlite:` or `postgres:`"),
        ("data/agentidp.db", "must begin with"),
        ("sqlite://", "names no file"),
        ("sqlite::memory:", "keeps nothing"),
        ("sqlite://a.db?mode=ro", "a path alone"),
        ("postgres://me:p#ss@db/a", "is no URL"),
        (
            "postgres://db/a?sslmodus=verify-full",
            "has a parameter `sslmodus`, which is not one of sslmode, sslrootcert",
        ),
        ("postgres://db/a?sslmode=verify_full", "write one of disable, allow, prefer, require, verify-ca, verify-full"),
        (
            "postgres://db/a?sslmode=verify-full&sslrootcert=/nonexistent/ca.pem",
            "names in `sslrootcert` the file `/nonexistent/ca.pem` cannot be opened",
        ),
    ] {
        assert_mistake(&[("DATABASE_URL", url)], "DATABASE_URL", words);
        assert_mistake(&[("MIGRATION_DATABASE_URL", url)], "MIGRATION_DATABASE_URL", words);
    }
}

#[test]
fn migrations_use_the_same_database_unless_told_otherwise() {
    use secrecy::ExposeSecret;
    let text = |url: &DatabaseUrl| url.connection_string().expose_secret().to_owned();
    let both = [("DATABASE_URL", "postgres://app@db/a"), ("MIGRATION_DATABASE_URL", "postgresql://owner@db/a")];
    let config = serve(&both).unwrap();
    assert_eq!(text(&config.database.url), "postgres://app@db/a");
    assert_eq!(text(&config.database.migration_url), "postgresql://owner@db/a");
    assert_eq!(text(&serve(&both[..1]).unwrap().database.migration_url), "postgres://app@db/a");
    assert_eq!(text(&serve(&[("DATABASE_URL", "sqlite:a.db")]).unwrap().database.url), "sqlite:a.db");
    assert_eq!(text(&serve(&[("DATABASE_URL", "sqlite:///a.db")]).unwrap().database.url), "sqlite:/a.db");
    let odd = Profile::Dev { data_dir: Some("my data?#50%".into()), port: None };
    let config = Config::load(&odd, &source(&[])).unwrap();
    assert_eq!(text(&config.database.url), "sqlite:my data%3F%2350%25/agentidp.db");
}

#[test]
fn connections_to_postgres_are_bounded() {
    let most = |setting: &str| {
        let env = [("DATABASE_URL", "postgres://app@db/a"), ("DATABASE_MAX_CONNECTIONS", setting)];
        match serve(&env).unwrap().database.url {
            DatabaseUrl::Postgres { connections, .. } => connections,
            url => panic!("{url:?}"),
        }
    };
    assert_eq!((most(""), most("4"), most("1000")), (32, 4, 1000));
    for wrong in ["3", "0", "1001", "many"] {
        assert_mistake(&[("DATABASE_MAX_CONNECTIONS", wrong)], "DATABASE_MAX_CONNECTIONS", "from 4 to 1000");
    }
}

#[test]
fn unknown_backends_are_refused_by_name() {
    assert_mistake(&[("SECRETS_BACKEND", "disk")], "SECRETS_BACKEND", "is not a backend");
}

#[test]
fn policy_mistakes() {
    assert_mistake(&[("POLICY_DIR", "/nowhere/at/all")], "POLICY_DIR", "is not a folder");
    assert_mistake(&[("POLICY_ENGINE", "cedar")], "POLICY_ENGINE", "neither `rego` nor `table`");
    assert_eq!(serve(&[("POLICY_ENGINE", "table")]).unwrap().policy.engine, PolicyEngineKind::Table);
}

#[test]
fn master_key_mistakes() {
    for (key, words) in [
        ("not base64", "is not base64"),
        ("AAEC", "holds 3 bytes and must hold 32"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "is not random"),
    ] {
        assert_mistake(&[("MASTER_KEY", key)], "MASTER_KEY", words);
        assert_mistake(&[("MASTER_KEY_PREVIOUS", key)], "MASTER_KEY_PREVIOUS", words);
    }
    assert_mistake(&[("MASTER_KEY_PREVIOUS", KEY)], "MASTER_KEY_PREVIOUS", "equals MASTER_KEY");
    assert!(serve(&[("MASTER_KEY_PREVIOUS", OTHER_KEY)]).unwrap().keys.previous.is_some());
}

#[test]
fn number_mistakes() {
    assert_mistake(&[("TOKEN_TTL_SECONDS", "59")], "TOKEN_TTL_SECONDS", "from 60 to 86400");
    assert_mistake(&[("TOKEN_TTL_SECONDS", "86401")], "TOKEN_TTL_SECONDS", "from 60 to 86400");
    assert_mistake(&[("SIGNING_ALG", "HS256")], "SIGNING_ALG", "must be one of `ES256`");
    assert_mistake(&[("AUDIT_RETENTION_DAYS", "36501")], "AUDIT_RETENTION_DAYS", "from 0 to 36500");
    for name in [
        "RATE_LIMIT_PER_MINUTE",
        "INTROSPECTION_RATE_LIMIT_PER_MINUTE",
        "AUTH_FAILURES_PER_MINUTE",
        "MAX_AGENTS_PER_OWNER",
        "MAX_TOKENS_PER_CLIENT_PER_MONTH",
    ] {
        assert_mistake(&[(name, "-1")], name, "`-1` is not a whole number");
        assert_mistake(&[(name, "4294967296")], name, "is not a whole number");
    }
}

#[test]
fn zero_turns_off() {
    let config = serve(&[
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "0"),
        ("AUTH_FAILURES_PER_MINUTE", "0"),
        ("AUDIT_RETENTION_DAYS", "0"),
    ])
    .unwrap();
    assert!(config.limits.requests.is_none() && config.limits.introspections.is_none());
    assert!(config.limits.auth_failures.is_none() && config.audit.retention.is_none());
}

#[test]
fn log_mistakes() {
    assert_mistake(&[("LOG_FORMAT", "xml")], "LOG_FORMAT", "neither `json` nor `pretty`");
    assert_mistake(&[("RUST_LOG", "agentidp=loud")], "RUST_LOG", "is no filter");
    let log = serve(&[("LOG_FORMAT", "json"), ("RUST_LOG", "warn,agentidp=debug")]).unwrap().log;
    assert_eq!(log, Log { format: Some(LogFormat::Json), filter: "warn,agentidp=debug".to_owned() });
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let source = source(&[("PORT", "many"), ("MASTER_KEY", "short"), ("LOG_FORMAT", "xml"), ("DATABASE_URL", "no")])
        .with_toml("agentidp.toml", "colour = 'red'\nsigning_alg = 'none'\n[server]\nport = 1\n");
    let error = Config::load(&Profile::Serve, &source).unwrap_err();
    let names: BTreeSet<_> = error.mistakes.iter().map(|mistake| mistake.name.as_str()).collect();
    let expected =
        ["DATABASE_URL", "ISSUER", "LOG_FORMAT", "MASTER_KEY", "PORT", "SIGNING_ALG", "agentidp.toml", "colour"];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(error.mistakes.len(), expected.len());
    assert_eq!(error.to_string().lines().count(), expected.len() + 1);
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = "port = 1\nhost = '127.0.0.2'\ntrusted_proxies = ['10.0.0.0/8', '192.0.2.1']\nlog_format = ''\n";
    let source = source(&[&SERVE[..], &[("PORT", "2"), ("HOST", "")]].concat()).with_toml("agentidp.toml", file);
    let server = Config::load(&Profile::Serve, &source).unwrap().server;
    assert_eq!(server.address(), "127.0.0.2:2".parse().unwrap(), "an empty variable counts as not set");
    assert_eq!(server.trusted_proxies.len(), 2);
}

#[test]
fn mistakes_of_the_file_itself() {
    let load = |text: &str| mistakes(Config::load(&dev(), &source(&[]).with_toml("my.toml", text)));
    let one = |text: &str| {
        let mut found = load(text);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    assert_eq!(one("prot = 1"), ("prot".to_owned(), "is not a setting; see docs/CONFIG.md for their names".to_owned()));
    assert!(one("PORT = 1").1.contains("lower case"));
    assert!(one("port = true").1.contains("`port` must be a string"));
    assert!(one("port = 1\nport = 2").1.starts_with("line 2:"));
    let (name, problem) = one("port = 1\nmaster_key = 'sesame\n");
    assert!(name == "my.toml" && problem.starts_with("line 2:") && !problem.contains("sesame"), "{problem}");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let found = mistakes(Config::load(&dev(), &source(&[]).with_file(Path::new("/nowhere/agentidp.toml"))));
    assert_eq!(found[0].0, "/nowhere/agentidp.toml");
    assert!(found[0].1.starts_with("cannot be read"));
}

#[test]
fn a_variable_that_is_not_unicode_is_a_mistake() {
    use std::os::unix::ffi::OsStringExt;
    let source = Source::of_env([("PORT", std::ffi::OsString::from_vec(vec![0xff]))]);
    assert_eq!(mistakes(Config::load(&dev(), &source)), [("PORT".to_owned(), "is not UTF-8".to_owned())]);
}

#[test]
fn secrets_may_be_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (key, url, empty) = (file("key", &format!("{KEY}\r\n")), file("url", "postgres://a:b@db/c\n"), file("e", "\n"));
    let env = [("ISSUER", "https://id.example.com"), ("MASTER_KEY_FILE", &key), ("DATABASE_URL_FILE", &url)];
    let config = Config::load(&Profile::Serve, &source(&env)).unwrap();
    assert!(matches!(config.database.url, DatabaseUrl::Postgres { .. }));
    assert!(matches!(config.keys.current, Some(MasterKeySource::Given(key)) if key.expose()[1] == 1));

    let both = mistakes(Config::load(&dev(), &source(&[("MASTER_KEY", KEY), ("MASTER_KEY_FILE", &key)])));
    assert_eq!(both, [("MASTER_KEY".to_owned(), "is set beside MASTER_KEY_FILE; set one of them".to_owned())]);
    for (path, words) in [("/nowhere", "cannot be opened"), (empty.as_str(), "is empty"), ("/", "cannot be read")] {
        let env = [("ISSUER", "https://id.example.com"), ("MASTER_KEY_FILE", path)];
        let found = mistakes(Config::load(&Profile::Serve, &source(&env)));
        assert_eq!((found.len(), found[0].0.as_str()), (1, "MASTER_KEY_FILE"), "{found:?}");
        assert!(found[0].1.contains(words), "{found:?}");
    }
}

#[test]
fn either_form_of_a_secret_in_the_environment_hides_both_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key").display().to_string();
    std::fs::write(&path, OTHER_KEY).unwrap();
    let first = |env: &[(&str, &str)], file: &str| {
        let config = Config::load(&dev(), &source(env).with_toml("agentidp.toml", file)).unwrap();
        match config.keys.current {
            Some(MasterKeySource::Given(key)) => key.expose()[0],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(first(&[("MASTER_KEY", KEY)], &format!("master_key_file = '{path}'")), 0);
    assert_eq!(first(&[("MASTER_KEY_FILE", &path)], &format!("master_key = '{KEY}'")), 1);
    assert_eq!(first(&[], &format!("master_key_file = '{path}'")), 1);
}

#[test]
fn debug_shows_no_secret() {
    let secrets = [
        ("MASTER_KEY", KEY),
        ("MASTER_KEY_PREVIOUS", OTHER_KEY),
        ("DATABASE_URL", "postgres://app:sesame@db/a"),
        ("MIGRATION_DATABASE_URL", "postgres://owner:sesame@db/a"),
        ("REDIS_URL", "redis://:sesame@redis/0"),
    ];
    let source = source(&secrets).with_toml("agentidp.toml", "issuer = 'https://id.example.com'");
    let config = Config::load(&Profile::Serve, &source).unwrap();
    for shown in [format!("{config:?}"), format!("{config:#?}"), format!("{source:?}")] {
        for secret in ["sesame", "postgres://", &KEY[4..20], "[0, 1, 2", "1, 1, 2"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    assert!(format!("{config:?}").contains("id.example.com"));
}

#[test]
fn mistakes_about_secrets_do_not_quote_them() {
    let env = [("MASTER_KEY", "sesame"), ("MASTER_KEY_PREVIOUS", "sesame"), ("DATABASE_URL", "sesame://sesame")];
    assert!(!serve(&env).unwrap_err().to_string().contains("sesame"));
}

/// The names in the first column of the tables of `docs/CONFIG.md`.
fn documented() -> BTreeSet<String> {
    let rows = DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').step_by(2)).filter(|name| !name.is_empty());
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn every_name_is_documented_and_every_documented_name_exists() {
    let source = source(&[]);
    let mut reader = Reader::new(&source);
    Config::read(&Profile::Serve, &mut reader);
    assert_eq!(documented(), *reader.asked());
}

#[test]
fn the_documented_example_is_a_configuration() {
    let example = DOCUMENTATION.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let source = source(&[("MASTER_KEY", KEY)]).with_toml("agentidp.toml", example);
    let config = Config::load(&Profile::Serve, &source).unwrap();
    assert!(matches!(config.server.issuer, Issuer::Fixed(_)));
}

#[test]
fn redis_is_named_by_a_url() {
    for url in ["redis://redis", "redis://:pa%40ss@redis:6380/3", "rediss://user:pass@[2001:db8::1]/"] {
        let redis = serve(&[("REDIS_URL", url)]).unwrap().redis.unwrap();
        assert_eq!((redis.url.expose_secret(), redis.authorities), (url, None));
    }
    assert!(serve(&[]).unwrap().redis.is_none());
    for (url, words) in [
        ("http://redis", "must begin with `redis:`"),
        ("redis", "is no URL"),
        ("redis://", "names no host"),
        ("redis://0.0.0.0", "names no host"),
        ("redis://[::]", "names no host"),
        ("redis://redis/cache", "number of a database"),
        ("redis://redis/1?protocol=resp3", "must not have a query"),
        ("rediss://redis#insecure", "must not have a query or a fragment"),
        ("redis://:sesame word#@redis", "is no URL"),
    ] {
        assert_mistake(&[("REDIS_URL", url)], "REDIS_URL", words);
        let found = mistakes(serve(&[("REDIS_URL", url)]));
        assert!(!found[0].1.contains("sesame"), "{found:?}");
    }
    assert_mistake(&[("REDIS_URL_FILE", "/nowhere")], "REDIS_URL_FILE", "cannot be opened");
}

#[test]
fn authorities_of_redis_are_for_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem").display().to_string();
    std::fs::write(&ca, rcgen::generate_simple_self_signed(["redis".to_owned()]).unwrap().cert.pem()).unwrap();
    let over_tls = ("REDIS_URL", "rediss://redis");
    assert!(serve(&[over_tls, ("REDIS_CACERT", &ca)]).unwrap().redis.unwrap().authorities.is_some());
    assert_mistake(&[("REDIS_CACERT", &ca)], "REDIS_CACERT", "without REDIS_URL");
    assert_mistake(&[("REDIS_URL", "redis://redis"), ("REDIS_CACERT", &ca)], "REDIS_CACERT", "without TLS");
}
