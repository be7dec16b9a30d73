//! Biscuits: how a client gets one, and what its holder does.

use super::{Answer, Client, TestApp};
use biscuit_auth::{BlockBuilder, UnverifiedBiscuit};

/// The form of an exchange of `subject`, with more parameters.
pub fn exchange_form<'a>(subject: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", "urn:agentidp:params:oauth:token-type:biscuit"),
    ];
    form.extend(more);
    form
}

/// Adds a block of this Datalog, as a holder does who knows nothing but the token.
pub fn attenuate(token: &str, datalog: &str) -> String {
    let block = BlockBuilder::new().code(datalog).unwrap();
    UnverifiedBiscuit::from_base64(token).unwrap().append(block).unwrap().to_base64().unwrap()
}

impl TestApp {
    /// The answer to a token request with this form.
    pub async fn grant(&self, client: &Client, form: &[(&str, &str)]) -> Answer {
        self.call("POST", "/api/v1/token").basic(&client.id, &client.secret).form(form).send().await
    }

    /// A JWT of the client, and a Biscuit with all its scopes.
    pub async fn biscuit(&self, client: &Client) -> (String, String) {
        let jwt = self.token(client, None).await;
        let answer = self.grant(client, &exchange_form(&jwt, &[])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let biscuit = answer.json["access_token"].as_str().unwrap().to_owned();
        (jwt, biscuit)
    }

    /// What introspection says to the client itself, with more parameters.
    pub async fn asked_about(&self, client: &Client, token: &str, more: &[(&str, &str)]) -> Answer {
        let form = [&[("token", token)], more].concat();
        self.call("POST", "/api/v1/token/introspect").basic(&client.id, &client.secret).form(&form).send().await
    }

    /// What `GET` of `path` answers: status and code.
    pub async fn got(&self, token: &str, path: &str) -> String {
        self.call("GET", path).bearer(token).send().await.failure()
    }
}
