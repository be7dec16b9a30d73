//! One token, and when it has to be renewed.

use super::config::VaultConfig;
use super::error::VaultError;
use secrecy::{ExposeSecret, SecretString};
use std::time::{Duration, Instant};
use vaultrs::api::token::responses::LookupTokenResponse;
use vaultrs::api::{AuthInfo, EndpointMiddleware};
use vaultrs::client::{VaultClient, VaultClientSettings};
use zeroize::Zeroize;

/// The part of its time after which a token is renewed.
pub(super) const RENEWED_AT: f32 = 0.5;

/// A token as the client that sends it. The client's own `Debug` would print the token, so it is not reachable, and
/// there is none of this.
pub(super) struct Session {
    client: VaultClient,
    pub(super) born: Instant,
    pub(super) lease: Option<Lease>,
}

/// That a token ends unless it is renewed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// How long it was given for when it was new.
    pub(super) granted: Duration,
    pub(super) renewable: bool,
    /// When to renew it.
    pub(super) due: Instant,
}

impl Lease {
    fn new(seconds: u64, renewable: bool, now: Instant) -> Option<Self> {
        let granted = Duration::from_secs(seconds);
        let due = now.checked_add(granted.mul_f32(RENEWED_AT))?;
        (seconds > 0).then_some(Self { granted, renewable, due })
    }

    /// The lease that Vault gave, for a token of a login or a renewal.
    pub(super) fn of(auth: &AuthInfo, now: Instant) -> Option<Self> {
        Self::new(auth.lease_duration, auth.renewable, now)
    }

    /// What is left of a token that somebody else has got.
    pub(super) fn left(token: &LookupTokenResponse, now: Instant) -> Option<Self> {
        Self::new(token.ttl, token.renewable.unwrap_or(false), now)
    }
}

impl Session {
    /// Sends `token` over `http`. Nothing is taken from the environment: every setting is given.
    ///
    /// # Errors
    /// The token cannot be sent: the library would panic when it is.
    pub(super) fn new(
        http: &reqwest::Client,
        config: &VaultConfig,
        token: &SecretString,
        lease: Option<Lease>,
    ) -> Result<Self, VaultError> {
        if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(VaultError::Client("a token has to be of visible ASCII characters".to_owned()));
        }
        let settings = VaultClientSettings {
            address: config.address.clone(),
            ca_certs: Vec::new(),
            identity: None,
            timeout: None,
            token: String::new(),
            verify: true,
            version: 1,
            wrapping: false,
            namespace: config.namespace.clone(),
            proxy: None,
        };
        let middle = EndpointMiddleware {
            token: token.expose_secret().to_owned(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: config.namespace.clone(),
        };
        let http = rustify::clients::reqwest::Client::new(config.address.as_str(), http.clone());
        Ok(Self { client: VaultClient { http, middle, settings }, born: Instant::now(), lease })
    }

    /// The client that sends the token.
    pub(super) const fn client(&self) -> &VaultClient {
        &self.client
    }

    /// The same token with another lease.
    ///
    /// # Errors
    /// None in practice: the token has been sent before.
    pub(super) fn with_lease(
        &self,
        http: &reqwest::Client,
        config: &VaultConfig,
        lease: Option<Lease>,
    ) -> Result<Self, VaultError> {
        let token = SecretString::from(self.client.middle.token.as_str());
        let mut session = Self::new(http, config, &token, lease)?;
        session.born = self.born;
        Ok(session)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.client.middle.token.zeroize();
    }
}

/// The one HTTP client of the adapter: deadlines, no redirects, no proxy, the given authorities only.
pub(super) fn http_client(config: &VaultConfig) -> Result<reqwest::Client, VaultError> {
    let failed = |error: reqwest::Error| VaultError::Client(error.to_string());
    let mut builder = reqwest::Client::builder()
        .tls_backend_rustls()
        .connect_timeout(config.limits.connect)
        .timeout(config.limits.request)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(config.limits.requests)
        .no_proxy();
    if let Some(ca) = &config.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(ca).map_err(failed)?;
        if certificates.is_empty() {
            return Err(VaultError::Client("there is no certificate authority in PEM form".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    } else if config.address.scheme() == "http" {
        // The system's authorities are not needed, and need not be there.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(failed)
}
