//! Secrets that are verified elsewhere than by bcrypt: in Vault, in AWS Secrets Manager or by a keyed digest.
//!
//! `secret_hash` stays NOT NULL, because SQLite cannot change that without a copy of the table: it holds the bcrypt hash
//! or the digest, and is empty where the secret is kept outside. Rows from before are of the backend `bcrypt`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, text_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            text("backend").default("bcrypt").take(),
            // Vault: the path of the secret.
            text_null("vault_path"),
            // AWS Secrets Manager: the name of the secret.
            text_null("secret_name"),
            // Vault: the number of the version; AWS Secrets Manager: its id.
            text_null("secret_version"),
            // Digest: which master key the pepper comes from.
            text_null("key_id"),
        ];
        for mut column in columns {
            let table = Table::alter().table("credentials").add_column(&mut column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
