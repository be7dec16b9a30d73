//! A server on a free port of the loopback, on a database of its own, and a client that speaks to it.

mod attack;
mod biscuit;
mod client;
mod clock;
mod custody;
pub mod document;
mod forge;
mod raw;
mod verifier;
pub mod walker;

pub use agentidp_adapters::testing::{Database, TestDatabase};
pub use attack::{UNKNOWN, agent_path};
pub use biscuit::{attenuate, exchange_form};
pub use client::{Answer, Call};
pub use clock::TestClock;
pub use custody::{Counting, Custody};
pub use forge::{Forger, base64, base64_bytes};
pub use raw::RawAnswer;
pub use verifier::{Verdict, Verifier};

use agentidp::config::{Config, Profile, Source};
use agentidp::tls::Tls;
use agentidp::wiring;
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::services::Ambient;
use agentidp_core::services::import::LegacyCredential;
use agentidp_core::services::keys::KeyService;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Makes one test per database.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        mod sqlite {
            $($(#[$meta])* #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::TestApp::start($crate::support::Database::Sqlite).await).await; })+
        }
        mod postgres {
            $($(#[$meta])* #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::TestApp::start($crate::support::Database::Postgres).await).await; })+
        }
    };
}

/// Makes one test per database and place of secrets.
#[macro_export]
macro_rules! on_both_with_vault {
    ($($name:ident),+ $(,)?) => {
        $crate::on_one!(sqlite_digest, Sqlite, Digest, Here, $($name),+);
        $crate::on_one!(sqlite_vault, Sqlite, Vault, Here, $($name),+);
        $crate::on_one!(postgres_digest, Postgres, Digest, Here, $($name),+);
        $crate::on_one!(postgres_vault, Postgres, Vault, Here, $($name),+);
    };
}

/// Makes one test per configuration of the server: a database, where it keeps secrets, and where it counts.
#[macro_export]
macro_rules! on_all {
    ($($name:ident),+ $(,)?) => {
        $crate::on_both_with_vault!($($name),+);
        $crate::on_one!(sqlite_aws, Sqlite, Aws, Here, $($name),+);
        $crate::on_one!(postgres_aws, Postgres, Aws, Here, $($name),+);
        $crate::on_one!(sqlite_digest_redis, Sqlite, Digest, Redis, $($name),+);
        $crate::on_one!(sqlite_vault_redis, Sqlite, Vault, Redis, $($name),+);
        $crate::on_one!(sqlite_aws_redis, Sqlite, Aws, Redis, $($name),+);
        $crate::on_one!(postgres_digest_redis, Postgres, Digest, Redis, $($name),+);
        $crate::on_one!(postgres_vault_redis, Postgres, Vault, Redis, $($name),+);
        $crate::on_one!(postgres_aws_redis, Postgres, Aws, Redis, $($name),+);
    };
}

/// Makes the tests of one configuration.
#[macro_export]
macro_rules! on_one {
    ($configuration:ident, $database:ident, $custody:ident, $counting:ident, $($name:ident),+) => {
        mod $configuration {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let mut settings = $crate::support::Custody::$custody.settings().await;
                settings.extend($crate::support::Counting::$counting.settings());
                super::$name($crate::support::TestApp::start_set($crate::support::Database::$database, settings).await).await;
            })+
        }
    };
}

/// A running server.
pub struct TestApp {
    pub url: String,
    /// The first administrator.
    pub admin: Client,
    database: TestDatabase,
    settings: Vec<(String, String)>,
    ambient: Ambient,
    stop: Option<oneshot::Sender<()>>,
    background: Option<wiring::Background>,
    /// What the server does each second; by a clock of the test's own it is for the test to do.
    watch: Option<JoinHandle<()>>,
    by_hand: bool,
}

/// An agent with a credential.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub credential_id: Option<String>,
}

/// Limits are off unless a test is about them.
const DEFAULTS: [(&str, &str); 4] = [
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "0"),
    ("AUTH_FAILURES_PER_MINUTE", "0"),
    ("MASTER_KEY", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="),
];

