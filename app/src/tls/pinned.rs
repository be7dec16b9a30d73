//! The client's side for `healthcheck`: it trusts one certificate, the one in the server's own file, and no other. That
//! holds for a certificate of any authority or of none, under whatever name the server is asked.

use super::identity::certificates;
use super::{PROTOCOL, provider};
use crate::config::{Mistake, TlsFiles};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Accepts a server that shows this certificate and proves, by its signature, that it holds the key.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Connects to a server with the first certificate of the file.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn connector(files: &TlsFiles) -> Result<TlsConnector, Mistake> {
    let chain = certificates(&files.certificate).map_err(|problem| files.certificate_mistake(problem))?;
    let Some(certificate) = chain.into_iter().next() else {
        return Err(files.certificate_mistake("holds no certificate"));
    };
    let provider = provider();
    let pinned = Pinned { certificate, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| files.certificate_mistake(format!("cannot be used: {error}")))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config).into())
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
