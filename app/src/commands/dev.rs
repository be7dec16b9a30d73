//! `agentidp dev`: everything embedded, ready in a second.

use super::{CommandError, output};
use crate::config::{Config, Profile, Source};
use crate::lifecycle::{self, Signals};
use crate::listeners::Listeners;
use crate::telemetry;
use crate::wiring::{self, StartError, System};
use agentidp_core::domain::agent::{AgentStatus, Owner};
use agentidp_core::domain::page::PageRequest;
use agentidp_core::domain::scope::Scope;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::AgentFilter;
use agentidp_core::services::bootstrap::{ADMINISTRATOR_DOMAIN, BootstrapError, DEFAULT_OWNER};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Dev {
    /// Where the database and the master key lie (default: data)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The port to listen on; 0 is any free one (default: 8080)
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The owner of the administrator that is made at first start
    #[arg(long, value_name = "NAME", default_value = DEFAULT_OWNER)]
    owner: Owner,
    /// Print one line of JSON once it serves
    #[arg(long)]
    json: bool,
}

/// What a person or a script needs to begin.
struct Greeting {
    base_url: String,
    metrics_url: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl Dev {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let profile = Profile::Dev { data_dir: self.data_dir.clone(), port: self.port };
        let config = Config::load(&profile, source)?;
        telemetry::start(&config.log);
        let listeners = Listeners::bind(&config.server).await?;
        let keys = wiring::master_keys(&config, true)?;
        let store = wiring::open_store(&config.database.url).await?;
        store.migrate().await.map_err(StartError::from)?;
        let issuer = config.server.issuer.text(listeners.base_url());
        let system = wiring::build(&config, store.clone(), &keys, &issuer, wiring::ambient()).await?;
        let bootstrap = wiring::bootstrap_service(&config, &store, &keys).await?.run(self.owner.clone(), false).await;
        let (client_id, client_secret) = match bootstrap {
            Ok(admin) => (Some(admin.agent.id.to_string()), Some(admin.secret.expose().to_owned())),
            Err(BootstrapError::AlreadyDone) => (administrator(&system, &self.owner).await?, None),
            Err(error) => return Err(CommandError::failed(error)),
        };
        let (base_url, metrics_url) = (listeners.base_url().to_owned(), listeners.metrics_url().to_owned());
        let greeting = Greeting { base_url, metrics_url, client_id, client_secret };
        let signals = Signals::catch()?;
        match if self.json { greeting.as_json() } else { greeting.for_people() } {
            // It was asked for a server, whoever reads of it.
            Ok(()) | Err(CommandError::Closed) => {
                lifecycle::run(signals, listeners, system).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The oldest administrator of the owner, whose secret was shown at first start.
async fn administrator(system: &System, owner: &Owner) -> Result<Option<String>, CommandError> {
    let filter = AgentFilter {
        owners: Owners::All,
        owner: Some(owner.clone()),
        agent_type: None,
        status: Some(AgentStatus::Active),
        deployment_env: None,
        text: Some(ADMINISTRATOR_DOMAIN.to_owned()),
    };
    let admin: Scope = "admin:all".parse().map_err(|_| CommandError::Failed("no such scope".to_owned()))?;
    let page = PageRequest::new(100, None).map_err(|error| CommandError::Failed(error.0))?;
    let agents = system.state.agents.list(&filter, page).await.map_err(CommandError::failed)?;
    let oldest = agents.items.iter().rev().find(|agent| agent.capabilities.covers(&admin));
    Ok(oldest.map(|agent| agent.id.to_string()))
}

impl Greeting {
    /// The console is not there yet: its place is null.
    fn as_json(&self) -> Result<(), CommandError> {
        output::json(&json!({
            "baseUrl": self.base_url,
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
            "dashboardUrl": null,
            "docsUrl": format!("{}/docs", self.base_url),
            "metricsUrl": self.metrics_url,
        }))
    }

    fn for_people(&self) -> Result<(), CommandError> {
        let Self { base_url, .. } = self;
        output::line(&format!("\nAgentIdP serves at {base_url}  (API documentation: {base_url}/docs)\n"))?;
        let client_id = self.client_id.as_deref().unwrap_or("CLIENT_ID");
        match &self.client_secret {
            Some(secret) => {
                output::line("The first administrator. Its secret is shown only now:\n")?;
                output::line(&format!("  client id      {client_id}\n  client secret  {secret}\n"))?;
                output::line("Get a token:\n")?;
                output::line(&format!(
                    "  curl -s -u '{client_id}:{secret}' -d grant_type=client_credentials {base_url}/api/v1/token\n"
                ))
            }
            None => {
                output::line(&format!(
                    "The administrator is {client_id}; its secret was shown at the first start. Get a token:\n"
                ))?;
                output::line(&format!(
                    "  curl -s -u '{client_id}:SECRET' -d grant_type=client_credentials {base_url}/api/v1/token\n"
                ))
            }
        }
    }
}
