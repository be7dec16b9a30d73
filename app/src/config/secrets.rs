//! Where the secrets of new credentials are kept.

use super::aws::Aws;
use super::reader::Reader;
use super::vault::Vault;

/// The backend of new credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretsBackend {
    /// A digest in the database under a pepper that is not there.
    Digest,
    /// Vault or OpenBao.
    Vault,
    /// AWS Secrets Manager.
    AwsSecretsManager,
}

#[derive(Debug, Clone)]
pub struct Secrets {
    pub backend: SecretsBackend,
    /// Credentials that are in Vault are verified there, whichever backend is that of new ones.
    pub vault: Option<Vault>,
    /// The same for AWS Secrets Manager.
    pub aws: Option<Aws>,
}

impl Secrets {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let backend = reader.parse("SECRETS_BACKEND", |text| match text {
            "digest" => Ok(SecretsBackend::Digest),
            "vault" => Ok(SecretsBackend::Vault),
            "aws-secretsmanager" if cfg!(feature = "aws") => Ok(SecretsBackend::AwsSecretsManager),
            "aws-secretsmanager" => Err(format!("this program was built without `{text}` (cargo feature `aws`)")),
            _ => Err(format!("`{text}` is not a backend; use `digest`, `vault` or `aws-secretsmanager`")),
        });
        // A shared cache that is not used would let limits count per replica.
        reader.unsupported("REDIS_URL", "Redis");
        reader.unsupported("REDIS_URL_FILE", "Redis");
        let vault = Vault::read(reader);
        if backend == Some(SecretsBackend::Vault) && reader.text("VAULT_ADDR").is_none() {
            reader.mistake("VAULT_ADDR", "is required with SECRETS_BACKEND=vault");
        }
        let aws = Aws::read(reader, backend == Some(SecretsBackend::AwsSecretsManager));
        let default = if vault.is_some() { SecretsBackend::Vault } else { SecretsBackend::Digest };
        Self { backend: backend.unwrap_or(default), vault, aws }
    }
}
