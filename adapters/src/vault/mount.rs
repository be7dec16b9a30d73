//! What Vault says of a mount. The library asks only by paths that need rights on the mounts themselves; this one is
//! answered to every token that has any right below the mount.

use agentidp_core::domain::vault::VaultMount;
use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use serde::Deserialize;

/// The version of a KV engine that keeps versions.
const VERSIONED: &str = "2";

/// The question.
pub(super) struct MountQuestion<'a>(pub(super) &'a VaultMount);

impl Endpoint for MountQuestion<'_> {
    type Response = Mount;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("sys/internal/ui/mounts/{}", self.0.as_str())
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::GET
    }
}

/// The answer.
#[derive(Deserialize)]
pub(super) struct Mount {
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Options {
    version: Option<String>,
}

impl Mount {
    /// Whether the engine keeps versions. One that was mounted without saying is of version 1.
    pub(super) fn is_versioned(&self) -> bool {
        let version = self.options.as_ref().and_then(|options| options.version.as_deref());
        version == Some(VERSIONED)
    }
}
