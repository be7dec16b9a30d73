//! A server's life: serve, work in the background, stop when told to.

use crate::http::{self, gate::Gate};
use crate::listeners::Listeners;
use crate::telemetry::causes;
use crate::tls::Tls;
use crate::wiring::{Background, Reload, System};
use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// What other processes changed is learnt this often.
const REFRESH: Duration = Duration::from_secs(4);
/// Whether the signing key is too old is asked this often.
const ROTATION: Duration = Duration::from_secs(60 * 60);
/// Counts of minutes that are over are written this often.
const FLUSH: Duration = Duration::from_secs(10);
/// What is pending outside the database is looked at this often.
const RECONCILIATION: Duration = Duration::from_secs(30);
/// Rows that have outlived their use are removed this often.
const PURGE: Duration = Duration::from_secs(60 * 60);
/// What failed is tried again after this long, if it is not its turn before.
const RETRY: Duration = Duration::from_secs(60);

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
    let (stopped, jobs) = start_jobs(&background);
    let gate = Arc::new(Gate::new(system.state.trusted_proxies.clone()));
    let metrics = metrics.map(|metrics| {
        let endpoint = http::metrics_endpoint(Arc::clone(&system.state));
        http::server::serve(metrics, None, endpoint, Arc::clone(&gate), stop.clone())
    });
    let main = http::server::serve(main, tls, http::endpoint(Arc::clone(&system.state)), Arc::clone(&gate), stop);
    tokio::join!(main, OptionFuture::from(metrics));
    reloads.abort();
    drop(stopped);
    for job in jobs {
        if let Err(error) = job.await {
            tracing::error!(cause = %error, "a background job ended badly");
        }
    }
    if let Err(error) = background.audit.flush_counts(true).await {
        tracing::error!(cause = causes(&error), "counted audit events could not be written");
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
            Ok(Reload::Done(hash)) => tracing::info!(policy = hash, "another policy is in force"),
            Ok(Reload::Unchanged) => tracing::info!("the policy has not changed"),
            Ok(Reload::Nothing) => tracing::info!("there is no policy to read anew: it is that of the program"),
            Err(error) => tracing::error!(cause = causes(&error), "the policy was not changed"),
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Work = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Starts what runs from time to time, each by itself, so that a long one holds up no other. Each ends, after the run
/// that it is in, when the sender is dropped.
fn start_jobs(background: &Background) -> (watch::Sender<()>, Vec<JoinHandle<()>>) {
    let (stopped, stop) = watch::channel(());
    let job = |name: &'static str, period: Duration, work: fn(Background) -> Work| {
        let background = background.clone();
        tokio::spawn(repeat(name, (period, RETRY), move || work(background.clone()), stop.clone()))
    };
    let jobs = vec![
        job("refresh", REFRESH, |background| Box::pin(async move { Ok(background.refresh_legacy().await?) })),
        job("keys", REFRESH, |background| Box::pin(async move { Ok(background.refresh_keys().await?) })),
        job("custody", REFRESH, |background| Box::pin(async move { Ok(background.watch_secrets().await?) })),
        job("rotation", ROTATION, |background| Box::pin(async move { Ok(background.rotate_keys().await?) })),
        job("flush", FLUSH, |background| Box::pin(async move { Ok(background.audit.flush_counts(false).await?) })),
        job("secrets", RECONCILIATION, |background| Box::pin(async move { Ok(background.reconcile_secrets().await?) })),
        job("purge", PURGE, |background| Box::pin(async move { Ok(background.purge().await?) })),
    ];
    (stopped, jobs)
}

/// Does the work now and after every period; after a failure sooner, if the second time is shorter.
async fn repeat(
    name: &'static str,
    (period, retry): (Duration, Duration),
    work: impl Fn() -> Work,
    mut stop: watch::Receiver<()>,
) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = work().await {
            tracing::error!(job = name, cause = causes(error.as_ref()), "a background job failed, it runs again");
            ticks.reset_after(period.min(retry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn what_failed_does_not_wait_for_its_next_turn() {
        let (stopped, stop) = watch::channel(());
        let (ran, mut runs) = mpsc::unbounded_channel();
        let work = move || -> Work {
            let ran = ran.clone();
            Box::pin(async move {
                ran.send(())?;
                Err("the database is away".into())
            })
        };
        let hour = Duration::from_secs(60 * 60);
        let job = tokio::spawn(repeat("test", (hour, Duration::from_millis(1)), work, stop));
        for _ in 0..3 {
            tokio::time::timeout(Duration::from_secs(60), runs.recv()).await.unwrap().unwrap();
        }
        drop(stopped);
        job.await.unwrap();
    }
}
