//! The credential's row, and those of its replaced secrets.

use super::Row;
use crate::sql::entities::{credential_grace, credentials};
use agentidp_core::domain::credential::{Backend, Credential, CredentialState, GracedSecret, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::StoreError;
use sea_orm::ActiveValue::Set;

/// The columns that say where a secret is verified; both tables have them. `hash` is empty where the secret is kept
/// outside (see the migration 000005).
#[derive(Debug, Default)]
struct SecretColumns {
    backend: String,
    hash: String,
    vault_path: Option<String>,
    secret_name: Option<String>,
    version: Option<String>,
    key_id: Option<String>,
}

/// The credential in a row, with its replaced secrets by their position.
pub fn read(model: credentials::Model, mut graced: Vec<credential_grace::Model>) -> Result<Credential, StoreError> {
    let row = Row::of("credentials", model.id);
    graced.sort_by_key(|secret| secret.position);
    let secret = SecretColumns {
        backend: model.backend,
        hash: model.secret_hash,
        vault_path: model.vault_path,
        secret_name: model.secret_name,
        version: model.secret_version,
        key_id: model.key_id,
    };
    Ok(Credential {
        id: CredentialId::new(model.id),
        agent_id: AgentId::new(model.agent_id),
        secret: secret.read(&row)?,
        graced: graced.into_iter().map(read_graced).collect::<Result<_, _>>()?,
        state: model.revoked_at.map_or(CredentialState::Live, |at| CredentialState::Revoked { at: time(at) }),
        created_at: time(model.created_at),
        last_used_at: model.last_used_at.map(time),
        expires_at: model.expires_at.map(time),
        generation: model.generation,
        revision: model.revision,
    })
}

fn read_graced(model: credential_grace::Model) -> Result<GracedSecret, StoreError> {
    let row = Row::of("credential_grace", model.credential_id);
    let secret = SecretColumns {
        backend: model.backend,
        hash: model.secret_hash,
        vault_path: model.vault_path,
        secret_name: model.secret_name,
        version: model.secret_version,
        key_id: model.key_id,
    };
    Ok(GracedSecret { secret: secret.read(&row)?, until: time(model.grace_until) })
}

/// The row of a new credential.
pub fn new(credential: &Credential) -> credentials::ActiveModel {
    credentials::ActiveModel {
        id: Set(credential.id.uuid()),
        agent_id: Set(credential.agent_id.uuid()),
        created_at: Set(credential.created_at.unix_millis()),
        last_used_at: Set(credential.last_used_at.map(Timestamp::unix_millis)),
        ..changed(credential)
    }
}

/// What a change may write. Not the time of the last use: that moves beside all changes, and a change that was begun
/// before must not take it back.
pub fn changed(credential: &Credential) -> credentials::ActiveModel {
    let secret = SecretColumns::of(&credential.secret);
    credentials::ActiveModel {
        backend: Set(secret.backend),
        secret_hash: Set(secret.hash),
        vault_path: Set(secret.vault_path),
        secret_name: Set(secret.secret_name),
        secret_version: Set(secret.version),
        key_id: Set(secret.key_id),
        expires_at: Set(credential.expires_at.map(Timestamp::unix_millis)),
        revoked_at: Set(credential.revoked_at().map(Timestamp::unix_millis)),
        generation: Set(credential.generation),
        revision: Set(credential.revision),
        ..Default::default()
    }
}

/// The rows of the replaced secrets.
pub fn graced(credential: &Credential) -> Vec<credential_grace::ActiveModel> {
    let numbered = (0_i32..).zip(&credential.graced);
    numbered
        .map(|(position, graced)| {
            let secret = SecretColumns::of(&graced.secret);
            credential_grace::ActiveModel {
                credential_id: Set(credential.id.uuid()),
                position: Set(position),
                backend: Set(secret.backend),
                secret_hash: Set(secret.hash),
                vault_path: Set(secret.vault_path),
                secret_name: Set(secret.secret_name),
                secret_version: Set(secret.version),
                key_id: Set(secret.key_id),
                grace_until: Set(graced.until.unix_millis()),
            }
        })
        .collect()
}

impl SecretColumns {
    fn of(secret: &SecretRef) -> Self {
        let backend = secret.backend().to_string();
        match secret {
            SecretRef::Digest { key_id, mac } => {
                Self { backend, hash: mac.clone(), key_id: Some(key_id.clone()), ..Default::default() }
            }
            SecretRef::Vault { path, version } => Self {
                backend,
                vault_path: Some(path.clone()),
                version: Some(version.to_string()),
                ..Default::default()
            },
            SecretRef::AwsSecretsManager { name, version_id } => Self {
                backend,
                secret_name: Some(name.clone()),
                version: Some(version_id.clone()),
                ..Default::default()
            },
            SecretRef::Bcrypt { hash } => Self { backend, hash: hash.clone(), ..Default::default() },
        }
    }

    fn read(self, row: &Row) -> Result<SecretRef, StoreError> {
        let hash = Some(self.hash).filter(|hash| !hash.is_empty());
        let version = self.version.ok_or_else(|| row.bad("secret_version"));
        Ok(match row.parse("backend", &self.backend)? {
            Backend::Digest => SecretRef::Digest {
                key_id: self.key_id.ok_or_else(|| row.bad("key_id"))?,
                mac: hash.ok_or_else(|| row.bad("secret_hash"))?,
            },
            Backend::Vault => SecretRef::Vault {
                path: self.vault_path.ok_or_else(|| row.bad("vault_path"))?,
                version: row.parse("secret_version", &version?)?,
            },
            Backend::AwsSecretsManager => SecretRef::AwsSecretsManager {
                name: self.secret_name.ok_or_else(|| row.bad("secret_name"))?,
                version_id: version?,
            },
            Backend::Bcrypt => SecretRef::Bcrypt { hash: hash.ok_or_else(|| row.bad("secret_hash"))? },
        })
    }
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}
