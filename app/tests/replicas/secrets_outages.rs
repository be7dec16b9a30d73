//! A Vault that goes away in every way costs 503s where it must be asked, and nothing else: what is known goes on, what was
//! acknowledged is there, and both servers take up what comes back by themselves.

use crate::alone;
use crate::harness::http;
use crate::kept_vault::KeptVault;
use crate::load::Met;
use crate::pair::{Pair, until};
use crate::proxy::Proxy;
use crate::secrets_agree::{agreed, reconcile};
use crate::secrets_load::{Ledger, settle, under_load};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

const ADMINISTRATORS: usize = 4;
/// What a request may take at most beside the deadline of what it waits for: test machines are busy.
const SLACK: Duration = Duration::from_secs(4);
/// Of an operation in Vault. A revocation may begin another one after two seconds.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a server asks how Vault is, and how long for.
const PERIOD: Duration = Duration::from_secs(4 + 5);

fn start(vault: &KeptVault, port: u16) -> (Pair, Vec<Ledger>) {
    let settings = vault.settings(port);
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let pair = Pair::start(&settings);
    let ledgers = (0..ADMINISTRATORS).map(|_| Ledger::new(&pair)).collect();
    (pair, ledgers)
}

/// The health of both while Vault is away; the slowest answer.
fn healthy_but_for_secrets(pair: &Pair) -> Duration {
    let answers = (0..10).map(|number| {
        let start = Instant::now();
        let (status, health) = pair.health(number % 2);
        let secrets = &health["services"]["secrets"]["status"];
        assert_eq!((status, &health["status"], secrets), (200, &json!("degraded"), &json!("down")), "{health}");
        let took = start.elapsed();
        assert_eq!(http(&pair.urls[number % 2], "GET", "/health/ready", &[], "").0, 200);
        sleep(Duration::from_millis(50));
        took
    });
    answers.max().unwrap()
}

/// Until a secret is kept again; until then there is nothing but 503. An administrator of its own makes it.
fn first_write(pair: &Pair, agent: &str) -> Duration {
    let path = format!("/agents/{agent}/credentials");
    until(|| {
        let (status, body) = pair.ask(0, "POST", &path, &json!({}));
        assert!(status == 201 || status == 503, "{status} {body}");
        status == 201
    })
}

/// What was promised is so, and there was load.
fn judge(how: &str, pair: &Pair, ledgers: &[Ledger], (met, free): &(Met, Met)) {
    let secrets = settle(pair, ledgers);
    let changes: usize = ledgers.iter().map(Ledger::acknowledged).sum();
    eprintln!("Vault {how}: {met}; without Vault: {free}; {secrets} secrets of {changes} changes as promised");
    let answers = met.right.load(Ordering::SeqCst) + met.unavailable.load(Ordering::SeqCst);
    assert!(answers > 20 && free.right.load(Ordering::SeqCst) > 20, "there was load");
    assert!(met.slowest() < DEADLINE * 2 + SLACK && free.slowest() < SLACK, "{met}; {free}");
}

fn compare(pair: &Pair, vault: &KeptVault, port: u16, ledgers: &[Ledger]) {
    reconcile(pair, vault, port);
    let (paths, versions) = agreed(pair, vault, ledgers);
    eprintln!("Vault and the database agree: {paths} paths, {versions} versions that can be read");
}

#[test]
fn a_vault_that_hangs_or_falls_costs_503s_and_nothing_else() {
    let _alone = alone();
    let mut vault = KeptVault::start();
    let port = vault.address().port();
    let (pair, mut ledgers) = start(&vault, port);
    let other = pair.client().id;
    type Act = fn(&mut KeptVault);
    let cases: [(&str, Act, Act); 3] = [
        ("hung", |vault| vault.freeze(), |vault| vault.thaw()),
        (
            "killed",
            |vault| vault.fall("-KILL"),
            |vault| {
                vault.rise();
                vault.unseal();
            },
        ),
        (
            "restarted and sealed",
            |vault| {
                vault.fall("-TERM");
                vault.rise();
            },
            |vault| vault.unseal(),
        ),
    ];
    for (how, goes, comes) in cases {
        let met = under_load(&pair, &mut ledgers, |met| {
            sleep(Duration::from_millis(500));
            let start = Instant::now();
            goes(&mut vault);
            pair.until_is("secrets", "down");
            let noticed = start.elapsed();
            assert!(noticed < PERIOD + SLACK, "{noticed:?}");
            let slowest = healthy_but_for_secrets(&pair);
            assert!(slowest < SLACK, "{slowest:?}");
            assert!(met.unavailable.load(Ordering::SeqCst) > 0, "it was away");
            comes(&mut vault);
            let written = first_write(&pair, &other);
            let up = pair.until_is("secrets", "up");
            eprintln!(
                "Vault {how}: noticed after {noticed:?}, health in {slowest:?} at most, first write {written:?} after its \
                 end, up after {up:?} more"
            );
            assert!(written + up < PERIOD + SLACK, "{written:?} {up:?}");
            sleep(Duration::from_millis(500));
        });
        judge(how, &pair, &ledgers, &met);
    }
    compare(&pair, &vault, port, &ledgers);
    pair.stop();
}

/// Answers later than the deadline of a request are written all the same: nobody is told of them, and one pass takes them
/// back.
#[test]
fn a_slow_vault_costs_time_and_one_slower_than_the_deadline_503s() {
    let _alone = alone();
    let vault = KeptVault::start();
    let proxy = Proxy::to(vault.address());
    let (pair, mut ledgers) = start(&vault, proxy.port);
    let other = pair.client().id;
    for (how, by, takes) in [("slow", 300, 3), ("too slow", 1_200, 4)] {
        let met = under_load(&pair, &mut ledgers, |_| {
            proxy.slow_down(Duration::from_millis(by));
            sleep(Duration::from_secs(takes));
            if how == "slow" {
                let (up, written) = (pair.until_is("secrets", "up"), first_write(&pair, &other));
                eprintln!("Vault {how}: up after {up:?}, and a write takes {written:?}");
            }
            proxy.slow_down(Duration::ZERO);
            let written = first_write(&pair, &other);
            let up = pair.until_is("secrets", "up");
            eprintln!("Vault {how}: first write {written:?} after its end, up after {up:?} more");
            assert!(written + up < PERIOD + SLACK, "{written:?} {up:?}");
        });
        judge(how, &pair, &ledgers, &met);
    }
    compare(&pair, &vault, proxy.port, &ledgers);
    pair.stop();
}
