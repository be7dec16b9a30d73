//! `agentidp healthcheck`: for container health checks, without curl in the image.

use super::CommandError;
use crate::config::{Config, ConfigError, Profile, Source, TlsFiles};
use crate::tls;
use clap::Args;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

const DEADLINE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The server to ask (default: this machine, at PORT)
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

impl Healthcheck {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let server = Config::load(&Profile::Tool, source)?.server;
        let url = match self.url {
            Some(url) => url,
            None => Url::parse(&server.base_url(server.address())).map_err(CommandError::failed)?,
        };
        let status = timeout(DEADLINE, ask(&url, server.tls.as_ref())).await;
        match status.map_err(|_| CommandError::Failed("the server does not answer in time".to_owned()))?? {
            200 => Ok(()),
            status => Err(CommandError::Failed(format!("the server is not ready: it answers {status}"))),
        }
    }
}

/// Asks over TLS if the URL says so. Then only the certificate of the configuration is trusted.
async fn ask(url: &Url, files: Option<&TlsFiles>) -> Result<u16, CommandError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(CommandError::Usage("the URL must begin with `http:` or `https:`".to_owned()));
    }
    let host = url.host_str().ok_or_else(|| CommandError::Usage("the URL names no host".to_owned()))?;
    let name = host.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let host = format!("{host}:{port}");
    let stream = TcpStream::connect((name, port)).await;
    let stream = stream.map_err(|error| CommandError::Failed(format!("no server at {host}: {error}")))?;
    if url.scheme() != "https" {
        return status(stream, &host).await;
    }
    let files =
        files.ok_or_else(|| CommandError::Usage("set TLS_CERT_FILE and TLS_KEY_FILE of the server".to_owned()))?;
    let connector = tls::connector(files).map_err(ConfigError::from)?;
    let name =
        name.to_owned().try_into().map_err(|_| CommandError::Usage(format!("`{host}` is no name of a server")))?;
    let stream = connector.connect(name, stream).await.map_err(|error| {
        CommandError::Failed(format!("the server does not prove to hold the certificate of TLS_CERT_FILE: {error}"))
    })?;
    status(stream, &host).await
}

async fn status<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, host: &str) -> Result<u16, CommandError> {
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| CommandError::Failed("the server does not speak HTTP".to_owned()))
}
