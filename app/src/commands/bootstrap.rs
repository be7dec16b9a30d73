//! `agentidp bootstrap`: the first administrator, or a new one when all are lost.

use super::{CommandError, output, tool_config};
use crate::config::Source;
use crate::wiring;
use agentidp_core::domain::agent::Owner;
use agentidp_core::services::bootstrap::DEFAULT_OWNER;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub struct Bootstrap {
    /// The owner of the administrator
    #[arg(long, value_name = "NAME", default_value = DEFAULT_OWNER)]
    owner: Owner,
    /// Make another administrator although there is one, because all are lost
    #[arg(long)]
    recover: bool,
    /// Print the credential as JSON
    #[arg(long)]
    json: bool,
}

impl Bootstrap {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let keys = wiring::master_keys(&config, false)?;
        let store = wiring::open_writable_store(&config.database.url).await?;
        wiring::must_fit(&store, &keys).await?;
        let admin = wiring::bootstrap_service(&config, &store, &keys).await?.run(self.owner, self.recover).await;
        let admin = admin.map_err(CommandError::failed)?;
        let (id, secret) = (admin.agent.id.to_string(), admin.secret.expose());
        if self.json {
            output::json(&json!({ "clientId": id, "clientSecret": secret }))
        } else {
            output::note("an administrator was made; its secret is shown only now");
            output::line(&format!("client id      {id}\nclient secret  {secret}"))
        }
    }
}
