//! A server's life: serve, work in the background, stop when told to.

use crate::http::{self, gate::Gate};
use crate::jobs;
use crate::listeners::Listeners;
use crate::telemetry::causes;
use crate::tls::Tls;
use crate::wiring::{Background, Reload, System};
use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};

/// How long background jobs that are under way at the end may take.
const LAST_JOBS: Duration = Duration::from_secs(3);

/// The signals that a server acts on. Until they are caught, each ends the process at once.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches them. What comes before [`run`] is acted on there; so a server catches them before it says that it serves.
    ///
    /// # Errors
    /// Signals cannot be received.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Serves until SIGTERM or SIGINT, reading policy and certificate anew at SIGHUP, then finishes what runs and writes
/// what was only counted.
pub async fn run(signals: Signals, listeners: Listeners, system: System) {
    let Signals { terminate, interrupt, hangup } = signals;
    let stop = stop_signal(terminate, interrupt).shared();
    let background = system.background.clone();
    let Listeners { main, tls, metrics, .. } = listeners;
    let reloads = tokio::spawn(reload_on(hangup, background.clone(), tls.clone()));
    let (stopped, jobs) = jobs::start(&background);
    let gate = Arc::new(Gate::new(system.state.trusted_proxies.clone()));
    let metrics = metrics.map(|metrics| {
        let endpoint = http::metrics_endpoint(Arc::clone(&system.state));
        http::server::serve(metrics, None, endpoint, Arc::clone(&gate), stop.clone())
    });
    let main = http::server::serve(main, tls, http::endpoint(Arc::clone(&system.state)), Arc::clone(&gate), stop);
    tokio::join!(main, OptionFuture::from(metrics));
    reloads.abort();
    drop(stopped);
    if let Err(error) = background.audit.flush_counts(true).await {
        tracing::error!(cause = causes(&error), "counted audit events could not be written");
    }
    let end = Instant::now().checked_add(LAST_JOBS).unwrap_or_else(Instant::now);
    for mut job in jobs {
        match timeout_at(end, &mut job).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(cause = %error, "a background job ended badly"),
            // What it left is found by the next pass, of this server or another.
            Err(_) => job.abort(),
        }
    }
    tracing::info!("stopped");
}

async fn stop_signal(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: no new connections, running requests are finished");
}

/// SIGHUP reads the policy and the certificate anew; what is bad about one does not keep back the other.
async fn reload_on(mut hangup: Signal, background: Background, tls: Option<Tls>) {
    while hangup.recv().await.is_some() {
        if let Some(tls) = tls.clone() {
            // The files may lie where reading takes a while: the requests are not to wait for it.
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(())) => {}
                Ok(Err(mistake)) => tracing::error!(cause = %mistake, "the TLS certificate was not changed"),
                Err(error) => tracing::error!(cause = %error, "the TLS certificate was not changed"),
            }
        }
        match background.reload_policy().await {
            // It is in the log already.
            Ok(Reload::Done | Reload::Rejected) => {}
            Ok(Reload::Unchanged) => tracing::info!("the policy has not changed"),
            Ok(Reload::Nothing) => {
                tracing::info!("there is no policy to read anew: it is that of the program, or the table")
            }
            Err(error) => tracing::error!(cause = causes(&error), "the policy was not changed"),
        }
    }
}
