"""Authlib's OAuth 2.0 client over requests."""

import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

METHODS = ["client_secret_basic", "client_secret_post"]


@pytest.fixture(autouse=True)
def plain_http(monkeypatch):
    """Plain HTTP on loopback needs the library's own word for it."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def session(server, method, secret=None, **options):
    return OAuth2Session(
        server["clientId"],
        secret or server["clientSecret"],
        token_endpoint=server["baseUrl"] + "/api/v1/token",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        grant_type="client_credentials",
        **options,
    )


def introspect(client, server, token):
    answer = client.introspect_token(server["baseUrl"] + "/api/v1/token/introspect", token=token)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("method", METHODS)
def test_issue_introspect_revoke(server, method):
    client = session(server, method, scope="agents:read")
    token = client.fetch_token()
    assert token["token_type"] == "Bearer"
    assert token["scope"] == "agents:read"
    assert not token.is_expired()

    live = introspect(client, server, token["access_token"])
    assert live["active"] is True
    assert live["client_id"] == server["clientId"]

    answer = client.revoke_token(server["baseUrl"] + "/api/v1/token/revoke", token=token["access_token"])
    assert answer.status_code == 200
    assert introspect(client, server, token["access_token"]) == {"active": False}


def test_the_session_calls_the_api_with_its_token(server):
    client = session(server, "client_secret_basic")
    client.fetch_token()
    answer = client.get(f"{server['baseUrl']}/api/v1/agents/{server['clientId']}")
    assert answer.status_code == 200
    assert answer.json()["agentId"] == server["clientId"]


def test_a_resource_becomes_the_audience(server):
    client = session(server, "client_secret_basic")
    token = client.fetch_token(resource="https://files.example.com/")
    assert introspect(client, server, token["access_token"])["aud"] == "https://files.example.com/"


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_secret_is_invalid_client(server, method):
    client = session(server, method, secret=server["clientSecret"] + "x")
    with pytest.raises(OAuthError) as caught:
        client.fetch_token()
    assert caught.value.error == "invalid_client"


def test_a_scope_that_is_not_covered_is_invalid_scope(server):
    with pytest.raises(OAuthError) as caught:
        session(server, "client_secret_basic", scope="mail:send").fetch_token()
    assert caught.value.error == "invalid_scope"
