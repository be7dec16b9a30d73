//! What the ports of `agentidp-core` are made of: one module per technology, none of which sees another.

pub mod bcrypt_legacy;
pub mod digest;
pub mod jwt;
pub mod master_key;
pub mod memory;
pub mod metered;
pub mod rego;
pub mod secret_router;
pub mod sql;
pub mod table;
