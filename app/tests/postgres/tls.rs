//! TLS to PostgreSQL: the server proves who it is, or is not spoken to.

use crate::certificates::Authority;
use crate::harness::Place;
use crate::server::Server;

const TLS: &str = "ssl = on\nssl_cert_file = 'FOLDER/server.pem'\nssl_key_file = 'FOLDER/server.key'";
/// Nobody comes in without TLS.
const HOSTS: &str = "hostssl all all 127.0.0.1/32 trust\n";

fn place(url: &str) -> Place {
    Place::of_server().with("DATABASE_URL", url)
}

#[test]
fn a_server_must_prove_its_name_to_the_authority_given() {
    let (authority, other) = (Authority::new(), Authority::new());
    let pair = authority.issue("a database", 2100);
    let files = [("server.pem", pair.certificate.as_str()), ("server.key", &pair.key), ("hosts", HOSTS)];
    let server = Server::new(&format!("{TLS}\nhba_file = 'FOLDER/hosts'"), &files);
    let trusting = |place: &Place, authority: &Authority| place.write("authority.pem", &authority.0.pem());
    let with = |host: &str, mode: &str, root: &str| format!("{}?sslmode={mode}&sslrootcert={root}", server.url(host));

    let scratch = Place::bare();
    let root = trusting(&scratch, &authority);
    let good = place(&with("localhost", "verify-full", &root));
    good.done(&["migrate"]);
    good.done(&["bootstrap"]);
    good.done(&["credentials", "status"]);

    let elsewhere = Place::bare();
    let wrong = trusting(&elsewhere, &other);
    let refused = ["the database cannot be used", "certificate"];
    place(&with("localhost", "verify-full", &wrong)).run(&["migrate"]).failed(1, &refused);
    place(&with("localhost", "verify-ca", &wrong)).run(&["migrate"]).failed(1, &refused);
    place(&with("localhost", "verify-full", "/nonexistent.pem")).run(&["migrate"]).failed(2, &["nonexistent.pem"]);
    // Without TLS this server speaks to nobody.
    let plain = format!("{}?sslmode=disable", server.url("localhost"));
    place(&plain).run(&["migrate"]).failed(1, &["no encryption"]);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let pair = authority.issue_for("a database", &["db.example.com"], 2100);
    let files = [("server.pem", pair.certificate.as_str()), ("server.key", &pair.key)];
    let server = Server::new(TLS, &files);
    let scratch = Place::bare();
    let root = scratch.write("authority.pem", &authority.0.pem());
    let url = format!("{}?sslrootcert={root}&sslmode=", server.url("localhost"));
    place(&format!("{url}verify-full")).run(&["migrate"]).failed(1, &["certificate", "localhost"]);
    place(&format!("{url}verify-ca")).done(&["migrate"]);
}

#[test]
fn a_server_without_tls_is_refused() {
    let server = Server::new("", &[]);
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{}?sslmode={mode}", server.url("localhost"));
        place(&url).run(&["migrate"]).failed(1, &["the database cannot be used", "TLS"]);
    }
    place(&format!("{}?sslmode=prefer", server.url("localhost"))).done(&["migrate"]);
}
