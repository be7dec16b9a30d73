//! How many connections there may be: in all, and from one source.

use crate::telemetry::seldom::Seldom;
use agentidp_core::domain::caller::RequestContext;
use ipnet::IpNet;
use socket2::SockRef;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Most connections at a time, if there are descriptors for them.
pub const MAX_CONNECTIONS: usize = 4_096;
/// File descriptors that are left to the database, the files and the runtime.
const RESERVED: usize = 64;
/// Connections for which there are always some, however low the limit of descriptors is.
const FEWEST: usize = 16;
/// What a process has where nothing else is known.
const USUAL_DESCRIPTORS: u64 = 1_024;

/// Lets as many newcomers wait as there may be connections: the usual thousand is soon full when the machine is busy,
/// and who finds it full tries again only after a second. The kernel may allow fewer.
pub fn widen(listener: &TcpListener) {
    let _ = SockRef::from(listener).listen(i32::try_from(MAX_CONNECTIONS).unwrap_or(i32::MAX));
}

/// Counts connections. Beyond the total, newcomers wait in the backlog of the listener; a source beyond its share is
/// sent away, so that none can keep the others waiting by itself.
pub struct Gate {
    total: Arc<Semaphore>,
    share: usize,
    /// Peers that carry the connections of everybody.
    proxies: Vec<IpNet>,
    held: Arc<Held>,
    refusals: Seldom,
}

/// The connections that there are.
#[derive(Debug, Default)]
struct Held {
    by_source: Mutex<HashMap<IpAddr, usize>>,
    /// One has ended.
    left: Notify,
}

/// A place among the connections. It is free again when this is dropped.
#[derive(Debug)]
pub struct Pass {
    /// The source that it is counted for, none for a trusted proxy.
    source: Option<IpAddr>,
    held: Arc<Held>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// A gate for as many connections as this process has descriptors for: the soft limit is raised, as far as it may
    /// be. The share of a source is half of all; `proxies` are exempt.
    pub fn new(proxies: Vec<IpNet>) -> Self {
        let wanted = u64::try_from(MAX_CONNECTIONS.saturating_add(RESERVED)).unwrap_or(u64::MAX);
        let descriptors = rlimit::increase_nofile_limit(wanted).unwrap_or(USUAL_DESCRIPTORS);
        let connections = connections(descriptors);
        if connections < MAX_CONNECTIONS {
            tracing::warn!(connections, descriptors, "the limit of file descriptors bounds the connections; raise it");
        }
        Self::of(connections, proxies)
    }

    fn of(connections: usize, proxies: Vec<IpNet>) -> Self {
        Self {
            total: Arc::new(Semaphore::new(connections)),
            share: connections.div_ceil(2),
            proxies,
            held: Arc::default(),
            refusals: Seldom::default(),
        }
    }

    /// Waits until there is room for one more connection. The semaphore is never closed, so there is always a permit.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.total).acquire_owned().await.ok()
    }

    /// Waits until a connection ends, but not longer than `most`: it gives its descriptor back.
    pub async fn left(&self, most: Duration) {
        let _ = timeout(most, self.held.left.notified()).await;
    }

    /// Lets the peer in, unless its source has its share.
    pub fn admit(&self, peer: IpAddr, permit: Option<OwnedSemaphorePermit>) -> Option<Pass> {
        let peer = peer.to_canonical();
        let held = Arc::clone(&self.held);
        if self.proxies.iter().any(|net| net.contains(&peer)) {
            return Some(Pass { source: None, held, _permit: permit });
        }
        let source = RequestContext { source_ip: Some(peer), ..RequestContext::default() }.source_network()?;
        {
            let mut counts = held.by_source.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(source).or_default();
            if *count >= self.share {
                drop(counts);
                self.refuse(source);
                return None;
            }
            *count = count.saturating_add(1);
        }
        Some(Pass { source: Some(source), held, _permit: permit })
    }

    fn refuse(&self, source: IpAddr) {
        if let Some(left_out) = self.refusals.due(Instant::now()) {
            tracing::warn!(
                source = %source,
                share = self.share,
                leftOut = left_out,
                "connections were refused: their source has its share; is a proxy missing in TRUSTED_PROXIES?"
            );
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.held.left.notify_one();
        let Some(source) = self.source else { return };
        let mut counts = self.held.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&source);
            }
        }
    }
}

/// For how many connections there are descriptors.
fn connections(descriptors: u64) -> usize {
    usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(RESERVED).clamp(FEWEST, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn enter(gate: &Gate, peer: &str) -> Option<Pass> {
        gate.admit(peer.parse().unwrap(), gate.room().await)
    }

    #[tokio::test]
    async fn a_source_has_half_and_gets_it_back() {
        let gate = Gate::of(4, Vec::new());
        let first = enter(&gate, "192.0.2.1").await.unwrap();
        let second = enter(&gate, "::ffff:192.0.2.1").await.unwrap();
        assert!(enter(&gate, "192.0.2.1").await.is_none());
        let other = enter(&gate, "192.0.2.2").await.unwrap();
        drop(first);
        let third = enter(&gate, "192.0.2.1").await.unwrap();
        drop((second, third, other));
        assert!(gate.held.by_source.lock().unwrap().is_empty());
        assert_eq!(gate.total.available_permits(), 4);
    }

    #[tokio::test]
    async fn ipv6_counts_by_64() {
        let gate = Gate::of(2, Vec::new());
        let _first = enter(&gate, "2001:db8::1").await.unwrap();
        assert!(enter(&gate, "2001:db8::ffff:1").await.is_none());
        assert!(enter(&gate, "2001:db8:0:1::1").await.is_some());
    }

    #[tokio::test]
    async fn proxies_have_no_share_but_the_total_is_theirs_too() {
        let gate = Gate::of(2, vec!["10.0.0.0/8".parse().unwrap()]);
        let _all = [enter(&gate, "10.0.0.1").await.unwrap(), enter(&gate, "::ffff:10.0.0.1").await.unwrap()];
        assert_eq!(gate.total.available_permits(), 0);
    }

    #[test]
    fn descriptors_are_left_to_the_rest() {
        let given = [0, 64, 79, 81, 1_024, 4_160, 1_048_576, u64::MAX];
        assert_eq!(given.map(connections), [16, 16, 16, 17, 960, 4_096, 4_096, 4_096]);
    }
}
