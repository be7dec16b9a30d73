//! How long a failed client authentication takes says nothing of why it failed, also where secrets are far away.

use crate::relay::{Mode, Relay};
use crate::support::{Client, Custody, Database, TestApp, UNKNOWN};
use crate::vault_server::Server;
use agentidp_core::domain::secret::IssuedSecret;
use serde_json::json;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
/// How far away Vault is: only one of the failures has to ask it.
const AWAY: Duration = Duration::from_millis(120);
/// What medians may differ by on a busy machine; without the floor it is [`AWAY`].
const APART: Duration = Duration::from_millis(40);

/// With a secret of its credential by the form, which has to be compared with the right one.
fn wrong(client: &Client) -> Client {
    let credential = client.credential_id.as_ref().unwrap().parse().unwrap();
    Client { secret: IssuedSecret::generate(credential, || 7).expose().to_owned(), ..client.clone() }
}

async fn failure(app: &TestApp, client: &Client) -> Duration {
    let form = [("grant_type", "client_credentials")];
    let call = app.call("POST", "/api/v1/token").basic(&client.id, &client.secret).form(&form);
    let start = Instant::now();
    let answer = call.send().await;
    let took = start.elapsed();
    assert_eq!(answer.failure(), "401 invalid_client");
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn which_failure_it_was_takes_no_other_time() {
    let settings = Custody::Vault.settings().await;
    let app = TestApp::start_set(Database::Sqlite, settings).await;
    let relay = Relay::before(Server::shared().address.authority()).await;
    let app = app.replica_with(&[("VAULT_ADDR", &relay.address)]).await;
    let (known, unseen) = (app.client("team-a", &["data:read"]).await, app.client("team-a", &["data:read"]).await);
    let (revoked, suspended) = (app.client("team-a", &["data:read"]).await, app.client("team-a", &["data:read"]).await);
    let (admin, credential) = (app.admin_token().await, revoked.credential_id.as_deref().unwrap());
    let gone = app.call("DELETE", &format!("{}/{credential}", revoked.credentials())).bearer(&admin).send().await;
    assert_eq!(gone.status, 204, "{gone:?}");
    let rest = app.ask(&admin, "PATCH", &suspended.path(), &json!({"status": "suspended"})).await;
    assert_eq!(rest.status, 200, "{rest:?}");
    // For a minute the server knows this one, and that every other is wrong.
    assert_eq!(app.token_answer(&known, &[]).await.status, 200);
    let nobody = Client { id: UNKNOWN.to_owned(), ..known.clone() };
    let unissued = wrong(&Client { credential_id: Some(UNKNOWN.to_owned()), ..known.clone() });
    let (bad, far) = (wrong(&known), wrong(&unseen));
    let malformed = Client { secret: "sesame".to_owned(), ..known.clone() };
    let kinds = [
        ("a secret that the cache knows to be wrong", &bad),
        ("a secret that Vault knows to be wrong", &far),
        ("a secret of no credential", &unissued),
        ("an unknown client", &nobody),
        ("a revoked credential", &revoked),
        ("a suspended agent", &suspended),
        ("a secret of another form", &malformed),
    ];
    relay.set(Mode::Late(AWAY));
    // The floor is what has been seen: from the first time on it hides which it was.
    for (_, client) in &kinds {
        failure(&app, client).await;
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for (times, (_, client)) in times.iter_mut().zip(&kinds) {
            times.push(failure(&app, client).await);
        }
    }
    let mut medians = Vec::new();
    for (times, (what, _)) in times.iter_mut().zip(&kinds) {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        eprintln!("{what}: median {:?}, a tenth below {:?}, a tenth above {:?}", at(50), at(10), at(90));
        medians.push(at(50));
    }
    let apart = *medians.iter().max().unwrap() - *medians.iter().min().unwrap();
    assert!(apart < APART, "{apart:?}: {medians:?}");
}
