//! Requests as bytes on a socket, for what no client library would send.

use super::TestApp;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer as it came over the socket. Its status is 0 if the server closed without a word.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl RawAnswer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Self { status: status.unwrap_or(0), headers, body: body.to_owned() }
    }

    /// A header as text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// Status and code, as `Answer::failure` has it.
    pub fn failure(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        format!("{} {}", self.status, json["code"].as_str().or(json["error"].as_str()).unwrap_or("-"))
    }
}

impl TestApp {
    /// Sends the bytes and reads until the server closes.
    pub async fn send_raw(&self, request: &[u8]) -> RawAnswer {
        let mut socket = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        // The server may answer and close before all is written.
        let _ = socket.write_all(request).await;
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        while let Ok(Ok(read)) = timeout(Duration::from_secs(12), socket.read(&mut chunk)).await {
            if read == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..read]);
        }
        RawAnswer::parse(&bytes)
    }

    /// A request line and header lines, without a body unless `rest` ends in one.
    pub async fn raw(&self, line: &str, headers: &[&str], body: &str) -> RawAnswer {
        let length = format!("Content-Length: {}", body.len());
        let mut lines = vec![line, "Host: 127.0.0.1", "Connection: close"];
        lines.extend(headers);
        if !headers.iter().any(|header| header.starts_with("Content-Length") || header.starts_with("Transfer-")) {
            lines.push(&length);
        }
        self.send_raw(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes()).await
    }
}
