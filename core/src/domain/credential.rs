//! The credential: where its secret is verified, and the states it can be in.

use super::ids::{AgentId, CredentialId};
use super::text::{Invalid, closed_set};
use super::time::Timestamp;
use std::time::Duration;

/// Most replaced secrets of a credential that are in their grace at a time: each is tried before a secret is wrong.
pub const MAX_GRACED_SECRETS: usize = 10;

const USE_IS_EXACT_TO: Duration = Duration::from_secs(60);

/// Most active credentials that an agent may have.
pub const MAX_ACTIVE_CREDENTIALS: u32 = 10;

closed_set!(
    /// What verifies the secret of a credential.
    Backend { Digest = "digest", Vault = "vault", AwsSecretsManager = "aws-secretsmanager", Bcrypt = "bcrypt" }
);
closed_set!(
    /// How a credential stands at a moment.
    CredentialStatus { Active = "active", Revoked = "revoked", Expired = "expired" }
);

impl Backend {
    /// Whether it keeps secrets in another system than the database.
    pub const fn is_outside(self) -> bool {
        matches!(self, Self::Vault | Self::AwsSecretsManager)
    }
}

/// Where all versions of a secret lie that is kept outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretLocation {
    pub backend: Backend,
    /// The path in Vault, its mount included, or the name in AWS Secrets Manager.
    pub path: String,
}

/// Where one version of a secret can be verified. Never the secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// HMAC-SHA-256 of the secret, in hex, under the pepper of the master key `key_id`.
    Digest { key_id: String, mac: String },
    /// A version of a KV v2 secret of Vault.
    Vault { path: String, version: i64 },
    /// A version of a secret of AWS Secrets Manager.
    AwsSecretsManager { name: String, version_id: String },
    /// A bcrypt hash from before; only ever read.
    Bcrypt { hash: String },
}

impl SecretRef {
    /// A bcrypt hash in modular crypt format, `$2b$NN$` and 53 characters, of cost 4 to 12.
    ///
    /// # Errors
    /// It is none.
    pub fn bcrypt(hash: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("must be a bcrypt hash (`$2a$`, `$2b$` or `$2y$`) of cost 4 to 12");
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix)).ok_or_else(wrong)?;
        let (cost, digest) = rest.split_once('$').ok_or_else(wrong)?;
        let cost_fits = cost.len() == 2 && cost.parse().is_ok_and(|cost: u8| (4..=12).contains(&cost));
        let digest_fits = digest.len() == 53
            && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
        if cost_fits && digest_fits { Ok(Self::Bcrypt { hash: hash.to_owned() }) } else { Err(wrong()) }
    }

    /// Where it lies outside the database; none: its reference is all there is.
    pub fn location(&self) -> Option<SecretLocation> {
        match self {
            Self::Vault { path: name, .. } | Self::AwsSecretsManager { name, .. } => {
                Some(SecretLocation { backend: self.backend(), path: name.clone() })
            }
            Self::Digest { .. } | Self::Bcrypt { .. } => None,
        }
    }

    /// The backend that verifies it.
    pub const fn backend(&self) -> Backend {
        match self {
            Self::Digest { .. } => Backend::Digest,
            Self::Vault { .. } => Backend::Vault,
            Self::AwsSecretsManager { .. } => Backend::AwsSecretsManager,
            Self::Bcrypt { .. } => Backend::Bcrypt,
        }
    }
}

/// Digests and hashes stay out of logs, so only the backend is printed.
impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretRef({})", self.backend())
    }
}

/// A replaced secret that still works until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GracedSecret {
    pub secret: SecretRef,
    pub until: Timestamp,
}

/// Whether a credential has been revoked. Expiry is no state: it is asked of the clock at use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    Live,
    Revoked { at: Timestamp },
}

/// A credential of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: CredentialId,
    pub agent_id: AgentId,
    pub secret: SecretRef,
    /// Replaced secrets, newest first; one whose time is over stays until the next rotation.
    pub graced: Vec<GracedSecret>,
    pub state: CredentialState,
    pub created_at: Timestamp,
    /// Exact to a minute.
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// Counts the rotations that voided tokens; see [`crate::domain::token::generation`].
    pub generation: i64,
    /// Counts all changes but use: an update of a row that has moved on is refused.
    pub revision: i64,
}

