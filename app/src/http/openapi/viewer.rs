//! The page at `/docs`: Swagger UI, of which the binary holds a copy, over the document. It asks nobody else for
//! anything, and its policy lets no other script run than its own.

use super::service;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The page and the `Content-Security-Policy` that goes with it.
#[derive(Debug, Clone)]
pub struct Viewer {
    pub page: String,
    pub policy: String,
}

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' \
                    height='16' rx='3' fill='%231b1b1b'/%3E%3Cpath d='M8 3l4 10H4z' fill='white'/%3E%3C/svg%3E";

impl Viewer {
    /// The viewer of `document`.
    ///
    /// # Errors
    /// The parts of Swagger UI are not where they are expected.
    pub fn of(document: &Value) -> Result<Self, String> {
        let page = service().swagger_ui_html();
        let style = between(&page, "<style charset=\"UTF-8\">", "</style>")?;
        let bundle = between(&page, "<script charset=\"UTF-8\">", "</script>")?;
        let start = start(document);
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>AgentIdP API</title>\n\
             <link rel=\"icon\" href=\"{ICON}\">\n<style>{style}</style>\n</head>\n<body>\n<div id=\"ui\"></div>\n\
             <script>{bundle}</script>\n<script>{start}</script>\n</body>\n</html>\n"
        );
        Ok(Self { page, policy: policy(&[bundle, &start]) })
    }
}

/// Shows the document. Inside of a script, `</` could end it and `<!--` change how it is read.
fn start(document: &Value) -> String {
    let inlined = document.to_string().replace('<', "\\u003c");
    format!("SwaggerUIBundle({{dom_id: '#ui', deepLinking: true, validatorUrl: null, spec: {inlined}}});")
}

fn between<'a>(page: &'a str, begin: &str, end: &str) -> Result<&'a str, String> {
    let inner = page.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map(|(inner, _)| inner);
    inner.ok_or_else(|| format!("the page of Swagger UI has no `{begin}`"))
}

/// Names exactly these scripts, by their hashes. Swagger UI sets styles by itself and has its images within.
fn policy(scripts: &[&str]) -> String {
    let hash = |script: &&str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
        format!("'sha256-{}'", STANDARD.encode(digest))
    };
    let hashes = scripts.iter().map(hash).collect::<Vec<_>>().join(" ");
    format!(
        "default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; font-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
