//! Inputs drawn at random, the same in every run: what nobody thought of writing down.

use super::ask::{Ask, ask};
use crate::domain::caller::TokenType;
use crate::domain::scope::MANAGEMENT_SCOPES;
use crate::ports::policy::PolicyInput;

const OPERATIONS: [&str; 15] = [
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
    "noSuchOperation",
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
const ODD: [&str; 8] = ["", ":", "*", "data", "a:b:c", "data:", ":*", "admin:a l"];
const OWNERS: [&str; 6] = [super::ask::TEAM, super::ask::STRANGERS, "TEAM-A", "", "*", "team-a "];

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

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    fn some_of(&mut self, words: &[&str], most: usize) -> Vec<String> {
        (0..self.below(most + 1)).map(|_| self.of(words).to_owned()).collect()
    }

    fn held(&mut self) -> String {
        self.some_of(&CAPABILITIES, 6).join(" ")
    }

    fn resource(&mut self, asked: Ask) -> Ask {
        let mut found = match self.below(8) {
            0 => return asked,
            1 => asked.foreign(&self.held()),
            2 => asked.itself(),
            _ => asked.own(&self.held()),
        };
        if self.one_in(20) {
            found.0.agent_id = None;
        }
        found
    }

    fn request(&mut self, input: &mut PolicyInput) {
        if !self.one_in(3) {
            let words = if self.one_in(5) { &ODD[..] } else { &CAPABILITIES[..] };
            let mut wanted = self.some_of(words, 4);
            if let Some(resource) = input.resource.as_ref().filter(|_| self.one_in(2)) {
                wanted.extend(resource.capabilities.clone());
            }
            input.request.capabilities = Some(wanted);
        }
        if self.one_in(6) {
            input.request.owner = Some(self.of(&OWNERS).to_owned());
        }
        if !self.one_in(3) {
            let mut asked = self.some_of(&MANAGEMENT_SCOPES, 3);
            asked.extend(self.some_of(&CAPABILITIES, 3));
            asked.extend(self.some_of(&ODD, 1));
            input.request.scopes = Some(asked);
        }
    }

    fn input(&mut self) -> PolicyInput {
        let operation = self.of(&OPERATIONS);
        let mut token = self.some_of(&MANAGEMENT_SCOPES[..5], 4);
        token.extend(self.some_of(&["agents:write", "agents:read", "data:read"], 3));
        if self.one_in(8) {
            token.push("admin:all".to_owned());
        }
        let mut asked = ask(operation, &token.join(" "));
        if !self.one_in(4) {
            asked = asked.by(&self.held());
        }
        let lists = asked.0.agent_id.is_none() && !self.one_in(10);
        let mut input = if lists { asked.0 } else { self.resource(asked).0 };
        input.token_type = [TokenType::Jwt, TokenType::Jwt, TokenType::Biscuit, TokenType::Client][self.below(4)];
        self.request(&mut input);
        input
    }
}

/// `count` inputs of every kind, drawn from `seed`.
pub fn generated(seed: u64, count: usize) -> impl Iterator<Item = PolicyInput> {
    let mut draw = Draw(seed.max(1));
    (0..count).map(move |_| draw.input())
}
