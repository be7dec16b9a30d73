//! TLS of the listener: rustls with aws-lc-rs, TLS 1.2 and 1.3, HTTP/1.1 inside. The certificate can be replaced while
//! connections live.

mod identity;
mod pinned;

pub use pinned::connector;

use crate::config::{Mistake, TlsFiles};
use crate::wiring::system_time;
use arc_swap::ArcSwap;
use identity::Identity;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is spoken inside (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// What makes plain connections encrypted ones. Clones share the certificate.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    files: TlsFiles,
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads and proves the files.
    ///
    /// # Errors
    /// A file is missing, holds something else, or the two do not fit.
    pub fn open(files: &TlsFiles) -> Result<Self, Mistake> {
        let identity = Identity::load(files)?;
        log(&identity, files);
        let current = Arc::new(Current(ArcSwap::from(identity.key)));
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| files.certificate_mistake(format!("cannot be used: {error}")))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { acceptor: Arc::new(config).into(), current, files: files.clone() })
    }

    /// Reads the files anew and shows the new certificate to new connections.
    ///
    /// # Errors
    /// As [`Tls::open`]; then the old certificate stays.
    pub fn reload(&self) -> Result<(), Mistake> {
        let identity = Identity::load(&self.files)?;
        log(&identity, &self.files);
        self.current.0.store(identity.key);
        Ok(())
    }

    /// Shakes hands with a client. It waits for ever for one that says nothing: the caller has the deadline.
    ///
    /// # Errors
    /// The client speaks something else, or goes.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> std::io::Result<TlsStream<S>> {
        self.acceptor.accept(stream).await
    }
}

/// Reads and proves the files, and serves nothing with them.
///
/// # Errors
/// As [`Tls::open`].
pub fn prove(files: &TlsFiles) -> Result<(), Mistake> {
    Identity::load(files).map(drop)
}

/// Proves the file of the certificate alone.
///
/// # Errors
/// The problem, to be said of the file.
pub fn prove_certificate(path: &Path) -> Result<(), String> {
    identity::chain(path).map(drop)
}

/// Proves the file of the key alone.
///
/// # Errors
/// The problem, to be said of the file.
pub fn prove_key(path: &Path) -> Result<(), String> {
    identity::private_key(path).map(drop)
}

/// What is legal about the files and still wants to be looked at.
///
/// # Errors
/// As [`Tls::open`].
pub fn warnings(files: &TlsFiles) -> Result<Vec<Mistake>, Mistake> {
    Ok(Identity::load(files)?.warnings(files, system_time()))
}

/// Makes aws-lc-rs the cryptography of every TLS connection of this process. The drivers bring ring as well, and rustls
/// does not choose between two.
pub fn install_provider() {
    // It fails only if one is installed already.
    let _ = aws_lc_rs::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn log(identity: &Identity, files: &TlsFiles) {
    tracing::info!(
        subject = identity.subject,
        notBefore = %identity.not_before,
        notAfter = %identity.not_after,
        "the TLS certificate is in use"
    );
    for warning in identity.warnings(files, system_time()) {
        tracing::warn!(subject = identity.subject, notAfter = %identity.not_after, %warning, "about the TLS certificate");
    }
}
