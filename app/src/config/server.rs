//! The listener and what it believes about those who call it.

use super::Profile;
use super::reader::Reader;
use super::tls::TlsFiles;
use super::url_rules::{IssuerUrl, Origin};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const DEFAULT_PORT: u16 = 8080;

/// Who signs the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// As configured.
    Fixed(IssuerUrl),
    /// The base URL of the listener: `dev`, and commands that do not serve.
    BaseUrl,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: IpAddr,
    /// 0 is any free port.
    pub port: u16,
    pub issuer: Issuer,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages of other origins that may call; none: no CORS at all.
    pub cors_origins: Vec<Origin>,
    /// None: plain HTTP, behind a proxy.
    pub tls: Option<TlsFiles>,
    /// Where `/metrics` is answered instead.
    pub metrics: Option<SocketAddr>,
}

impl Server {
    pub(super) fn read(profile: &Profile, reader: &mut Reader<'_>) -> Option<Self> {
        let host = reader.parse("HOST", parse_host).unwrap_or(default_host(profile));
        let port = reader.parse("PORT", |text| {
            text.parse().map_err(|_| format!("`{text}` is not a port from 0 (any free one) to 65535"))
        });
        let port = chosen_port(profile).or(port).unwrap_or(DEFAULT_PORT);
        let issuer = read_issuer(profile, host, reader);
        let trusted_proxies = reader.list("TRUSTED_PROXIES", parse_proxy);
        if IpNet::aggregate(&trusted_proxies).iter().any(|net| net.prefix_len() == 0) {
            reader.mistake("TRUSTED_PROXIES", "trusts every address together; name the proxies only");
        }
        let cors_origins = reader.list("CORS_ORIGINS", str::parse);
        let metrics = reader.parse("METRICS_ADDR", |text| {
            text.parse().map_err(|_| format!("`{text}` is not an IP address and a port, such as 127.0.0.1:9090"))
        });
        let tls = TlsFiles::read(profile, reader);
        if tls.is_some() && issuer.as_ref().is_some_and(Issuer::is_plain) {
            reader.mistake("ISSUER", "must begin with `https:` beside TLS_CERT_FILE: nobody is served in plain HTTP");
        }
        Some(Self { host, port, issuer: issuer?, trusted_proxies, cors_origins, tls, metrics })
    }

    /// How this machine reaches the listener on the address that was bound.
    pub fn base_url(&self, bound: SocketAddr) -> String {
        base_url(if self.tls.is_some() { "https" } else { "http" }, bound)
    }

    /// The address to bind.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl Issuer {
    /// The issuer's text, once the base URL is known.
    pub fn text(&self, base_url: &str) -> String {
        match self {
            Self::Fixed(url) => url.as_str().to_owned(),
            Self::BaseUrl => base_url.to_owned(),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Fixed(url) if url.as_str().starts_with("http:"))
    }
}

/// How this machine reaches a listener: one on all addresses is reached on the loopback.
pub fn base_url(scheme: &str, bound: SocketAddr) -> String {
    let host: IpAddr = match bound.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    format!("{scheme}://{}", SocketAddr::new(host, bound.port()))
}

fn default_host(profile: &Profile) -> IpAddr {
    match profile {
        Profile::Serve => Ipv4Addr::UNSPECIFIED.into(),
        Profile::Dev { .. } | Profile::Tool => Ipv4Addr::LOCALHOST.into(),
    }
}

fn chosen_port(profile: &Profile) -> Option<u16> {
    match profile {
        Profile::Dev { port, .. } => *port,
        Profile::Serve | Profile::Tool => None,
    }
}

fn read_issuer(profile: &Profile, host: IpAddr, reader: &mut Reader<'_>) -> Option<Issuer> {
    if let Some(url) = reader.parse("ISSUER", str::parse) {
        return Some(Issuer::Fixed(url));
    }
    if reader.has_mistake("ISSUER") {
        return None;
    }
    match profile {
        Profile::Serve => {
            reader.mistake("ISSUER", "is required; set the URL under which clients reach this server");
            None
        }
        Profile::Dev { .. } if !host.is_loopback() && !host.is_unspecified() => {
            reader.mistake("ISSUER", "is required beside a HOST that is not a loopback address");
            None
        }
        Profile::Dev { .. } | Profile::Tool => Some(Issuer::BaseUrl),
    }
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an IP address such as 127.0.0.1 or 0.0.0.0"))
}

/// A net, or one address. Peers are compared in their IPv4 form, so a net of mapped addresses would never match.
fn parse_proxy(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let net = net.map_err(|_| format!("`{text}` is not a net such as 10.0.0.0/8 or an address"))?;
    match net {
        net if net.prefix_len() == 0 => Err(format!("`{text}` would trust everyone; name the proxies only")),
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => {
            Err(format!("`{text}` maps an IPv4 net; write it as an IPv4 net"))
        }
        net => Ok(net.trunc()),
    }
}
