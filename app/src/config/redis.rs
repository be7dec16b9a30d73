//! Redis, for servers that share their limits and their news.

use super::authorities;
use super::reader::Reader;
use secrecy::SecretString;
use std::net::IpAddr;
use url::Url;

/// Where Redis is. The text of its URL is a secret, since it may hold a password.
#[derive(Debug, Clone)]
pub struct Redis {
    pub url: SecretString,
    /// The authorities that sign its certificate, in PEM form; none: those of the system.
    pub authorities: Option<Vec<u8>>,
}

impl Redis {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.parse_secret("REDIS_URL", parse);
        let authorities = reader.parse("REDIS_CACERT", authorities::read);
        let over_tls = url.as_ref().map(|(_, over_tls)| *over_tls);
        if authorities.is_some() && over_tls == Some(false) {
            reader.mistake("REDIS_CACERT", "is set beside a REDIS_URL without TLS, which begins with `rediss:`");
        }
        if authorities.is_some() && url.is_none() && !reader.has_mistake("REDIS_URL") {
            reader.mistake("REDIS_CACERT", "is set without REDIS_URL");
        }
        Some(Self { url: url?.0, authorities })
    }
}

/// The URL, and whether it is one of TLS. No message quotes it.
fn parse(text: &str) -> Result<(SecretString, bool), String> {
    let url = Url::parse(text)
        .map_err(|error| format!("is no URL ({error}); special characters of a password are written as %XX"))?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err("must begin with `redis:` or, for TLS, `rediss:`".to_owned());
    }
    // Of a scheme that is not of the web the parser takes an IPv4 address for a name.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if host.is_empty() || host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
        return Err("names no host to connect to".to_owned());
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err("may have the number of a database as its path, and nothing else".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok((text.to_owned().into(), url.scheme() == "rediss"))
}
