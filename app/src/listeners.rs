//! What the server listens on: one address for everything, or another one for the metrics.

use crate::config::{Server, base_url};
use crate::tls::Tls;
use crate::wiring::StartError;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Bound sockets, before anybody is served.
pub struct Listeners {
    pub main: TcpListener,
    /// What the connections of `main` are encrypted with.
    pub tls: Option<Tls>,
    /// For `/metrics` alone, in plain HTTP; none: `main` answers it.
    pub metrics: Option<TcpListener>,
    base_url: String,
    metrics_url: String,
}

impl Listeners {
    /// Binds what is configured, and reads the certificate.
    ///
    /// # Errors
    /// An address cannot be had, or the certificate is bad.
    pub async fn bind(server: &Server) -> Result<Self, StartError> {
        let tls = server.tls.as_ref().map(Tls::open).transpose()?;
        let (main, address) = listen(server.address(), "`--port` or PORT").await?;
        let base = server.base_url(address);
        let mut metrics_url = format!("{base}/metrics");
        let mut metrics = None;
        if let Some(address) = server.metrics {
            let (listener, address) = listen(address, "METRICS_ADDR").await?;
            metrics_url = format!("{}/metrics", base_url("http", address));
            metrics = Some(listener);
        }
        Ok(Self { main, tls, metrics, base_url: base, metrics_url })
    }

    /// How this machine reaches the server.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How this machine reads the metrics.
    pub fn metrics_url(&self) -> &str {
        &self.metrics_url
    }
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source| StartError::Listen { address, setting, source })
}
