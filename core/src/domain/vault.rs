//! Where a credential's secret lies in Vault: `{mount}/agentidp/agents/{agentId}/credentials/{credentialId}`.
//!
//! A path is made of a mount that the operator chose and of two UUIDs, and a path of a row is read back into them before
//! it becomes part of a request: nothing that a client sends, and no odd row, leads a request elsewhere.

use super::ids::{AgentId, CredentialId};
use super::text::Invalid;

const MAX_MOUNT_LENGTH: usize = 128;
const AGENTS: &str = "/agentidp/agents/";
const CREDENTIALS: &str = "/credentials/";

/// The path under which a KV engine is mounted: segments of letters, digits, `_`, `-` and `.` between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultMount(String);

impl VaultMount {
    /// The path of the mount, without slashes at its ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for VaultMount {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let segment_fits = |segment: &str| {
            !segment.is_empty()
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
                && segment.bytes().any(|byte| byte != b'.')
        };
        if text.len() <= MAX_MOUNT_LENGTH && text.split('/').all(segment_fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("must be segments of letters, digits, `_`, `-` and `.`, with `/` between them only"))
        }
    }
}

/// Where all versions of one credential's secret lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultPath {
    pub mount: VaultMount,
    pub agent_id: AgentId,
    pub credential_id: CredentialId,
}

impl VaultPath {
    /// The path below the mount, as the KV engine takes it.
    pub fn key(&self) -> String {
        format!("agentidp/agents/{}/credentials/{}", self.agent_id, self.credential_id)
    }
}

impl std::fmt::Display for VaultPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.mount.as_str(), self.key())
    }
}

impl std::str::FromStr for VaultPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("is no path `{mount}/agentidp/agents/{agentId}/credentials/{credentialId}`");
        let (mount, ids) = text.rsplit_once(AGENTS).ok_or_else(wrong)?;
        let (agent, credential) = ids.split_once(CREDENTIALS).ok_or_else(wrong)?;
        Ok(Self { mount: mount.parse()?, agent_id: agent.parse()?, credential_id: credential.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "0198c0de-0000-7000-8000-00000000a9e0";
    const CREDENTIAL: &str = "0198c0de-0000-7000-8000-00000000c4ed";

    #[test]
    fn a_path_is_read_back_as_it_was_written() {
        for mount in ["secret", "team.a/kv-2", "agentidp/agents", "..a"] {
            let text = format!("{mount}/agentidp/agents/{AGENT}/credentials/{CREDENTIAL}");
            let path: VaultPath = text.parse().unwrap();
            assert_eq!((path.to_string(), path.mount.as_str()), (text, mount));
            assert_eq!(path.key(), format!("agentidp/agents/{AGENT}/credentials/{CREDENTIAL}"));
        }
    }

    #[test]
    fn a_mount_leads_nowhere_else() {
        let long = "a".repeat(129);
        for mount in
            ["", "/", "/secret", "secret/", "a//b", "..", "a/../b", ".", "a b", "a?b", "a#b", "a%2fb", "ä", &long]
        {
            assert!(mount.parse::<VaultMount>().is_err(), "{mount:?} was taken");
        }
    }

    #[test]
    fn no_other_text_is_a_path() {
        for text in [
            String::new(),
            "secret".to_owned(),
            format!("agentidp/agents/{AGENT}/credentials/{CREDENTIAL}"),
            format!("../agentidp/agents/{AGENT}/credentials/{CREDENTIAL}"),
            format!("secret/agentidp/agents/{AGENT}/credentials/"),
            format!("secret/agentidp/agents/{AGENT}/credentials/{CREDENTIAL}/"),
            format!("secret/agentidp/agents/{AGENT}/credentials/{CREDENTIAL}?version=1"),
            format!("secret/agentidp/agents/../credentials/{CREDENTIAL}"),
            format!("secret/agentidp/agents/{}/credentials/{CREDENTIAL}", AGENT.to_uppercase()),
            format!("secret/other/agents/{AGENT}/credentials/{CREDENTIAL}"),
        ] {
            assert!(text.parse::<VaultPath>().is_err(), "{text} was taken");
        }
    }
}
