//! `agentidp healthcheck`: for container health checks, without curl in the image.

use super::CommandError;
use crate::config::{Config, Profile, Source, base_url};
use clap::Args;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
        let url = match self.url {
            Some(url) => url,
            None => {
                let config = Config::load(&Profile::Tool, source)?;
                Url::parse(&base_url(config.server.address())).map_err(CommandError::failed)?
            }
        };
        let host = url.host_str().ok_or_else(|| CommandError::Usage("the URL names no host".to_owned()))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let status = timeout(DEADLINE, ask(&host, port)).await;
        match status.map_err(|_| CommandError::Failed("the server does not answer in time".to_owned()))?? {
            200 => Ok(()),
            status => Err(CommandError::Failed(format!("the server is not ready: it answers {status}"))),
        }
    }
}

async fn ask(host: &str, port: u16) -> Result<u16, CommandError> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| CommandError::Failed("the server does not speak HTTP".to_owned()))
}
