//! Gets a token, renews it and gets another, by one caller at a time: who comes meanwhile uses what that one got.

use super::config::{VaultConfig, VaultLogin};
use super::error::VaultError;
use super::session::{Lease, RENEWED_AT, Session, http_client};
use arc_swap::ArcSwapOption;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;
use vaultrs::client::Client;
use zeroize::Zeroize;

/// Where the AppRole auth method is mounted.
const APPROLE: &str = "approle";

/// The token in use.
pub(super) struct Sessions {
    http: reqwest::Client,
    config: VaultConfig,
    current: ArcSwapOption<Session>,
    /// Held by who logs in or renews; in it, when and how the last login failed.
    turn: Mutex<Option<(Instant, VaultError)>>,
}

impl Sessions {
    pub(super) fn new(config: VaultConfig) -> Result<Self, VaultError> {
        let http = http_client(&config)?;
        Ok(Self { http, config, current: ArcSwapOption::empty(), turn: Mutex::default() })
    }

    /// A token that need not be renewed now.
    pub(super) async fn get(&self) -> Result<Arc<Session>, VaultError> {
        match self.current.load_full() {
            Some(session) if session.lease.is_some_and(|lease| lease.due <= Instant::now()) => {
                Ok(self.renew(session).await)
            }
            Some(session) => Ok(session),
            None => self.replace(None).await,
        }
    }

    /// A token to use instead of `refused`. A given token cannot be replaced, and one that was got a moment ago is not
    /// to blame: then the refusal stands.
    pub(super) async fn replace(&self, refused: Option<&Arc<Session>>) -> Result<Arc<Session>, VaultError> {
        let mut turn = self.turn.lock().await;
        if let Some(current) = self.current.load_full() {
            match refused {
                Some(refused) if Arc::ptr_eq(refused, &current) => {}
                _ => return Ok(current),
            }
        }
        if let Some(refused) = refused
            && (self.is_given() || refused.born.elapsed() < self.config.limits.pause)
        {
            return Err(VaultError::Refused);
        }
        if let Some((at, error)) = turn.as_ref()
            && at.elapsed() < self.config.limits.pause
        {
            return Err(error.clone());
        }
        let session = self.log_in().await.inspect_err(|error| *turn = Some((Instant::now(), error.clone())))?;
        Ok(self.keep(session))
    }

    /// Renews the token, or gets another one where renewing does not give it the time that it had. What fails leaves the
    /// token as it is, for it has not ended, and is tried again after a pause.
    async fn renew(&self, session: Arc<Session>) -> Arc<Session> {
        let Ok(_turn) = self.turn.try_lock() else { return session };
        if self.current.load().as_ref().is_none_or(|current| !Arc::ptr_eq(current, &session)) {
            return self.current.load_full().unwrap_or(session);
        }
        match self.renewed(&session).await {
            Ok(renewed) => self.keep(renewed),
            Err(error) => {
                tracing::warn!(cause = %error, "the Vault token is not renewed, it is tried again");
                self.postponed(&session).map_or(session, |postponed| self.keep(postponed))
            }
        }
    }

    async fn renewed(&self, session: &Session) -> Result<Session, VaultError> {
        let Some(old) = session.lease.filter(|lease| lease.renewable) else { return self.log_in().await };
        let lease = session.client().renew(None).await.map_err(VaultError::from).map(|mut auth| {
            auth.client_token.zeroize();
            Lease::of(&auth, Instant::now())
        });
        match lease {
            // Near the longest time that it may live, Vault gives it only what is left of that.
            Ok(Some(lease)) if !self.is_given() && lease.granted < old.granted.mul_f32(RENEWED_AT) => {
                self.log_in().await
            }
            Ok(lease) => {
                let lease = lease.map(|lease| Lease { granted: old.granted, ..lease });
                session.with_lease(&self.http, &self.config, lease)
            }
            Err(VaultError::Refused) if !self.is_given() => self.log_in().await,
            Err(error) => Err(error),
        }
    }

    fn postponed(&self, session: &Session) -> Result<Session, VaultError> {
        let lease = session
            .lease
            .and_then(|lease| Some(Lease { due: Instant::now().checked_add(self.config.limits.pause)?, ..lease }));
        session.with_lease(&self.http, &self.config, lease)
    }

    async fn log_in(&self) -> Result<Session, VaultError> {
        match &self.config.login {
            VaultLogin::Token(token) => self.look_up(token).await,
            VaultLogin::AppRole { role_id, secret_id } => self.approle(role_id, secret_id).await,
        }
    }

    /// Learns how long the given token lives.
    async fn look_up(&self, token: &SecretString) -> Result<Session, VaultError> {
        let mut session = Session::new(&self.http, &self.config, token, None)?;
        let mut known = session.client().lookup().await.map_err(|error| login_error(error, "VAULT_TOKEN"))?;
        known.id.zeroize();
        session.lease = Lease::left(&known, Instant::now()).filter(|lease| lease.renewable);
        if known.ttl > 0 && session.lease.is_none() {
            tracing::warn!(seconds = known.ttl, "the Vault token cannot be renewed and will end");
        }
        Ok(session)
    }

    async fn approle(&self, role_id: &str, secret_id: &SecretString) -> Result<Session, VaultError> {
        let nobody = Session::new(&self.http, &self.config, &SecretString::default(), None)?;
        let auth = vaultrs::auth::approle::login(nobody.client(), APPROLE, role_id, secret_id.expose_secret()).await;
        let auth = auth.map_err(|error| login_error(error, "VAULT_ROLE_ID and VAULT_SECRET_ID"))?;
        let lease = Lease::of(&auth, Instant::now());
        Session::new(&self.http, &self.config, &SecretString::from(auth.client_token), lease)
    }

    fn keep(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        self.current.store(Some(Arc::clone(&session)));
        session
    }

    const fn is_given(&self) -> bool {
        matches!(self.config.login, VaultLogin::Token(_))
    }
}

/// What a login that fails means: the refusals of a login are no refusals of access.
fn login_error(error: vaultrs::error::ClientError, settings: &'static str) -> VaultError {
    match VaultError::from(error) {
        VaultError::Refused => VaultError::LoginRefused { status: 403, settings },
        VaultError::Status { status: 400, .. } => VaultError::LoginRefused { status: 400, settings },
        VaultError::Missing | VaultError::NoEngine(_) => VaultError::LoginRefused { status: 404, settings },
        other => other,
    }
}
