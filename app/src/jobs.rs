//! What a server does from time to time, beside answering.

use crate::telemetry::causes;
use crate::telemetry::seldom::Seldom;
use crate::wiring::Background;
use agentidp_core::ports::notices::Notices;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// What other processes changed is read this often, and at once when they say that there is something.
const WATCH: Duration = Duration::from_secs(1);
/// The folder of the policy is looked at this often; what is new there is taken at the second look.
const POLICY: Duration = Duration::from_secs(1);
/// The system that keeps secrets is asked how it is this often.
const HEALTH: Duration = Duration::from_secs(4);
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

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Work = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Starts the jobs, each by itself, so that a long one holds up no other. Each ends, after the run that it is in, when
/// the sender is dropped.
pub fn start(background: &Background) -> (watch::Sender<()>, Vec<JoinHandle<()>>) {
    let (stopped, stop) = watch::channel(());
    let nudge = Arc::new(Notify::new());
    let nobody = Arc::new(Notify::new());
    let job = |name: &'static str, period: Duration, nudge: &Arc<Notify>, work: fn(Background) -> Work| {
        let (nudge, background) = (Arc::clone(nudge), background.clone());
        let job = Job { name, period, retry: RETRY, nudge, work: move || work(background.clone()) };
        tokio::spawn(job.repeat(stop.clone()))
    };
    let mut jobs = vec![
        job("watch", WATCH, &nudge, |background| Box::pin(async move { Ok(background.watch().await?) })),
        job("policy", POLICY, &nobody, |background| {
            Box::pin(async move { Ok(background.watch_policy().await.map(drop)?) })
        }),
        job("health", HEALTH, &nobody, |background| Box::pin(async move { Ok(background.watch_secrets().await?) })),
        job("rotation", ROTATION, &nobody, |background| Box::pin(async move { Ok(background.rotate_keys().await?) })),
        job("flush", FLUSH, &nobody, |background| {
            Box::pin(async move { Ok(background.audit.flush_counts(false).await?) })
        }),
        job("custody", RECONCILIATION, &nobody, |background| {
            Box::pin(async move { Ok(background.reconcile_secrets().await?) })
        }),
        job("purge", PURGE, &nobody, |background| Box::pin(async move { Ok(background.purge().await?) })),
    ];
    if let Some(notices) = background.notices.clone() {
        jobs.push(tokio::spawn(listen(notices, nudge, stop)));
    }
    (stopped, jobs)
}

struct Job<W> {
    name: &'static str,
    period: Duration,
    /// The same after a failure, if that is shorter.
    retry: Duration,
    /// Runs it at once.
    nudge: Arc<Notify>,
    work: W,
}

impl<W: Fn() -> Work> Job<W> {
    async fn repeat(self, mut stop: watch::Receiver<()>) {
        let mut ticks = interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let failures = Seldom::default();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.nudge.notified() => {}
                _ = stop.changed() => return,
            }
            let Err(error) = (self.work)().await else { continue };
            ticks.reset_after(self.period.min(self.retry));
            if let Some(left_out) = failures.due(Instant::now()) {
                let cause = causes(error.as_ref());
                tracing::error!(job = self.name, cause, left_out, "a background job failed, it runs again");
            }
        }
    }
}

/// Hears what others say, and listens again when the subscription was lost.
async fn listen(notices: Arc<dyn Notices>, nudge: Arc<Notify>, mut stop: watch::Receiver<()>) {
    let work = async {
        loop {
            hear(notices.as_ref(), &nudge).await;
            sleep(WATCH).await;
        }
    };
    tokio::select! {
        () = work => {}
        _ = stop.changed() => {}
    }
}

/// Until the subscription is lost, which costs nothing: what is not heard is read a second later.
async fn hear(notices: &dyn Notices, nudge: &Notify) {
    let Ok(mut subscription) = notices.subscribe().await else { return };
    loop {
        nudge.notify_one();
        if subscription.next().await.is_err() {
            return;
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
        let (period, retry) = (Duration::from_secs(60 * 60), Duration::from_millis(1));
        let job = Job { name: "test", period, retry, nudge: Arc::default(), work };
        let job = tokio::spawn(job.repeat(stop));
        for _ in 0..3 {
            tokio::time::timeout(Duration::from_secs(60), runs.recv()).await.unwrap().unwrap();
        }
        drop(stopped);
        job.await.unwrap();
    }
}
