//! The connection: one for all, kept up in the background. While it is down a command fails at once instead of waiting
//! for its deadline, so no request pays for a Redis that is away, and none is the one that tries whether it is back.

use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, RedisError, RedisResult, TlsCertificates};
use secrecy::{ExposeSecret, SecretString};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Most time that a command may take.
pub(super) const DEADLINE: Duration = Duration::from_millis(250);
/// Most time that a connection may take until it is of use.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// A key that is written to see whether writing works: a Redis that is full, or only a replica, cannot count.
const PROBE: &str = "agentidp:probe";

/// Where Redis is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `redis://` or, over TLS, `rediss://`; may hold a password.
    pub url: SecretString,
    /// The authorities that sign its certificate, in PEM form; none: those of the system.
    pub authorities: Option<Vec<u8>>,
}

/// Who is told of commands.
pub trait Observer: Send + Sync {
    /// A command has ended, with an answer or without.
    fn ran(&self, command: &'static str, took: Duration, answered: bool);
}

/// Redis is of no use now.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("Redis is away")]
    Away,
    #[error("Redis did not answer within {} ms", .0.as_millis())]
    Overdue(Duration),
    #[error(transparent)]
    Refused(#[from] RedisError),
}

/// None while Redis is away.
type Link = watch::Sender<Option<Arc<MultiplexedConnection>>>;

pub(super) struct Client {
    server: redis::Client,
    link: Arc<Link>,
    keeper: JoinHandle<()>,
    observer: Arc<dyn Observer>,
}

impl Client {
    /// Connects, and keeps the connection up. A Redis that is away is no error: it is taken when it comes.
    ///
    /// # Errors
    /// The URL or the authorities are none.
    pub async fn open(settings: &Settings, observer: Arc<dyn Observer>) -> Result<Self, RedisError> {
        let url = settings.url.expose_secret();
        let server = match settings.authorities.clone() {
            Some(root) => {
                redis::Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: Some(root) })?
            }
            None => redis::Client::open(url)?,
        };
        let first = connect(&server).await.map_err(|error| went(&error)).ok();
        let link = Arc::new(Link::new(first.map(Arc::new)));
        let keeper = tokio::spawn(keep(server.clone(), Arc::clone(&link)));
        Ok(Self { server, link, keeper, observer })
    }

    /// Runs a command on the connection that there is.
    pub async fn run<T, F>(
        &self,
        command: &'static str,
        work: impl FnOnce(MultiplexedConnection) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let link = self.link.borrow().clone().ok_or(Failure::Away)?;
        let answer = self.observe(command, DEADLINE, work(link.as_ref().clone())).await;
        if let Err(error) = &answer
            && self.lose(&link)
        {
            went(error);
        }
        answer
    }

    /// Listens to a channel, on a connection of its own.
    pub async fn listen(&self, channel: &str) -> Result<(PubSubSink, PubSubStream), Failure> {
        if self.link.borrow().is_none() {
            return Err(Failure::Away);
        }
        let work = async {
            let mut listener = self.server.get_async_pubsub().await?;
            listener.subscribe(channel).await?;
            Ok(listener.split())
        };
        self.observe("subscribe", PATIENCE, work).await
    }

    /// Whatever the failure was, it is tried anew whether Redis is of use; says whether nobody was before.
    fn lose(&self, link: &Arc<MultiplexedConnection>) -> bool {
        self.link.send_if_modified(|now| {
            let same = now.as_ref().is_some_and(|now| Arc::ptr_eq(now, link));
            if same {
                *now = None;
            }
            same
        })
    }

    async fn observe<T>(
        &self,
        command: &'static str,
        deadline: Duration,
        work: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let answer = within(deadline, work).await;
        self.observer.ran(command, start.elapsed(), answer.is_ok());
        answer
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Runs `work` until the deadline.
pub(super) async fn within<T>(deadline: Duration, work: impl Future<Output = RedisResult<T>>) -> Result<T, Failure> {
    match timeout(deadline, work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Overdue(deadline)),
    }
}

/// A connection that can write.
async fn connect(server: &redis::Client) -> Result<MultiplexedConnection, Failure> {
    within(PATIENCE, async {
        // The deadlines are ours, once for each command: the driver's own would begin anew for each part of it.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = server.get_multiplexed_async_connection_with_config(&config).await?;
        let mut probe = redis::cmd("SET");
        probe.arg(PROBE).arg(1).arg("PX").arg(1_000).exec_async(&mut connection).await?;
        Ok(connection)
    })
    .await
}

/// Connects again whenever the connection was lost, for ever.
async fn keep(server: redis::Client, link: Arc<Link>) {
    let mut lost = link.subscribe();
    while lost.wait_for(Option::is_none).await.is_ok() {
        sleep(PAUSE).await;
        if let Ok(connection) = connect(&server).await {
            link.send_replace(Some(Arc::new(connection)));
            tracing::info!("Redis answers again");
        }
    }
}

/// Once for each time that it goes.
fn went(error: &Failure) {
    tracing::warn!(cause = %error, "Redis does not answer");
}
