//! A server's life: serve, work in the background, stop when told to.

use crate::http;
use crate::wiring::{Background, System};
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// What other processes changed is learnt this often.
const REFRESH: Duration = Duration::from_secs(4);
/// Counts of minutes that are over are written this often.
const FLUSH: Duration = Duration::from_secs(10);
/// Rows that have outlived their use are removed this often.
const PURGE: Duration = Duration::from_secs(60 * 60);

/// Serves until SIGTERM or SIGINT, then finishes what runs and writes what was only counted.
///
/// # Errors
/// Signals cannot be received.
pub async fn run(listener: TcpListener, system: System) -> std::io::Result<()> {
    let stop = stop_signal()?;
    let background = system.background.clone();
    let jobs = tokio::spawn(work(background.clone()));
    http::server::serve(listener, http::endpoint(system.state), stop).await;
    jobs.abort();
    if let Err(error) = background.audit.flush_counts(true).await {
        tracing::error!(cause = %error, "counted audit events could not be written");
    }
    tracing::info!("stopped");
    Ok(())
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new connections, running requests are finished");
    })
}

async fn work(background: Background) {
    let every = |period| {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut refresh, mut flush, mut purge) = (every(REFRESH), every(FLUSH), every(PURGE));
    loop {
        let (what, result) = tokio::select! {
            _ = refresh.tick() => ("refresh", background.refresh_legacy().await),
            _ = flush.tick() => ("flush", background.audit.flush_counts(false).await),
            _ = purge.tick() => ("purge", background.purge().await),
        };
        if let Err(error) = result {
            tracing::error!(job = what, cause = %error, "a background job failed, it runs again");
        }
    }
}
