//! What the ports of `agentidp-core` are made of: one module per technology, none of which sees another. Two kinds of
//! tokens share `signing_keys`.

#[cfg(feature = "aws")]
pub mod aws_secrets;
pub mod bcrypt_legacy;
pub mod biscuit;
pub mod digest;
pub mod fallback;
pub mod jwt;
pub mod master_key;
pub mod memory;
pub mod metered;
pub mod redis;
pub mod rego;
pub mod secret_router;
pub mod signing_keys;
pub mod sql;
pub mod table;
#[cfg(feature = "testing")]
pub mod testing;
pub mod vault;
