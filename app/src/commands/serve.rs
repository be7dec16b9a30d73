//! `agentidp serve`: a server for production.

use super::CommandError;
use super::dev::cannot_listen;
use crate::config::{Config, Profile, Source};
use crate::{lifecycle, telemetry, wiring};
use clap::Args;
use tokio::net::TcpListener;

#[derive(Debug, Args)]
pub struct Serve {}

impl Serve {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = Config::load(&Profile::Serve, source)?;
        telemetry::start(&config.log);
        let keys = wiring::master_keys(&config, false)?;
        let store = wiring::open_current_store(&config.database.url).await?;
        let address = config.server.address();
        let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
        let bound = listener.local_addr()?;
        let issuer = config.server.issuer.text(bound);
        let system = wiring::build(&config, store, &keys, &issuer, wiring::ambient()).await?;
        tracing::info!(address = %bound, issuer, policy = system.state.policy.hash(), "serving");
        Ok(lifecycle::run(listener, system).await?)
    }
}