/// What a rotation asks for, beside the new secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotation {
    /// The new expiry; `None` keeps the old one.
    pub expires_at: Option<Timestamp>,
    /// How long the replaced secret goes on working; zero ends every earlier secret at once.
    pub grace: Duration,
    /// Whether tokens obtained with the credential die, because a secret leaked.
    pub void_tokens: bool,
}

/// A change that the state of a credential forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    #[error("the credential is revoked")]
    AlreadyRevoked,
    #[error("the credential has expired; give a new `expiresAt`")]
    Expired,
    #[error("{MAX_GRACED_SECRETS} replaced secrets are in their grace")]
    TooManyGraced,
}

impl Credential {
    /// A new, live credential.
    pub fn new(
        id: CredentialId,
        agent_id: AgentId,
        secret: SecretRef,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            agent_id,
            secret,
            graced: Vec::new(),
            state: CredentialState::Live,
            created_at: now,
            last_used_at: None,
            expires_at,
            generation: 0,
            revision: 0,
        }
    }

    /// How the credential stands at `now`.
    pub fn status(&self, now: Timestamp) -> CredentialStatus {
        match (self.state, self.expires_at) {
            (CredentialState::Revoked { .. }, _) => CredentialStatus::Revoked,
            (CredentialState::Live, Some(expiry)) if expiry <= now => CredentialStatus::Expired,
            (CredentialState::Live, _) => CredentialStatus::Active,
        }
    }

    /// Whether a token of at least a second can still be given for it: tokens never outlive their credential.
    pub fn outlasts_this_second(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expiry| expiry.unix_seconds() > now.unix_seconds())
    }

    /// Whether a use at `now` moves `last_used_at`, which is exact to a minute: not every use writes a row.
    pub fn use_is_to_be_noted(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|noted| now.since(noted) >= USE_IS_EXACT_TO)
    }

    /// When it was revoked.
    pub const fn revoked_at(&self) -> Option<Timestamp> {
        match self.state {
            CredentialState::Revoked { at } => Some(at),
            CredentialState::Live => None,
        }
    }

    /// Until when an earlier secret still works: the latest of those whose grace has not ended.
    pub fn grace_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.secrets_in_grace(now).map(|graced| graced.until).max()
    }

    /// Every secret that works at `now`, the current one first.
    pub fn working_secrets(&self, now: Timestamp) -> impl Iterator<Item = &SecretRef> {
        std::iter::once(&self.secret).chain(self.secrets_in_grace(now).map(|graced| &graced.secret))
    }

    /// Whether a rotation is allowed at all; asked before a secret is made.
    ///
    /// # Errors
    /// The credential is revoked, has expired and `rotation` gives no new expiry, or has too many secrets in grace.
    pub fn may_rotate(&self, rotation: &Rotation, now: Timestamp) -> Result<(), InvalidTransition> {
        match self.status(now) {
            CredentialStatus::Revoked => Err(InvalidTransition::AlreadyRevoked),
            CredentialStatus::Expired if rotation.expires_at.is_none() => Err(InvalidTransition::Expired),
            _ if !rotation.grace.is_zero() && self.secrets_in_grace(now).count() >= MAX_GRACED_SECRETS => {
                Err(InvalidTransition::TooManyGraced)
            }
            _ => Ok(()),
        }
    }

    /// Replaces the secret.
    ///
    /// # Errors
    /// As [`Credential::may_rotate`].
    pub fn rotate(self, secret: SecretRef, rotation: &Rotation, now: Timestamp) -> Result<Self, InvalidTransition> {
        self.may_rotate(rotation, now)?;
        let mut after = self;
        let replaced = std::mem::replace(&mut after.secret, secret);
        after.graced.retain(|graced| graced.until > now);
        if rotation.grace.is_zero() {
            after.graced.clear();
        } else {
            after.graced.insert(0, GracedSecret { secret: replaced, until: now.after(rotation.grace) });
        }
        after.expires_at = rotation.expires_at.or(after.expires_at);
        after.generation = after.generation.saturating_add(i64::from(rotation.void_tokens));
        after.revision = after.revision.saturating_add(1);
        Ok(after)
    }

    /// Ends the credential for good.
    ///
    /// # Errors
    /// It is revoked already.
    pub fn revoke(mut self, now: Timestamp) -> Result<Self, InvalidTransition> {
        if matches!(self.state, CredentialState::Revoked { .. }) {
            return Err(InvalidTransition::AlreadyRevoked);
        }
        self.state = CredentialState::Revoked { at: now };
        self.graced.clear();
        self.revision = self.revision.saturating_add(1);
        Ok(self)
    }

    fn secrets_in_grace(&self, now: Timestamp) -> impl Iterator<Item = &GracedSecret> {
        self.graced.iter().filter(move |graced| graced.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    fn secret(mac: &str) -> SecretRef {
        SecretRef::Digest { key_id: "k".into(), mac: mac.into() }
    }

    fn credential(expires_at: Option<Timestamp>) -> Credential {
        let id = CredentialId::new(Uuid::from_u128(1));
        Credential::new(id, AgentId::new(Uuid::from_u128(2)), secret("0"), expires_at, at(0))
    }

    fn grace(seconds: u64) -> Rotation {
        Rotation { grace: Duration::from_secs(seconds), ..Default::default() }
    }

    #[test]
    fn each_replaced_secret_keeps_its_own_grace() {
        let twice = credential(None)
            .rotate(secret("1"), &grace(100), at(0))
            .unwrap()
            .rotate(secret("2"), &grace(10), at(1_000))
            .unwrap();
        assert_eq!(twice.working_secrets(at(2_000)).count(), 3);
        assert_eq!(twice.grace_until(at(2_000)), Some(at(100_000)), "the latest");
        assert_eq!(twice.working_secrets(at(11_000)).cloned().collect::<Vec<_>>(), [secret("2"), secret("0")]);
        assert_eq!(twice.grace_until(at(100_000)), None);
    }

    #[test]
    fn no_grace_ends_all_of_them() {
        let after = credential(None)
            .rotate(secret("1"), &grace(100), at(0))
            .unwrap()
            .rotate(secret("2"), &grace(0), at(1))
            .unwrap();
        assert_eq!(after.working_secrets(at(1)).cloned().collect::<Vec<_>>(), [secret("2")]);
    }

    #[test]
    fn an_expired_one_is_rotated_only_with_a_new_expiry() {
        let expired = credential(Some(at(10)));
        assert_eq!(expired.status(at(10)), CredentialStatus::Expired);
        assert_eq!(expired.clone().rotate(secret("1"), &grace(0), at(10)), Err(InvalidTransition::Expired));
        let renewal = Rotation { expires_at: Some(at(99)), ..Default::default() };
        assert_eq!(expired.rotate(secret("1"), &renewal, at(10)).unwrap().status(at(10)), CredentialStatus::Active);
    }

    #[test]
    fn a_rotation_keeps_the_expiry_and_voids_tokens_only_if_asked() {
        let kept = credential(Some(at(10))).rotate(secret("1"), &grace(0), at(1)).unwrap();
        assert_eq!((kept.expires_at, kept.generation, kept.revision), (Some(at(10)), 0, 1));
        let voided = kept.rotate(secret("2"), &Rotation { void_tokens: true, ..Default::default() }, at(2)).unwrap();
        assert_eq!(voided.generation, 1);
    }

    #[test]
    fn secrets_in_grace_are_bounded() {
        let mut rotated = credential(None);
        for number in 0..10 {
            rotated = rotated.rotate(secret(&number.to_string()), &grace(100), at(0)).unwrap();
        }
        assert_eq!(rotated.clone().rotate(secret("x"), &grace(100), at(0)), Err(InvalidTransition::TooManyGraced));
        assert!(rotated.clone().rotate(secret("x"), &grace(0), at(0)).is_ok(), "ending them is allowed");
        assert!(rotated.rotate(secret("x"), &grace(100), at(100_000)).is_ok(), "those that have ended do not count");
    }

    #[test]
    fn a_revoked_one_changes_no_more() {
        let revoked = credential(None).rotate(secret("1"), &grace(50), at(0)).unwrap().revoke(at(5)).unwrap();
        assert_eq!((revoked.revoked_at(), revoked.graced.len()), (Some(at(5)), 0));
        assert_eq!(revoked.clone().revoke(at(6)), Err(InvalidTransition::AlreadyRevoked));
        assert_eq!(revoked.rotate(secret("2"), &grace(0), at(6)), Err(InvalidTransition::AlreadyRevoked));
    }
}
