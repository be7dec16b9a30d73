//! The main job, and what clients do wrong with secrets in their hands.

use crate::harness::{DEADLINE, another};
use crate::marks::Marks;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=\
    urn:ietf:params:oauth:token-type:access_token&requested_token_type=urn:agentidp:params:oauth:token-type:biscuit";

/// A client that remembers every secret it sees, and every answer that must hold none.
pub struct Play<'a> {
    url: &'a str,
    marks: &'a mut Marks,
    told: Vec<u8>,
}

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    authorization: Option<&'a str>,
    content_type: &'a str,
    body: &'a str,
}

impl<'a> Play<'a> {
    pub fn new(url: &'a str, marks: &'a mut Marks) -> Self {
        Self { url, marks, told: Vec::new() }
    }

    /// Plays all; gives what the server told that must hold no secret.
    pub fn all(mut self, admin: &Value) -> Vec<(&'static str, Vec<u8>)> {
        let (id, secret) = (text(admin, "clientId"), text(admin, "clientSecret"));
        self.marks.add("the administrator's secret", &secret);
        let bearer = self.token(&id, &secret);
        let (agent, first) = self.agent(&bearer);
        let credential = text(&first, "credentialId");
        let secret = text(&first, "clientSecret");
        let own = self.token(&agent, &secret);
        let biscuit = self.exchange(&agent, &secret, &own);
        self.use_them(&bearer, &own, &biscuit);
        let path = format!("/api/v1/agents/{agent}/credentials/{credential}/rotate");
        let rotated = self.secret_of(&bearer, &path, r#"{"graceSeconds":60}"#);
        self.token(&agent, &text(&rotated, "clientSecret"));
        self.token(&agent, &secret);
        self.mistakes(&agent, &secret, &bearer, &own);
        self.end(&bearer, &agent, &credential, &own);
        let metrics = self.ask(&Asked { path: "/metrics", ..GET });
        let health = self.ask(&Asked { path: "/health", ..GET });
        vec![("the answers", self.told), ("the metrics", metrics.into_bytes()), ("the health", health.into_bytes())]
    }

    /// A token, and what of it must not be found: all of it, and its signature.
    fn token(&mut self, id: &str, secret: &str) -> String {
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let answer = self.ask(&Asked { method: "POST", path: "/api/v1/token", content_type: FORM, body: &body, ..GET });
        let token = text(&body_of(&answer), "access_token");
        self.marks.add("the signature of a token", token.rsplit('.').next().unwrap());
        token
    }

    fn agent(&mut self, bearer: &str) -> (String, Value) {
        let body = json!({"email": "canary@example.com", "agentType": "screener", "version": "1.0.0",
            "capabilities": ["data:read", "agents:read"], "owner": "system", "deploymentEnv": "production"})
        .to_string();
        let created = self.call("POST", "/api/v1/agents", bearer, &body);
        let agent = text(&body_of(&created), "agentId");
        let secret = self.secret_of(bearer, &format!("/api/v1/agents/{agent}/credentials"), "{}");
        (agent, secret)
    }

    /// A call that answers with a secret; twice, for the record of the first must not hold it.
    fn secret_of(&mut self, bearer: &str, path: &str, body: &str) -> Value {
        let key = format!("Bearer {bearer}\r\nIdempotency-Key: canary-{}", path.len());
        let asked = Asked { method: "POST", path, authorization: Some(&key), content_type: JSON, body };
        let answer = body_of(&self.ask(&asked));
        self.marks.add("a client secret", &text(&answer, "clientSecret"));
        let again = self.ask(&asked);
        assert!(again.contains(r#""clientSecret":null"#), "{again}");
        self.told.extend(again.into_bytes());
        answer
    }

    fn exchange(&mut self, id: &str, secret: &str, subject: &str) -> String {
        let body = format!("{EXCHANGE}&subject_token={subject}");
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        self.marks.add("a Basic header", &basic);
        let basic = format!("Basic {basic}");
        let answer = self.ask(&Asked {
            method: "POST",
            path: "/api/v1/token",
            authorization: Some(&basic),
            content_type: FORM,
            body: &body,
        });
        let biscuit = text(&body_of(&answer), "access_token");
        self.marks.add("a Biscuit", &biscuit);
        biscuit
    }

    fn use_them(&mut self, bearer: &str, own: &str, biscuit: &str) {
        for token in [own, biscuit] {
            let read = self.call("GET", "/api/v1/agents", token, "");
            assert!(read.starts_with("HTTP/1.1 200"), "{read}");
            self.told.extend(read.into_bytes());
            let introspected = self.form("/api/v1/token/introspect", bearer, &format!("token={token}"));
            assert!(introspected.contains(r#""active":true"#), "{introspected}");
            self.told.extend(introspected.into_bytes());
        }
    }

    /// Secrets where none belongs.
    fn mistakes(&mut self, id: &str, secret: &str, bearer: &str, own: &str) {
        let wrong = another(secret);
        self.marks.add("a wrong secret", &wrong);
        self.marks.add("a secret of no form", "hunter2-hunter2-hunter2");
        for body in [
            format!("grant_type=client_credentials&client_id={id}&client_secret={wrong}"),
            format!("grant_type=client_credentials&client_id={id}&client_secret=hunter2-hunter2-hunter2"),
            format!("grant_type=client_credentials&client_id={secret}&client_secret={secret}"),
            format!("grant_type={secret}&client_id={id}&client_secret={secret}"),
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={secret}"),
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&resource={secret}"),
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&client_secret={secret}"),
            format!("%zz{secret}=&{secret}"),
            format!("{EXCHANGE}&client_id={id}&client_secret={secret}&subject_token={secret}"),
        ] {
            let asked = Asked { method: "POST", path: "/api/v1/token", content_type: FORM, body: &body, ..GET };
            self.refused(&asked);
        }
        for body in [
            format!(r#"{{"email":"{secret}"}}"#),
            format!(r#"{{"{secret}":1}}"#),
            format!(r#"{{"agentType":"{own}","version":"{secret}","owner":"{secret}"}}"#),
            format!(r#"{{"capabilities":["{secret}"]"#),
            format!(r#""{secret}"#),
        ] {
            let authorization = format!("Bearer {bearer}");
            let authorization = Some(authorization.as_str());
            self.refused(&Asked {
                method: "POST",
                path: "/api/v1/agents",
                authorization,
                content_type: JSON,
                body: &body,
            });
        }
        for authorization in [
            format!("Basic {secret}"),
            format!("Bearer {secret}"),
            format!("Bearer {own}{secret}"),
            format!("{secret} {secret}"),
            format!("Bearer {bearer}\r\nAuthorization: Bearer {own}"),
            format!("Bearer {own}\r\nIdempotency-Key: {secret}\u{1}"),
        ] {
            let authorization = Some(authorization.as_str());
            self.refused(&Asked { method: "DELETE", path: "/api/v1/agents/x", authorization, ..GET });
        }
        for path in [
            format!("/api/v1/agents?cursor={secret}&limit={secret}"),
            format!("/api/v1/audit?action={secret}&from={secret}"),
            format!("/api/v1/agents/{secret}"),
            format!("/{secret}"),
            format!("/api/v1/token?client_secret={secret}"),
        ] {
            let authorization = format!("Bearer {bearer}");
            self.refused(&Asked { path: &path, authorization: Some(&authorization), ..GET });
        }
    }

    fn end(&mut self, bearer: &str, agent: &str, credential: &str, own: &str) {
        let revoked = self.form("/api/v1/token/revoke", bearer, &format!("token={own}"));
        assert!(revoked.starts_with("HTTP/1.1 200"), "{revoked}");
        let ended = self.call("DELETE", &format!("/api/v1/agents/{agent}/credentials/{credential}"), bearer, "");
        assert!(ended.starts_with("HTTP/1.1 204"), "{ended}");
        let audit = self.call("GET", "/api/v1/audit?limit=100", bearer, "");
        assert!(audit.contains("credential.revoked"), "{audit}");
        self.told.extend([revoked, ended, audit].concat().into_bytes());
    }

    fn call(&mut self, method: &str, path: &str, bearer: &str, body: &str) -> String {
        let bearer = format!("Bearer {bearer}");
        self.ask(&Asked { method, path, authorization: Some(&bearer), content_type: JSON, body })
    }

    fn form(&mut self, path: &str, bearer: &str, body: &str) -> String {
        let bearer = format!("Bearer {bearer}");
        self.ask(&Asked { method: "POST", path, authorization: Some(&bearer), content_type: FORM, body })
    }

    fn refused(&mut self, asked: &Asked<'_>) {
        let answer = self.ask(asked);
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        self.told.extend(answer.into_bytes());
    }

    /// The whole answer, as it came.
    fn ask(&self, asked: &Asked<'_>) -> String {
        let host = self.url.strip_prefix("http://").unwrap();
        let Asked { method, path, authorization, content_type, body } = asked;
        let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let length = body.len();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{authorization}");
        let head = format!("{head}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

const GET: Asked<'static> = Asked { method: "GET", path: "/", authorization: None, content_type: JSON, body: "" };

fn body_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}
