//! Keys that come and go under load, and never a verification that fails.
//!
//! The servers live by a clock of the test's own, a hundred times as fast: lifetimes of tokens, the 305 seconds that a
//! key is published ahead and the 300 that a key set may be kept all go by it. Between its steps of four seconds every
//! server does what it does each second, so that it knows as little of the others as it may, and a slow machine slows
//! the clock down and changes nothing else.

use crate::support::{Database, TestApp, TestClock, TestDatabase, Verdict, Verifier};
use agentidp_core::domain::key::KeyUse;
use agentidp_core::ports::clock::Clock;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::interval;

/// How often a server looks at the keys, by its clock.
const STEP: Duration = Duration::from_secs(4);
/// A step takes at least this much of the test's time.
const PACE: Duration = Duration::from_millis(40);
const STEPS: usize = 300;
/// A key gets this old; no divisor of the age of key sets, so that rotations meet them at any age.
const PERIOD: Duration = Duration::from_secs(110);
const TTL_SECONDS: &str = "600";
/// Tokens are verified again when others have taken the key's place.
const LATER: Duration = Duration::from_secs(450);

#[derive(Debug, Default)]
struct Counts {
    issued: usize,
    verified: usize,
    verified_later: usize,
    introspected: usize,
    fetched: u32,
    kids: BTreeSet<String>,
}

struct World {
    apps: Vec<TestApp>,
    clock: Arc<TestClock>,
    stopped: AtomicBool,
}

impl World {
    async fn start(database: Database) -> Arc<Self> {
        let clock = TestClock::new();
        let settings = [("ISSUER", "http://127.0.0.1:9"), ("TOKEN_TTL_SECONDS", TTL_SECONDS)];
        let app = TestApp::start_by(clock.ambient(), TestDatabase::make(database).await, &settings).await;
        let other = app.replica().await;
        Arc::new(Self { apps: vec![app, other], clock, stopped: AtomicBool::new(false) })
    }

    /// Both servers do what is due, then the clock goes on. A new key is known to them only when they look again.
    async fn step(&self) {
        for app in &self.apps {
            app.refresh_keys().await;
        }
        let rotate = self.apps.iter().map(|app| app.background().signing_keys.rotate_when_older(KeyUse::Jwt, PERIOD));
        let made: Vec<_> = futures_util::future::join_all(rotate).await.into_iter().map(Result::unwrap).collect();
        assert!(made.iter().flatten().count() <= 1, "one server makes the key: {made:?}");
        self.clock.advance(STEP);
    }

    /// Gets tokens of one server; each is verified offline by everybody and introspected by the other server, and
    /// verified once more when it is old.
    async fn load(self: Arc<Self>, at: usize) -> Counts {
        let (app, other) = (&self.apps[at], &self.apps[1 - at]);
        let mut verifiers: Vec<Verifier> =
            (0..4).map(|index| Verifier::new(&self.apps[index % 2].url, Arc::clone(&self.clock) as _)).collect();
        let (mut counts, mut old, mut turn) = (Counts::default(), VecDeque::new(), 0_usize);
        while !self.stopped.load(Ordering::SeqCst) {
            let token = app.admin_token().await;
            counts.issued += 1;
            old.push_back((self.clock.now(), token.clone()));
            for verifier in &mut verifiers {
                match verifier.verify(&token).await {
                    Verdict::Good(kid) => drop(counts.kids.insert(kid)),
                    verdict => panic!("a fresh token: {verdict:?}"),
                }
                counts.verified += 1;
            }
            let form = [("token", token.as_str())];
            let admin = &app.admin;
            let introspect = other.call("POST", "/api/v1/token/introspect").basic(&admin.id, &admin.secret).form(&form);
            let answer = introspect.send().await;
            assert_eq!(answer.json["active"], true, "{answer:?}");
            counts.introspected += 1;
            while old.front().is_some_and(|(issued, _)| self.clock.now().since(*issued) >= LATER) {
                let (_, token) = old.pop_front().unwrap();
                turn += 1;
                let index = turn % verifiers.len();
                match verifiers[index].verify(&token).await {
                    Verdict::Good(_) => counts.verified_later += 1,
                    Verdict::Expired => {}
                    verdict => panic!("an old token: {verdict:?}"),
                }
            }
            // Each shall fetch at another time than the others.
            let due = verifiers.iter_mut().zip(1_usize..).filter(|(_, place)| counts.issued == 8 * place);
            due.for_each(|(verifier, _)| verifier.forget());
        }
        counts.fetched = verifiers.iter().map(|verifier| verifier.fetched).sum();
        counts
    }
}

async fn keys_rotate_under_load_and_no_verification_fails(database: Database) {
    let world = World::start(database).await;
    let loads: Vec<_> = (0..2).map(|at| tokio::spawn(Arc::clone(&world).load(at))).collect();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for _ in 0..STEPS {
        pace.tick().await;
        world.step().await;
    }
    world.stopped.store(true, Ordering::SeqCst);
    let mut kids = BTreeSet::new();
    for load in loads {
        let counts = load.await.expect("no verification fails");
        eprintln!(
            "{database:?}: {} tokens, {} verifications and {} of old tokens, {} introspections, {} key sets, {} keys",
            counts.issued,
            counts.verified,
            counts.verified_later,
            counts.introspected,
            counts.fetched,
            counts.kids.len()
        );
        assert!(counts.verified_later > 0 && counts.fetched > 4, "{counts:?}");
        kids.extend(counts.kids);
    }
    let mut keys = world.apps[0].background().signing_keys.list().await.unwrap();
    keys.retain(|(key, _)| key.usage == KeyUse::Jwt);
    let gaps: Vec<Duration> = keys.windows(2).map(|pair| pair[1].0.created_at.since(pair[0].0.created_at)).collect();
    assert!(gaps.iter().all(|gap| *gap >= PERIOD && *gap < PERIOD + STEP), "{gaps:?}");
    assert!(keys.len() >= 10 && kids.len() >= 5, "{} keys, {} signed", keys.len(), kids.len());
    let events = world.apps[0].audit("action=key.rotated&limit=100").await;
    assert_eq!(events.len(), keys.len() - 1);
    assert!(events.iter().all(|event| event["metadata"]["reason"] == "schedule"), "{events:?}");
}

async fn an_emergency_leaves_no_good_token_and_a_key_that_signs(database: Database) {
    let world = World::start(database).await;
    let (app, other) = (&world.apps[0], &world.apps[1]);
    let mut verifier = Verifier::new(&app.url, Arc::clone(&world.clock) as _);
    let leaked = app.admin_token().await;
    let Verdict::Good(kid) = verifier.verify(&leaked).await else { panic!("it is good") };
    let done = app.background().signing_keys.revoke(&kid).await.unwrap();
    let status = async |app: &TestApp, token: &str| app.call("GET", "/api/v1/agents").bearer(token).send().await.status;
    for app in [app, other] {
        app.refresh_keys().await;
        assert_eq!(status(app, &leaked).await, 401);
    }
    let fresh = other.admin_token().await;
    assert_eq!((status(app, &fresh).await, status(other, &fresh).await), (200, 200));
    verifier.forget();
    assert_eq!(verifier.verify(&fresh).await, Verdict::Good(done.replacement.unwrap().kid));
    assert!(matches!(verifier.verify(&leaked).await, Verdict::Bad(_)));
}

macro_rules! on_databases {
    ($($name:ident),+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(crate::support::Database::Sqlite).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(crate::support::Database::Postgres).await; })+
        }
    };
}
on_databases!(keys_rotate_under_load_and_no_verification_fails, an_emergency_leaves_no_good_token_and_a_key_that_signs);
