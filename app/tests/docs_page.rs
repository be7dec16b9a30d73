//! The page at `/docs`: it holds the whole document, loads nothing from elsewhere and runs only its own scripts.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use agentidp::http::openapi::{document, viewer::Viewer};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The page without the content of its elements named `name`, and these contents. As browsers read it: such an element
/// ends at the first end tag.
fn without<'a>(page: &'a str, name: &str) -> (String, Vec<&'a str>) {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let (mut rest, mut markup, mut contents) = (page, String::new(), Vec::new());
    while let Some((before, after)) = rest.split_once(&begin) {
        let (content, next) = after.split_once(&end).expect("the element ends");
        markup.push_str(before);
        contents.push(content);
        rest = next;
    }
    (markup + rest, contents)
}

fn viewer() -> Viewer {
    Viewer::of(&document().unwrap()).unwrap()
}

#[test]
fn the_page_shows_the_complete_document() {
    let page = viewer().page;
    let (_, scripts) = without(&page, "script");
    let (_, spec) = scripts.last().unwrap().split_once("spec: ").unwrap();
    let shown: Value = serde_json::from_str(spec.strip_suffix("});").unwrap()).unwrap();
    assert_eq!(shown, document().unwrap());
}

#[test]
fn the_page_loads_nothing() {
    let page = viewer().page;
    let (markup, _) = without(&page, "script");
    let (markup, styles) = without(&markup, "style");
    for word in ["src=", "http:", "https:", "//cdn", "<iframe", "<object", "<form", "@import", "onload"] {
        assert!(!markup.replace("http://www.w3.org/2000/svg", "").contains(word), "{word} in {markup}");
    }
    assert_eq!(markup.matches("href=").count(), 1, "the icon");
    assert!(markup.contains("href=\"data:"));
    for url in styles.iter().flat_map(|style| style.split("url(").skip(1)) {
        assert!(url.trim_start_matches(['"', '\'']).starts_with("data:"), "{}", url.get(..60).unwrap_or(url));
    }
    assert!(markup.contains("<title>AgentIdP API</title>"));
}

#[test]
fn the_policy_allows_exactly_the_scripts_of_the_page() {
    let Viewer { page, policy } = viewer();
    let (markup, scripts) = without(&page, "script");
    assert!(!markup.contains("<script"), "a script with attributes");
    let hash = |script: &&str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, script.as_bytes())));
    let hashes: Vec<String> = scripts.iter().map(hash).collect();
    assert_eq!(hashes.len(), 2);
    assert!(policy.contains(&format!("script-src {};", hashes.join(" "))), "{policy}");
    assert!(policy.starts_with("default-src 'none';"));
    assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"), "{policy}");
}
