//! The agent: what is registered, and the states it can be in.

use super::ids::AgentId;
use super::scope::CapabilitySet;
use super::text::{Invalid, closed_set};
use super::time::Timestamp;
use email_address::EmailAddress;

closed_set!(
    /// What kind of work the agent does.
    AgentType {
        Screener = "screener", Classifier = "classifier", Orchestrator = "orchestrator", Extractor = "extractor",
        Summarizer = "summarizer", Router = "router", Monitor = "monitor", Custom = "custom",
    }
);
closed_set!(
    /// Where the agent runs.
    DeploymentEnv { Development = "development", Staging = "staging", Production = "production" }
);
closed_set!(
    /// Whether the agent may act. Decommissioned is final.
    AgentStatus { Active = "active", Suspended = "suspended", Decommissioned = "decommissioned" }
);

/// An e-mail address (RFC 5321, ASCII), at most 255 characters; unique within its owner without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEmail(String);

/// A semantic version (SemVer 2.0.0), at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentVersion(String);

/// The team or organisation that an agent belongs to: the isolation boundary. Compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(String);

impl std::str::FromStr for AgentEmail {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain =
            text.is_ascii() && !text.contains(['"', '[', '(', '<']) && !text.contains(|c: char| c.is_ascii_control());
        if plain && text.len() <= 255 && EmailAddress::is_valid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("must be an e-mail address in ASCII, at most 255 characters"))
        }
    }
}

impl AgentEmail {
    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which addresses are compared.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl std::str::FromStr for AgentVersion {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() <= 64 && semver::Version::parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("must be a semantic version such as `1.4.0`, at most 64 characters"))
        }
    }
}

impl AgentVersion {
    /// The version as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Owner {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let length = text.chars().count();
        if (1..=128).contains(&length) && text.trim() == text && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "must be 1 to 128 characters, without control characters and without white space at the ends",
            ))
        }
    }
}

impl Owner {
    /// The owner's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub email: AgentEmail,
    pub agent_type: AgentType,
    pub version: AgentVersion,
    pub capabilities: CapabilitySet,
    pub owner: Owner,
    pub deployment_env: DeploymentEnv,
    pub status: AgentStatus,
    /// Counts the changes that void live tokens; a token lives only while the count is what it was at its issue.
    pub generation: i64,
    /// Counts all changes: an update of a row that has moved on is refused.
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a registration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgent {
    pub email: AgentEmail,
    pub agent_type: AgentType,
    pub version: AgentVersion,
    pub capabilities: CapabilitySet,
    pub owner: Owner,
    pub deployment_env: DeploymentEnv,
}

/// What a PATCH asks for; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentChange {
    pub agent_type: Option<AgentType>,
    pub version: Option<AgentVersion>,
    pub capabilities: Option<CapabilitySet>,
    pub owner: Option<Owner>,
    pub deployment_env: Option<DeploymentEnv>,
    /// Active or suspended; decommissioning is an operation of its own.
    pub status: Option<SwitchableStatus>,
}

closed_set!(
    /// The two states between which a PATCH may switch.
    SwitchableStatus { Active = "active", Suspended = "suspended" }
);

/// The agent is decommissioned; nothing about it changes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent is decommissioned")]
pub struct AlreadyDecommissioned;

