//! The two URLs that others compare byte for byte: the issuer and the origins of browsers. Only their one normal
//! spelling is taken, so that no two texts mean the same. And the address of a server that is given secrets.

use url::{Host, Url};

/// The `iss` of tokens and the base of metadata (RFC 8414): an absolute `https:` URL (`http:` on a loopback host)
/// without query, fragment, user or trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for IssuerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = plain_url(text)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err("must begin with `https:`; `http:` is for a loopback host only".to_owned());
        }
        let normal = url.as_str().trim_end_matches('/');
        if normal == text { Ok(Self(normal.to_owned())) } else { Err(format!("must be written as `{normal}`")) }
    }
}

/// The origin of a browser's page (RFC 6454): scheme, host and a port that is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" || text == "null" {
            return Err(format!("`{text}` would let any page in; name each origin"));
        }
        let normal = plain_url(text)?.origin().ascii_serialization();
        if normal == text { Ok(Self(normal)) } else { Err(format!("`{text}` must be written as `{normal}`")) }
    }
}

/// A server that is sent secrets: scheme, host and port, and `https:` unless the host is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

impl ServerUrl {
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl std::str::FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = plain_url(text)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err("must begin with `https:`, since secrets are sent there; `http:` is for a loopback host only"
                .to_owned());
        }
        if url.path() == "/" { Ok(Self(url)) } else { Err("must be scheme, host and port alone".to_owned()) }
    }
}

/// An absolute HTTP URL without query, fragment and user. The text is not quoted: a URL may hold a password.
fn plain_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("must be an absolute URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with `https:`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
