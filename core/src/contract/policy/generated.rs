//! Inputs drawn at random, the same in every run: what nobody thought of writing down.

use super::ask::{ABOUT_AN_AGENT, TEAM, ask};
use super::odd;
use crate::domain::agent::{AgentStatus, AgentType, DeploymentEnv, Owner};
use crate::domain::caller::TokenType;
use crate::domain::scope::MANAGEMENT_SCOPES;
use crate::domain::time::Timestamp;
use crate::ports::policy::{PolicyInput, PolicyRequest, Subject};

const OPERATIONS: [&str; 14] = [
    "registerAgent",
    "listAgents",
    "getAgent",
    "updateAgent",
    "decommissionAgent",
    "generateCredential",
    "listCredentials",
    "rotateCredential",
    "revokeCredential",
    "issueToken",
    "introspectToken",
    "revokeToken",
    "queryAuditLog",
    "getAuditEvent",
];
const CAPABILITIES: [&str; 14] = [
    "agents:read",
    "agents:write",
    "agents:*",
    "tokens:read",
    "tokens:write",
    "tokens:*",
    "audit:read",
    "audit:*",
    "admin:all",
    "admin:*",
    "data:read",
    "data:*",
    "mail:send",
    "database:read",
];

/// Marsaglia's xorshift64*: small, and the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn some_of(&mut self, words: &[&str], most: usize) -> Vec<String> {
        (0..self.below(most + 1)).map(|_| self.of(words).to_owned()).collect()
    }

    fn odd_word(&mut self) -> String {
        if self.one_in(4) { odd::long_word(self.of(&odd::LENGTHS)) } else { self.of(&odd::WORDS).to_owned() }
    }

    fn owner(&mut self) -> Owner {
        let owner = if self.one_in(9) { odd::LONG_OWNER.repeat(128) } else { self.of(&odd::OWNERS).to_owned() };
        owner.parse().unwrap()
    }

    /// What an agent has: mostly a few capabilities, now and then odd words or as many as it may have.
    fn held(&mut self) -> Vec<String> {
        let mut held = self.some_of(&CAPABILITIES, 6);
        if self.one_in(12) {
            held.push(self.odd_word());
        }
        if self.one_in(30) {
            held.splice(0..0, odd::many(58));
        }
        held
    }

    /// What a request asks for. A list may pass the length up to which the policy reads, with the telling words there.
    fn wanted(&mut self, mut wanted: Vec<String>, most_read: usize) -> Vec<String> {
        if self.one_in(3) {
            wanted.extend((0..=self.below(4)).map(|_| self.odd_word()));
        }
        if self.one_in(25) {
            let before = [most_read - 2, most_read - 1, most_read, most_read + 70];
            wanted.splice(0..0, odd::many(self.of(&before)));
        }
        wanted
    }

    fn row(&mut self, agent: &mut Subject) {
        agent.agent_type = self.of(AgentType::ALL).to_string();
        agent.deployment_env = self.of(DeploymentEnv::ALL).to_string();
        agent.status = self.of(AgentStatus::ALL).to_string();
        agent.capabilities = self.held();
    }

    /// No agent, the caller itself, one of its owner, or one of whatever owner.
    fn resource(&mut self, input: &mut PolicyInput) {
        let mut found = input.caller.clone();
        match self.below(8) {
            0 => return,
            1 => input.agent_id = Some(found.agent_id),
            kind => {
                found.agent_id = input.agent_id.unwrap_or_else(|| ask("getAgent", "").0.agent_id.unwrap());
                found.owner = if kind < 4 { self.owner() } else { found.owner };
                self.row(&mut found);
            }
        }
        input.resource = Some(found);
        if self.one_in(20) {
            input.agent_id = None;
        }
    }

    fn request(&mut self, resource: Option<&Subject>) -> PolicyRequest {
        let mut request = PolicyRequest::default();
        if !self.one_in(3) {
            let mut wanted = self.some_of(&CAPABILITIES, 4);
            if let Some(resource) = resource.filter(|_| self.one_in(2)) {
                wanted.extend(resource.capabilities.clone());
            }
            request.capabilities = Some(self.wanted(wanted, 64));
        }
        if self.one_in(6) {
            let any = if self.one_in(3) { self.odd_word() } else { self.owner().to_string() };
            request.owner = Some(if self.one_in(3) { TEAM.to_owned() } else { any });
        }
        if !self.one_in(3) {
            let mut wanted = self.some_of(&MANAGEMENT_SCOPES, 3);
            wanted.extend(self.some_of(&CAPABILITIES, 3));
            request.scopes = Some(self.wanted(wanted, 128));
        }
        self.rest_of(&mut request);
        request
    }

    /// What the shipped rules do not look at.
    fn rest_of(&mut self, request: &mut PolicyRequest) {
        let drawn = |draw: &mut Self| draw.one_in(8).then(|| draw.odd_word());
        request.agent_type = drawn(self);
        request.deployment_env = drawn(self);
        request.status = drawn(self);
        request.expires_at = drawn(self);
        request.resources = self.one_in(8).then(|| vec![self.odd_word()]);
        request.grace_seconds = self.one_in(8).then(|| self.of(&[0, 86_400, -1, i64::MIN, i64::MAX]));
    }

    fn scopes(&mut self) -> String {
        let mut token = self.some_of(&MANAGEMENT_SCOPES[..5], 4);
        token.extend(self.some_of(&["agents:write", "agents:read", "data:read", "0.x_-:9"], 3));
        if self.one_in(8) {
            token.push("admin:all".to_owned());
        }
        if self.one_in(6) {
            token.clear();
        }
        token.join(" ")
    }

    fn input(&mut self) -> PolicyInput {
        let operation = if self.one_in(16) { self.of(&odd::OPERATIONS) } else { self.of(&OPERATIONS) };
        let mut input = ask(operation, &self.scopes()).0;
        input.method = self.of(&["GET", "POST", "PATCH", "DELETE"]).to_owned();
        input.time = Timestamp::from_unix_seconds(i64::try_from(self.below(1 << 31)).unwrap());
        input.source_ip = self.of(&[None, Some([192, 0, 2, 1].into()), Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into())]);
        input.token_type = self.of(&[TokenType::Jwt, TokenType::Jwt, TokenType::Biscuit, TokenType::Client]);
        if operation == "issueToken" && self.one_in(2) {
            input.token_type = TokenType::Client;
        }
        if self.one_in(5) {
            input.caller.owner = self.owner();
        }
        if !self.one_in(4) {
            self.row(&mut input.caller);
        }
        if self.one_in(40) {
            input.path = self.of(&["", "/agents/{agentId}", "/{agentid}", "{agentId}/é"]).to_owned();
        }
        if ABOUT_AN_AGENT.contains(&operation) || self.one_in(10) {
            self.resource(&mut input);
        }
        input.request = self.request(input.resource.as_ref());
        input
    }
}

/// `count` inputs of every kind, drawn from `seed`.
pub fn generated(seed: u64, count: usize) -> impl Iterator<Item = PolicyInput> {
    let mut draw = Draw(seed.max(1));
    (0..count).map(move |_| draw.input())
}
