//! Custody in AWS Secrets Manager: one secret for each credential, one version of it for each secret of the credential.
//!
//! The id of the version is that of the write, which AWS takes as its request token: a write that is repeated is one.
//! AWS cannot destroy a single version, so one that is taken back gets a staging label of its own, and a version with
//! such a label verifies nothing. A revocation deletes the whole secret with a recovery window.

mod connect;
mod document;

pub use connect::{NoRegion, Settings, connect, local_region};

use agentidp_core::domain::credential::{Backend, SecretLocation, SecretRef};
use agentidp_core::domain::ids::WriteId;
use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::ports::secrets::{SecretError, SecretHealth, SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use async_trait::async_trait;
use autometrics::autometrics;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use document::Document;
use std::error::Error;

/// Days in which a deleted secret can still be restored by hand; the least that AWS allows.
const RECOVERY_DAYS: i64 = 7;
/// The version that readers without a version id get.
const CURRENT: &str = "AWSCURRENT";
/// Begins the label of a version that was taken back; its id follows.
const UNDONE: &str = "agentidp-undone-";

/// Versions that are asked for at a time; the most that AWS gives.
const PAGE: i32 = 100;
/// AWS keeps about a hundred, and more only of the last day.
const MOST_VERSIONS: usize = 2_000;

/// Keeps secrets in AWS Secrets Manager.
#[derive(Debug, Clone)]
pub struct AwsSecrets {
    client: Client,
    prefix: String,
}

impl AwsSecrets {
    /// Keeps new secrets under names that begin with `prefix`.
    pub fn new(client: Client, prefix: impl Into<String>) -> Self {
        Self { client, prefix: prefix.into() }
    }

    fn name(&self, owner: SecretOwner) -> String {
        format!("{}agents/{}/credentials/{}", self.prefix, owner.agent_id, owner.credential_id)
    }

    /// Sees to it that there is a secret to put a version into: makes it, or brings a deleted one back.
    async fn prepare(&self, name: &str) -> Result<(), SecretError> {
        let found = self.client.describe_secret().secret_id(name).send().await;
        match known(found, |error| error.is_resource_not_found_exception())? {
            None => {
                let made = self.client.create_secret().name(name).send().await;
                known(made, |error| error.is_resource_exists_exception()).map(drop)
            }
            Some(secret) if secret.deleted_date().is_some() => {
                self.client.restore_secret().secret_id(name).send().await.map(drop).map_err(unavailable)
            }
            Some(_) => Ok(()),
        }
    }

    /// Takes the label of the current version from `version`: gives it to the newest one that was not taken back, or
    /// deletes the secret if there is none. The one before may have been taken back as well.
    async fn step_back(&self, name: &str, version: &str) -> Result<(), SecretError> {
        let versions = self.versions(name).await?;
        let (its, others): (Vec<_>, Vec<_>) =
            versions.into_iter().partition(|listed| listed.version_id() == Some(version));
        if !its.iter().any(|listed| has_label(listed, |label| label == CURRENT)) {
            return Ok(());
        }
        let kept = others.into_iter().filter(|listed| !has_label(listed, |label| label.starts_with(UNDONE)));
        // Ids are in the order of time as well, for those of one second.
        let newest = kept.max_by(|one, other| age(one).cmp(&age(other)));
        let Some(newest) = newest.and_then(|newest| newest.version_id) else { return self.delete(name).await };
        let moved = self.client.update_secret_version_stage().secret_id(name).version_stage(CURRENT);
        let moved = moved.remove_from_version_id(version).move_to_version_id(newest).send().await;
        moved.map(drop).map_err(unavailable)
    }

    /// Every version of a secret, those without a label too.
    async fn versions(&self, name: &str) -> Result<Vec<SecretVersionsListEntry>, SecretError> {
        let pages = self.client.list_secret_version_ids().secret_id(name).include_deprecated(true).into_paginator();
        let mut pages = pages.page_size(PAGE).send();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            versions.extend(page.map_err(unavailable)?.versions.unwrap_or_default());
            if versions.len() > MOST_VERSIONS {
                return Err(SecretError::Unavailable("the secret has more versions than AWS keeps".into()));
            }
        }
        Ok(versions)
    }

    async fn delete(&self, name: &str) -> Result<(), SecretError> {
        let deleted = self.client.delete_secret().secret_id(name).recovery_window_in_days(RECOVERY_DAYS).send().await;
        // A secret that is deleted already is an invalid request.
        known(deleted, |error| error.is_resource_not_found_exception() || error.is_invalid_request_exception())
            .map(drop)
    }
}

