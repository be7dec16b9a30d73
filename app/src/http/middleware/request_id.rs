//! Outermost: gives the request its id and its context.

use crate::http::notes::Notes;
use agentidp_core::domain::caller::RequestContext;
use ipnet::IpNet;
use poem::http::header::USER_AGENT;
use poem::http::{HeaderMap, HeaderValue};
use poem::web::RemoteAddr;
use poem::{Addr, Endpoint, IntoResponse, Request, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const HEADER: &str = "X-Request-Id";
const FORWARDED_FOR: &str = "X-Forwarded-For";
const MAX_USER_AGENT: usize = 256;

/// Whether any untrusted peer has sent `X-Forwarded-For`: most likely a proxy that is missing in `TRUSTED_PROXIES`.
static UNTRUSTED_FORWARDING: AtomicBool = AtomicBool::new(false);

/// Tells, for `/health`, whether an untrusted peer has sent `X-Forwarded-For`.
pub fn untrusted_forwarding() -> bool {
    UNTRUSTED_FORWARDING.load(Ordering::Relaxed)
}

/// Runs the request with notes that hold its context.
///
/// # Errors
/// None: what is inside answers every request.
pub async fn run<E: Endpoint>(next: Arc<E>, mut request: Request, proxies: Vec<IpNet>) -> poem::Result<Response> {
    let context = RequestContext {
        request_id: request_id(request.headers()),
        source_ip: client_address(request.remote_addr(), request.headers(), &proxies),
        user_agent: user_agent(request.headers()),
    };
    let header = HeaderValue::from_str(&context.request_id).ok();
    request.set_data(Arc::new(Notes { context, ..Notes::default() }));
    let mut response = next.call(request).await?.into_response();
    if let Some(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    Ok(response)
}

/// The caller's id, if it is a sane token, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(sane);
    given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// The socket's peer, or the rightmost hop that is not trusted when the peer is a trusted proxy.
fn client_address(peer: &RemoteAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let Addr::SocketAddr(peer) = &peer.0 else { return None };
    let peer = peer.ip().to_canonical();
    let trusted = |ip: &IpAddr| proxies.iter().any(|network| network.contains(ip));
    if !trusted(&peer) {
        if headers.contains_key(FORWARDED_FOR) && !UNTRUSTED_FORWARDING.swap(true, Ordering::Relaxed) {
            tracing::warn!("an untrusted peer sends X-Forwarded-For; is a proxy missing in TRUSTED_PROXIES?");
        }
        return Some(peer);
    }
    let mut nearest = peer;
    let values: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
        // What cannot be read ends the chain: everything left of it is hearsay.
        let Some(hop) = address_of(hop) else { break };
        nearest = hop.to_canonical();
        if !trusted(&nearest) {
            break;
        }
    }
    Some(nearest)
}

fn address_of(hop: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(hop).ok()?.trim().parse().ok()
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(USER_AGENT)?.as_bytes()).into_owned();
    Some(text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        let peer = RemoteAddr(Addr::SocketAddr(format!("{peer}:1").parse().unwrap()));
        client_address(&peer, &headers, &proxies).unwrap().to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(address("203.0.113.9", &["10.0.0.1"], &[]), "203.0.113.9");
        assert_eq!(address("203.0.113.9", &["10.0.0.1"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn behind_trusted_hops_the_rightmost_untrusted_one_is() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(address("10.0.0.1", &["198.51.100.7"], &proxies), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"], &proxies), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["1.1.1.1", "198.51.100.7", "10.0.0.2"], &proxies), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["1.1.1.1, junk, 10.0.0.2"], &proxies), "10.0.0.2");
        assert_eq!(address("10.0.0.1", &["9.9.9.9", "\u{ff}, 198.51.100.2"], &proxies), "198.51.100.2");
        assert_eq!(address("10.0.0.1", &["9.9.9.9", "\u{ff}, 10.0.0.2"], &proxies), "10.0.0.2");
        assert_eq!(address("10.0.0.1", &[], &proxies), "10.0.0.1");
        assert_eq!(address("[::ffff:10.0.0.1]", &["2001:db8::1"], &proxies), "2001:db8::1");
    }

    #[test]
    fn only_a_sane_id_is_taken_over() {
        let id = |text: &str| request_id(&HeaderMap::from_iter([(HEADER.parse().unwrap(), text.parse().unwrap())]));
        assert_eq!(id("abc-1.2_3"), "abc-1.2_3");
        for text in ["", "a b", &"x".repeat(65), "a\"b", "a;b"] {
            assert_ne!(id(text), text);
        }
    }
}
