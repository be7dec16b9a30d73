//! The `input` document of the policy: one table of its members, by which it is written and its JSON Schema made.

use super::{PolicyInput, PolicyRequest, Subject};
use crate::domain::caller::TokenType;
use crate::domain::json::Json;

/// A member of the document of a `T`.
struct Member<T> {
    name: &'static str,
    about: &'static str,
    /// Whether it stands in every document that is written by hand. The server writes all but those of `request`.
    required: bool,
    /// What it may be, as JSON Schema.
    schema: fn() -> Json,
    /// What it is; none if it is left out.
    value: fn(&T) -> Option<Json>,
}

const fn required<T>(
    name: &'static str,
    about: &'static str,
    schema: fn() -> Json,
    value: fn(&T) -> Option<Json>,
) -> Member<T> {
    Member { name, about, required: true, schema, value }
}

const fn optional<T>(
    name: &'static str,
    about: &'static str,
    schema: fn() -> Json,
    value: fn(&T) -> Option<Json>,
) -> Member<T> {
    Member { name, about, required: false, schema, value }
}

const INPUT: [Member<PolicyInput>; 10] = [
    required("operation", "The operationId of the OpenAPI document.", text, |input| Some(Json::text(&input.operation))),
    required("method", "The method of HTTP.", text, |input| Some(Json::text(&input.method))),
    required("path", "The template of the route.", text, |input| Some(Json::text(&input.path))),
    required("scopes", "The scopes of the token; of a client, those that it gets by default.", texts, |input| {
        Some(Json::texts(input.scopes.iter()))
    }),
    optional("agentId", "The agent named in the path.", named_id, |input| Some(input.agent_id.into())),
    required("time", "When the request was decided.", time, |input| Some(Json::text(input.time))),
    optional("sourceIp", "The address of the client.", address, |input| Some(input.source_ip.into())),
    required("caller", "The agent that calls, by its row in the database.", caller, |input| Some(input.caller_json())),
    optional("resource", "The row of the agent named in the path; null if there is none.", resource, |input| {
        Some(input.resource.as_ref().map_or(Json::Null, |agent| write(&SUBJECT, agent)))
    }),
    optional("request", "What the body asks for: its own words, not yet validated.", request, |input| {
        Some(write(&REQUEST, &input.request))
    }),
];

const TOKEN_TYPE: Member<PolicyInput> =
    required("tokenType", "How the caller proved who it is.", token_type, |input| Some(Json::text(input.token_type)));

const SUBJECT: [Member<Subject>; 6] = [
    required("agentId", "The agent's id.", id, |agent| Some(Json::text(agent.agent_id))),
    required("owner", "The team or organisation that it belongs to.", owner, |agent| Some(Json::text(&agent.owner))),
    required("agentType", "What kind of agent it is.", text, |agent| Some(Json::text(&agent.agent_type))),
    required("deploymentEnv", "Where it runs.", text, |agent| Some(Json::text(&agent.deployment_env))),
    required("capabilities", "What it may be granted.", texts, |agent| Some(Json::texts(&agent.capabilities))),
    required("status", "Whether it is in use.", text, |agent| Some(Json::text(&agent.status))),
];

const REQUEST: [Member<PolicyRequest>; 9] = [
    optional("capabilities", "The capabilities that an agent is to have.", texts, |request| {
        request.capabilities.as_ref().map(Json::texts)
    }),
    optional("owner", "The owner that an agent is to have.", text, |request| request.owner.as_ref().map(Json::text)),
    optional("agentType", "The kind that an agent is to be of.", text, |request| {
        request.agent_type.as_ref().map(Json::text)
    }),
    optional("deploymentEnv", "Where an agent is to run.", text, |request| {
        request.deployment_env.as_ref().map(Json::text)
    }),
    optional("status", "The status that an agent is to have.", text, |request| request.status.as_ref().map(Json::text)),
    optional("scopes", "The scopes that a token is to carry.", texts, |request| {
        request.scopes.as_ref().map(Json::texts)
    }),
    optional("resources", "What a token is to be used at.", texts, |request| {
        request.resources.as_ref().map(Json::texts)
    }),
    optional("expiresAt", "When a credential is to expire.", text, |request| {
        request.expires_at.as_ref().map(Json::text)
    }),
    optional("graceSeconds", "How long a replaced secret is to live on.", integer, |request| {
        request.grace_seconds.map(Json::Integer)
    }),
];