#[async_trait]
impl SecretHealth for AwsSecrets {
    /// Asks for a secret that is not there: that AWS says so shows that it can be reached with these rights.
    async fn ping(&self) -> Result<(), SecretError> {
        let answer = self.client.describe_secret().secret_id(format!("{}health", self.prefix)).send().await;
        known(answer, |error| error.is_resource_not_found_exception()).map(drop)
    }
}

#[autometrics]
#[async_trait]
impl SecretVerifier for AwsSecrets {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        let SecretRef::AwsSecretsManager { name, version_id } = at else {
            return Err(foreign(at.backend()));
        };
        let read = self.client.get_secret_value().secret_id(name).version_id(version_id).send().await;
        // An invalid request: the secret is deleted.
        let gone = known(read, |error| error.is_resource_not_found_exception() || error.is_invalid_request_exception());
        let Some(version) = gone? else { return Ok(false) };
        if version.version_stages().iter().any(|label| label.starts_with(UNDONE)) {
            return Ok(false);
        }
        Ok(Document::read(version.secret_string())?.matches(presented))
    }
}

#[autometrics]
#[async_trait]
impl SecretStore for AwsSecrets {
    #[skip_autometrics]
    fn backend(&self) -> Backend {
        Backend::AwsSecretsManager
    }

    #[skip_autometrics]
    fn location(&self, owner: SecretOwner) -> Option<SecretLocation> {
        Some(SecretLocation { backend: self.backend(), path: self.name(owner) })
    }

    async fn put(&self, write: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError> {
        let (name, version_id) = (self.name(write.owner), write.id.to_string());
        let document = Document::write(write.owner, secret)?;
        self.prepare(&name).await?;
        let put = self.client.put_secret_value().secret_id(&name).client_request_token(&version_id);
        put.secret_string(document.as_str()).send().await.map_err(unavailable)?;
        Ok(SecretRef::AwsSecretsManager { name, version_id })
    }

    async fn undo(&self, id: WriteId, location: &SecretLocation) -> Result<(), SecretError> {
        let (name, version) = (named(location)?, id.to_string());
        let label = format!("{UNDONE}{version}");
        let labelled = self.client.update_secret_version_stage().secret_id(name).version_stage(label);
        let labelled = labelled.move_to_version_id(&version).send().await;
        // An invalid request: the secret is deleted, so nothing of it verifies. An invalid parameter: the version is none.
        let found = known(labelled, |error| {
            error.is_resource_not_found_exception()
                || error.is_invalid_request_exception()
                || error.is_invalid_parameter_exception()
        });
        match found? {
            Some(_) => self.step_back(name, &version).await,
            None => Ok(()),
        }
    }

    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError> {
        self.delete(named(location)?).await
    }
}

fn has_label(version: &SecretVersionsListEntry, is_it: impl Fn(&str) -> bool) -> bool {
    version.version_stages().iter().any(|label| is_it(label))
}

/// What orders versions by the time at which they were written.
fn age(version: &SecretVersionsListEntry) -> (Option<(i64, u32)>, Option<&str>) {
    let at = version.created_date().map(|at| (at.secs(), at.subsec_nanos()));
    (at, version.version_id())
}

/// The name that a location is.
fn named(location: &SecretLocation) -> Result<&str, SecretError> {
    let is_here = location.backend == Backend::AwsSecretsManager;
    is_here.then_some(location.path.as_str()).ok_or_else(|| foreign(location.backend))
}

fn foreign(backend: Backend) -> SecretError {
    SecretError::NotConfigured(format!("AWS Secrets Manager does not keep what is in `{backend}`"))
}

/// Only what the error and its causes say: the SDK's own errors carry the answer, which may be a secret.
fn unavailable(error: impl Error) -> SecretError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    SecretError::Unavailable(text.into())
}

/// The answer, or none if AWS refused in a way that `nothing` knows to mean that nothing is there.
fn known<T, E, R>(answer: Result<T, SdkError<E, R>>, nothing: impl FnOnce(&E) -> bool) -> Result<Option<T>, SecretError>
where
    E: Error + 'static,
    R: std::fmt::Debug,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(SdkError::ServiceError(error)) if nothing(error.err()) => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}