impl Agent {
    /// A new, active agent.
    pub fn register(id: AgentId, new: NewAgent, now: Timestamp) -> Self {
        Self {
            id,
            email: new.email,
            agent_type: new.agent_type,
            version: new.version,
            capabilities: new.capabilities,
            owner: new.owner,
            deployment_env: new.deployment_env,
            status: AgentStatus::Active,
            generation: 0,
            revision: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Applies a change. Suspending, taking a capability away and changing the owner raise the generation.
    ///
    /// # Errors
    /// The agent is decommissioned.
    pub fn change(self, change: AgentChange, now: Timestamp) -> Result<Self, AlreadyDecommissioned> {
        self.must_not_be_decommissioned()?;
        let before = self.clone();
        let mut after = self.touched(now);
        after.agent_type = change.agent_type.unwrap_or(after.agent_type);
        after.version = change.version.unwrap_or(after.version);
        after.capabilities = change.capabilities.unwrap_or(after.capabilities);
        after.owner = change.owner.unwrap_or(after.owner);
        after.deployment_env = change.deployment_env.unwrap_or(after.deployment_env);
        after.status = change.status.map_or(after.status, AgentStatus::from);
        let suspended = before.status == AgentStatus::Active && after.status == AgentStatus::Suspended;
        let narrowed = before.capabilities.loses_something_in(&after.capabilities);
        if suspended || narrowed || before.owner != after.owner {
            after.generation = after.generation.saturating_add(1);
        }
        Ok(after)
    }

    /// Ends the agent for good and voids its tokens.
    ///
    /// # Errors
    /// It is decommissioned already.
    pub fn decommission(self, now: Timestamp) -> Result<Self, AlreadyDecommissioned> {
        self.must_not_be_decommissioned()?;
        let mut after = self.touched(now);
        after.status = AgentStatus::Decommissioned;
        after.generation = after.generation.saturating_add(1);
        Ok(after)
    }

    /// Whether the agent may get secrets and tokens.
    pub fn is_active(&self) -> bool {
        self.status == AgentStatus::Active
    }

    fn must_not_be_decommissioned(&self) -> Result<(), AlreadyDecommissioned> {
        if self.status == AgentStatus::Decommissioned { Err(AlreadyDecommissioned) } else { Ok(()) }
    }

    fn touched(mut self, now: Timestamp) -> Self {
        self.revision = self.revision.saturating_add(1);
        self.updated_at = now.max(self.updated_at);
        self
    }
}

impl From<SwitchableStatus> for AgentStatus {
    fn from(status: SwitchableStatus) -> Self {
        match status {
            SwitchableStatus::Active => Self::Active,
            SwitchableStatus::Suspended => Self::Suspended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn agent() -> Agent {
        let new = NewAgent {
            email: "a@example.com".parse().unwrap(),
            agent_type: AgentType::Screener,
            version: "1.0.0".parse().unwrap(),
            capabilities: CapabilitySet::parse(&["data:read", "data:write"]).unwrap(),
            owner: "team-a".parse().unwrap(),
            deployment_env: DeploymentEnv::Production,
        };
        Agent::register(AgentId::new(Uuid::from_u128(1)), new, Timestamp::from_unix_millis(10))
    }

    fn changed(change: AgentChange) -> Agent {
        agent().change(change, Timestamp::from_unix_millis(20)).unwrap()
    }

    #[test]
    fn only_what_takes_rights_away_raises_the_generation() {
        let capabilities = |texts: &[&str]| Some(CapabilitySet::parse(texts).unwrap());
        let cases = [
            (AgentChange { status: Some(SwitchableStatus::Suspended), ..Default::default() }, 1),
            (AgentChange { owner: Some("team-b".parse().unwrap()), ..Default::default() }, 1),
            (AgentChange { capabilities: capabilities(&["data:read"]), ..Default::default() }, 1),
            (AgentChange { capabilities: capabilities(&["data:read", "data:write", "x:y"]), ..Default::default() }, 0),
            (AgentChange { owner: Some("team-a".parse().unwrap()), ..Default::default() }, 0),
            (AgentChange { version: Some("2.0.0".parse().unwrap()), ..Default::default() }, 0),
            (AgentChange { status: Some(SwitchableStatus::Active), ..Default::default() }, 0),
        ];
        for (change, generation) in cases {
            assert_eq!(changed(change.clone()).generation, generation, "{change:?}");
        }
    }

    #[test]
    fn reactivation_does_not_bring_the_generation_back() {
        let suspended = changed(AgentChange { status: Some(SwitchableStatus::Suspended), ..Default::default() });
        let active = suspended
            .change(
                AgentChange { status: Some(SwitchableStatus::Active), ..Default::default() },
                Timestamp::from_unix_millis(30),
            )
            .unwrap();
        assert_eq!((active.status, active.generation, active.revision), (AgentStatus::Active, 1, 2));
        assert_eq!(active.updated_at.unix_millis(), 30);
    }

    #[test]
    fn decommissioning_is_final() {
        let now = Timestamp::from_unix_millis(20);
        let gone = agent().decommission(now).unwrap();
        assert_eq!(gone.generation, 1);
        assert!(gone.clone().decommission(now).is_err());
        assert!(gone.change(AgentChange::default(), now).is_err());
    }

    #[test]
    fn addresses_are_plain_ascii_and_compared_without_case() {
        assert_eq!("Bot@Example.COM".parse::<AgentEmail>().unwrap().key(), "bot@example.com");
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c.de",
            "\"a\"@b.de",
            "ä@b.de",
            "a@b.de\n",
            "a@[::1]",
            "A <a@b.de>",
            long.as_str(),
        ] {
            assert!(text.parse::<AgentEmail>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn owners_are_trimmed_printable_and_short() {
        for text in ["", " a", "a ", "a\nb", "a\u{a0}", &"x".repeat(129)] {
            assert!(text.parse::<Owner>().is_err(), "{text:?} was taken");
        }
        assert!("ü".repeat(128).parse::<Owner>().is_ok());
    }

    #[test]
    fn versions_are_semantic() {
        assert!("1.2.3-rc.1+build".parse::<AgentVersion>().is_ok());
        for text in ["1", "1.2", "v1.2.3", "1.2.3 ", "01.2.3", &format!("1.2.3-{}", "a".repeat(64))] {
            assert!(text.parse::<AgentVersion>().is_err(), "{text:?} was taken");
        }
    }
}
