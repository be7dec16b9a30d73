//! `agentidp serve`: a server for production.

use super::CommandError;
use crate::config::{Config, Profile, Source};
use crate::lifecycle::{self, Signals};
use crate::listeners::Listeners;
use crate::{telemetry, wiring};
use clap::Args;

#[derive(Debug, Args)]
pub struct Serve {}

impl Serve {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = Config::load(&Profile::Serve, source)?;
        telemetry::start(&config.log);
        let keys = wiring::master_keys(&config, false)?;
        let store = wiring::open_writable_store(&config.database.url).await?;
        let listeners = Listeners::bind(&config.server).await?;
        let bound = listeners.main.local_addr()?;
        let issuer = config.server.issuer.text(listeners.base_url());
        let system = wiring::build(&config, store, &keys, &issuer, wiring::ambient()).await?;
        let signals = Signals::catch()?;
        let metrics = listeners.metrics_url();
        tracing::info!(address = %bound, issuer, metrics, policy = system.state.policy.hash(), "serving");
        lifecycle::run(signals, listeners, system).await;
        Ok(())
    }
}
