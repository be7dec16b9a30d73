//! The API over TLS, and clients that shake hands badly or never.

use crate::certificates::Authority;
use crate::support::{Database, TestApp};
use reqwest::tls::Version;
use serde_json::Value;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A server with a certificate of `authority`; the folder holds its files.
async fn encrypted(authority: &Authority) -> (TestApp, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pair = authority.issue("api", 2100);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (file("cert.pem", &pair.certificate), file("key.pem", &pair.key));
    let settings = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", &key)];
    (TestApp::start_with(Database::Sqlite, &settings).await, folder)
}

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.url.strip_prefix("https://").unwrap()).await.unwrap()
}

/// Reads until the server closes; what came, and how long that took.
async fn until_closed<S: AsyncRead + Unpin>(mut stream: S) -> (Vec<u8>, Duration) {
    let (start, mut answer) = (Instant::now(), Vec::new());
    let closed = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is held");
    (answer, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_the_authority_gets_a_token() {
    let authority = Authority::new();
    let (app, _folder) = encrypted(&authority).await;
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let root = reqwest::Certificate::from_pem(authority.0.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]);
        let client = client.tls_version_min(version).tls_version_max(version).build().unwrap();
        let request =
            client.post(format!("{}/api/v1/token", app.url)).basic_auth(&app.admin.id, Some(&app.admin.secret));
        let answer = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_11));
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
        let answer = client.get(format!("{}/.well-known/oauth-authorization-server", app.url)).send().await.unwrap();
        let metadata: Value = answer.json().await.unwrap();
        assert_eq!(metadata["issuer"], app.url);
    }
    let other = reqwest::Certificate::from_pem(Authority::new().0.pem().as_bytes()).unwrap();
    let stranger = reqwest::Client::builder().tls_certs_only([other]).build().unwrap();
    assert!(stranger.get(format!("{}/health", app.url)).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_something_else_is_sent_away_at_once() {
    let authority = Authority::new();
    let (app, _folder) = encrypted(&authority).await;
    let mut plain = connect(&app).await;
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (answer, took) = until_closed(plain).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    let of_http_2 = TlsConnector::from(authority.client(&["h2"]));
    assert!(of_http_2.connect("localhost".try_into().unwrap(), connect(&app).await).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_a_connection_before_in_and_after_the_handshake() {
    let authority = Authority::new();
    let (app, _folder) = encrypted(&authority).await;
    // A record of a ClientHello of 512 bytes, which ends after the first.
    let beginnings: [&[u8]; 3] = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
    let handshakes = futures_util::future::join_all(beginnings.map(async |beginning| {
        let mut socket = connect(&app).await;
        socket.write_all(beginning).await.unwrap();
        until_closed(socket).await.1
    }));
    let connector = TlsConnector::from(authority.client(&["http/1.1"]));
    let requests = futures_util::future::join_all(["", "GET /health HTTP/1.1\r\nHost: a"].map(async |beginning| {
        let mut stream = connector.connect("localhost".try_into().unwrap(), connect(&app).await).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.write_all(beginning.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        until_closed(stream).await.1
    }));
    let (handshakes, requests) = tokio::join!(handshakes, requests);
    for took in handshakes.iter().chain(&requests) {
        assert!(*took < Duration::from_secs(9), "{handshakes:?} {requests:?}");
    }
}
