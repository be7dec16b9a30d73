//! A line of the audit log.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub occurred_at: i64,
    pub agent_id: Option<Uuid>,
    pub owner: Option<String>,
    pub actor_agent_id: Option<Uuid>,
    pub actor_token_type: Option<String>,
    pub actor_credential_id: Option<Uuid>,
    pub actor_token_id: Option<Uuid>,
    pub action: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub policy_hash: Option<String>,
    pub metadata: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
