//! The database commits, and its answer is lost: with the same `Idempotency-Key` a repeat has no second effect.

use crate::proxy::Proxy;
use crate::support::{Answer, Database, TestApp, TestDatabase, new_agent};
use std::time::{Duration, Instant};

const ROUNDS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

fn is_replay(answer: &Answer) -> bool {
    answer.status == 201 && answer.header("idempotency-replayed") == "true"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_finds_what_the_lost_answer_told_of() {
    let database = TestDatabase::make(Database::Postgres).await;
    let proxy = Proxy::before(&database.url()).await;
    let app = TestApp::start_on(database.share(), &[("DATABASE_URL", &proxy.url(&database.url()))]).await;
    let admin = app.admin_token().await;
    for round in 0..ROUNDS {
        let (key, body) = (format!("round-{round}"), new_agent("team-a", &["data:read"]));
        let register =
            || app.call("POST", "/api/v1/agents").bearer(&admin).header("Idempotency-Key", &key).json(&body).send();
        proxy.lose_next_commit();
        // The server looks under the key itself; if it cannot, whoever asks again finds out.
        let first = register().await;
        assert!(is_replay(&first) || first.failure() == "503 SERVICE_UNAVAILABLE", "{first:?}");
        let start = Instant::now();
        let again = loop {
            let answer = register().await;
            if is_replay(&answer) {
                break answer;
            }
            assert!(answer.status == 503 && start.elapsed() < PATIENCE, "{answer:?}");
        };
        let path = format!("/api/v1/agents/{}", again.json["agentId"].as_str().unwrap());
        let found = app.call("GET", &path).bearer(&admin).send().await;
        assert_eq!((found.status, &found.json["email"]), (200, &body["email"]));
    }
    assert_eq!(proxy.lost_commits(), u64::try_from(ROUNDS).unwrap());
    let events = app.audit("action=agent.created&limit=100").await;
    assert_eq!(events.len(), ROUNDS);
    let agents = app.call("GET", "/api/v1/agents?owner=team-a&limit=100").bearer(&admin).send().await;
    assert_eq!(agents.json["data"].as_array().map(Vec::len), Some(ROUNDS), "{agents:?}");
}