impl TestApp {
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// Starts with settings of the test's own.
    pub async fn start_with(database: Database, settings: &[(&str, &str)]) -> Self {
        Self::start_on(TestDatabase::make(database).await, settings).await
    }

    /// The same, with settings that were made for it.
    pub async fn start_set(database: Database, settings: Vec<(&str, String)>) -> Self {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::start_with(database, &settings).await
    }

    /// Starts over a database that is there already.
    pub async fn start_on(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::start_as(wiring::ambient(), false, database, settings).await
    }

    /// Starts by a clock of the test's own.
    pub async fn start_by(ambient: Ambient, database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::start_as(ambient, true, database, settings).await
    }

    async fn start_as(ambient: Ambient, by_hand: bool, database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut app = Self {
            url: String::new(),
            admin: Client::nobody(),
            database,
            settings,
            ambient,
            stop: None,
            background: None,
            watch: None,
            by_hand,
        };
        app.serve().await;
        app
    }

    fn config(&self) -> Config {
        Self::config_of(&self.database, &self.settings)
    }

    /// The settings of a server over the database.
    pub fn config_of(database: &TestDatabase, settings: &[(String, String)]) -> Config {
        let mut env = vec![("DATABASE_URL".to_owned(), database.url()), ("PORT".to_owned(), "0".to_owned())];
        env.extend(DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env.extend(settings.iter().cloned());
        // A later one takes the place of an earlier one of the same name.
        let profile = Profile::Dev { data_dir: None, port: None };
        let mut config = Config::load(&profile, &Source::of_env(env)).expect("the settings are good");
        // A server starts itself, which a test is not.
        config.policy.tried_by = env!("CARGO_BIN_EXE_agentidp").into();
        config
    }

    /// The server's database, opened beside it.
    pub async fn store(&self) -> Arc<agentidp_adapters::sql::SqlStore> {
        wiring::open_store(&self.config().database.url).await.unwrap()
    }

    /// Runs SQL on the server's database, behind its back.
    pub fn execute(&self, sql: &str) {
        self.database.execute(sql);
    }

    async fn serve(&mut self) {
        let config = self.config();
        let keys = wiring::master_keys(&config, false).unwrap();
        let store = wiring::open_store(&config.database.url).await.unwrap();
        store.migrate().await.unwrap();
        let listener = TcpListener::bind(config.server.address()).await.unwrap();
        let url = config.server.base_url(listener.local_addr().unwrap());
        let issuer = config.server.issuer.text(&url);
        let system = wiring::build(&config, store.clone(), &keys, &issuer, self.ambient.clone()).await.unwrap();
        let admin = wiring::bootstrap_service(&config, &store, &keys)
            .await
            .unwrap()
            .run("system".parse().unwrap(), false)
            .await;
        if let Ok(admin) = admin {
            let secret = admin.secret.expose().to_owned();
            self.admin = Client { id: admin.agent.id.to_string(), secret, credential_id: None };
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = config.server.tls.as_ref().map(|files| Tls::open(files).unwrap());
        let gate = Arc::new(agentidp::http::gate::Gate::new(config.server.trusted_proxies.clone()));
        let endpoint = agentidp::http::endpoint(system.state);
        tokio::spawn(agentidp::http::server::serve(listener, tls, endpoint, gate, async {
            let _ = stopped.await;
        }));
        if !self.by_hand {
            let background = system.background.clone();
            self.watch = Some(tokio::spawn(async move {
                loop {
                    let _ = background.watch().await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }));
        }
        self.background = Some(system.background);
        self.url = url;
        self.stop = Some(stop);
    }

    /// Another server over the same database, as a second replica. Its issuer is its own address, unless ISSUER is set.
    pub async fn replica(&self) -> TestApp {
        self.replica_with(&[]).await
    }

    /// The same, with other settings on top of those of this one.
    pub async fn replica_with(&self, settings: &[(&str, &str)]) -> TestApp {
        let more = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut other = TestApp {
            url: String::new(),
            admin: self.admin.clone(),
            database: self.database.share(),
            settings: self.settings.iter().cloned().chain(more).collect(),
            ambient: self.ambient.clone(),
            stop: None,
            background: None,
            watch: None,
            by_hand: self.by_hand,
        };
        other.serve().await;
        other
    }

    /// Takes up signing keys and whatever else others changed, as a server does every second.
    pub async fn refresh_keys(&self) {
        self.background().watch().await.unwrap();
    }

    /// What works in the background of the server.
    pub fn background(&self) -> &wiring::Background {
        self.background.as_ref().unwrap()
    }

    /// What `agentidp keys` does over the database of this server.
    pub async fn key_service(&self) -> KeyService {
        let config = self.config();
        let keys = wiring::master_keys(&config, false).unwrap();
        wiring::key_service(&config, &self.store().await, &keys, self.ambient.clone())
    }

    /// A request to be completed and sent.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&self.url, method, path)
    }

    /// The answer to a token request by HTTP Basic.
    pub async fn token_answer(&self, client: &Client, form: &[(&str, &str)]) -> Answer {
        let form: Vec<(&str, &str)> =
            [("grant_type", "client_credentials")].into_iter().chain(form.iter().copied()).collect();
        self.call("POST", "/api/v1/token").basic(&client.id, &client.secret).form(&form).send().await
    }

    /// A token with the scopes named, or the default ones.
    pub async fn token(&self, client: &Client, scope: Option<&str>) -> String {
        let form: Vec<(&str, &str)> = scope.map(|scope| ("scope", scope)).into_iter().collect();
        let answer = self.token_answer(client, &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["access_token"].as_str().unwrap().to_owned()
    }

    /// A token of the administrator with every management scope.
    pub async fn admin_token(&self) -> String {
        self.token(&self.admin, None).await
    }

    /// Registers an agent as the administrator; gives its body.
    pub async fn register(&self, owner: &str, capabilities: &[&str]) -> Value {
        let token = self.admin_token().await;
        let answer =
            self.call("POST", "/api/v1/agents").bearer(&token).json(&new_agent(owner, capabilities)).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json
    }

    /// An agent of `owner` with a credential, both made by the administrator.
    pub async fn client(&self, owner: &str, capabilities: &[&str]) -> Client {
        let agent = self.register(owner, capabilities).await;
        self.credential(agent["agentId"].as_str().unwrap()).await
    }

    /// Another credential of an agent, made by the administrator.
    pub async fn credential(&self, agent_id: &str) -> Client {
        let token = self.admin_token().await;
        let path = format!("/api/v1/agents/{agent_id}/credentials");
        let answer = self.call("POST", &path).bearer(&token).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |name: &str| answer.json[name].as_str().unwrap().to_owned();
        Client { id: agent_id.to_owned(), secret: text("clientSecret"), credential_id: Some(text("credentialId")) }
    }

    /// Takes over a bcrypt hash for an agent, as `agentidp credentials import` does.
    pub async fn import(&self, agent_id: &str, hash: &str) {
        let store = self.store().await;
        let legacy = LegacyCredential {
            agent_id: agent_id.parse().unwrap(),
            credential_id: None,
            secret: SecretRef::bcrypt(hash).unwrap(),
            created_at: None,
            expires_at: None,
        };
        wiring::import_service(&store).import(legacy).await.unwrap();
    }

    /// The audit log as the administrator sees it, newest first; `query` without the question mark.
    pub async fn audit(&self, query: &str) -> Vec<Value> {
        let token = self.admin_token().await;
        let answer = self.call("GET", &format!("/api/v1/audit?{query}")).bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["data"].as_array().unwrap().clone()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

impl Client {
    fn nobody() -> Self {
        Self { id: String::new(), secret: String::new(), credential_id: None }
    }
}

/// The body of a registration, with an e-mail that nobody else has.
pub fn new_agent(owner: &str, capabilities: &[&str]) -> Value {
    json!({
        "email": format!("agent-{}@example.com", uuid::Uuid::new_v4().simple()),
        "agentType": "custom",
        "version": "1.0.0",
        "capabilities": capabilities,
        "owner": owner,
        "deploymentEnv": "production",
    })
}