/// The members that are there.
fn values<T>(members: &[Member<T>], of: &T) -> impl Iterator<Item = (&'static str, Json)> {
    members.iter().filter_map(move |member| Some((member.name, (member.value)(of)?)))
}

fn write<T>(members: &[Member<T>], of: &T) -> Json {
    Json::object(values(members, of))
}

impl PolicyInput {
    /// The `input` document of the policy, as `policies/authz.rego` reads it.
    pub fn to_json(&self) -> Json {
        write(&INPUT, self)
    }

    fn caller_json(&self) -> Json {
        Json::object(values(&SUBJECT, &self.caller).chain(values(std::slice::from_ref(&TOKEN_TYPE), self)))
    }

    /// The JSON Schema (draft 7) of the document. A member that it does not name is refused.
    pub fn schema() -> Json {
        let head = [
            ("$schema", Json::text("http://json-schema.org/draft-07/schema#")),
            ("title", Json::text("The input of the policy of AgentIdP")),
        ];
        Json::object(head.into_iter().chain(closed(INPUT.iter().map(Described::from))))
    }
}

/// A member without the type that it is read from.
struct Described {
    name: &'static str,
    required: bool,
    schema: Json,
}

impl<T> From<&Member<T>> for Described {
    fn from(member: &Member<T>) -> Self {
        let mut schema = (member.schema)();
        if let Json::Object(words) = &mut schema {
            words.insert("description".to_owned(), Json::text(member.about));
        }
        Self { name: member.name, required: member.required, schema }
    }
}

/// The words of a schema of an object with these members and no others.
fn closed(members: impl Iterator<Item = Described>) -> [(&'static str, Json); 4] {
    let members: Vec<Described> = members.collect();
    let required = members.iter().filter(|member| member.required).map(|member| member.name);
    [
        ("type", Json::text("object")),
        ("additionalProperties", Json::Bool(false)),
        ("required", Json::texts(required)),
        ("properties", Json::object(members.iter().map(|member| (member.name, member.schema.clone())))),
    ]
}

fn caller() -> Json {
    Json::object(closed(SUBJECT.iter().map(Described::from).chain([Described::from(&TOKEN_TYPE)])))
}

/// Not as alternatives: in them OPA does not see a member that no object has.
fn resource() -> Json {
    let object = closed(SUBJECT.iter().map(Described::from));
    Json::object(object.into_iter().chain([("type", Json::texts(["object", "null"]))]))
}

fn request() -> Json {
    Json::object(closed(REQUEST.iter().map(Described::from)))
}

fn of_type(name: &str) -> Json {
    Json::object([("type", Json::text(name))])
}

fn formatted(format: &str) -> Json {
    Json::object([("type", Json::text("string")), ("format", Json::text(format))])
}

/// One of these. Of a list of types, OPA reads only one.
fn any_of(schemas: Vec<Json>) -> Json {
    Json::object([("anyOf", Json::List(schemas))])
}

fn nullable(schema: Json) -> Json {
    any_of(vec![schema, of_type("null")])
}

fn text() -> Json {
    of_type("string")
}

fn texts() -> Json {
    Json::object([("type", Json::text("array")), ("items", text())])
}

fn integer() -> Json {
    of_type("integer")
}

fn id() -> Json {
    formatted("uuid")
}

fn named_id() -> Json {
    nullable(id())
}

fn time() -> Json {
    formatted("date-time")
}

fn address() -> Json {
    any_of(vec![formatted("ipv4"), formatted("ipv6"), of_type("null")])
}

fn owner() -> Json {
    let bounds = [("minLength", Json::Integer(1)), ("maxLength", Json::Integer(128))];
    Json::object([("type", Json::text("string"))].into_iter().chain(bounds))
}

fn token_type() -> Json {
    Json::object([("type", Json::text("string")), ("enum", Json::texts(TokenType::ALL))])
}
