//! TLS to Redis: its certificate is verified.

use crate::ports::free_port;
use crate::redis_server::RedisServer;
use crate::{Told, until};
use agentidp_adapters::redis::{Redis, Settings};
use agentidp_core::ports::cache::CacheHealth;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use std::sync::Arc;

#[tokio::test]
async fn a_certificate_counts_only_under_its_authority_and_name() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        path
    };
    let (cert, key) = (write("cert.pem", certificate.pem()), write("key.pem", key.serialize_pem()));
    let (ca, port) = (write("ca.pem", ours.pem()), free_port());
    let _server = RedisServer::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ]);
    let open = async |host: &str, authorities: Option<String>| {
        let url = format!("rediss://{host}:{port}");
        let settings = Settings { url: url.into(), authorities: authorities.map(String::into_bytes) };
        Redis::open(&settings, Arc::new(Told::default())).await.unwrap()
    };
    let redis = open("localhost", Some(ours.pem())).await;
    until(async || redis.ping().await.ok()).await;
    for (host, authorities) in [("localhost", Some(theirs.pem())), ("127.0.0.1", Some(ours.pem())), ("localhost", None)]
    {
        assert!(open(host, authorities).await.ping().await.is_err(), "{host}");
    }
}
