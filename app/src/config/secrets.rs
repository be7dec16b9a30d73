//! Where the secrets of new credentials are kept.

use super::reader::Reader;

/// The backend of new credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretsBackend {
    /// A digest in the database under a pepper that is not there.
    Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    pub backend: SecretsBackend,
}

impl Secrets {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let backend = reader.parse("SECRETS_BACKEND", |text| match text {
            "digest" => Ok(SecretsBackend::Digest),
            "vault" | "aws-secretsmanager" => Err(format!("this build does not have `{text}` yet; use `digest`")),
            _ => Err(format!("`{text}` is not a backend; use `digest`")),
        });
        // Set, it would choose Vault.
        reader.unsupported("VAULT_ADDR", "the Vault backend");
        Self { backend: backend.unwrap_or(SecretsBackend::Digest) }
    }
}
