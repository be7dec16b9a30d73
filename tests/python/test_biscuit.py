"""biscuit-python: a holder that attenuates offline what the server gave it."""

import datetime

import biscuit_auth
import pytest
import requests
from biscuit_auth import AuthorizerBuilder, Biscuit, BlockBuilder, KeyPair, PublicKey, Rule

SCOPES = "agents:read audit:read"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
BISCUIT = "urn:agentidp:params:oauth:token-type:biscuit"


def ask_token(server, **form):
    answer = requests.post(
        server["baseUrl"] + "/api/v1/token",
        auth=(server["clientId"], server["clientSecret"]),
        data=form,
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def text(server):
    """A Biscuit with two scopes, as the server writes it."""
    jwt = ask_token(server, grant_type="client_credentials", scope=SCOPES)["access_token"]
    answer = ask_token(
        server,
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token=jwt,
        subject_token_type=ACCESS_TOKEN,
        requested_token_type=BISCUIT,
    )
    assert answer["issued_token_type"] == BISCUIT
    assert answer["token_type"] == "Bearer"
    assert answer["scope"] == SCOPES
    return answer["access_token"]


@pytest.fixture
def public_key(server):
    """Gives the published key that a Biscuit names."""
    answer = requests.get(server["baseUrl"] + "/.well-known/biscuit-keys", timeout=30)
    keys = {key["keyId"]: key for key in answer.json()["keys"]}

    def find(key_id):
        assert keys[key_id]["algorithm"] == "ed25519"
        return PublicKey.from_bytes(bytes.fromhex(keys[key_id]["publicKey"]), biscuit_auth.Algorithm.Ed25519)

    return find


@pytest.fixture
def biscuit(text, public_key):
    return Biscuit.from_base64(text, public_key)


@pytest.fixture
def other(server):
    """The id of another agent."""
    jwt = ask_token(server, grant_type="client_credentials")["access_token"]
    answer = requests.post(
        server["baseUrl"] + "/api/v1/agents",
        headers={"Authorization": f"Bearer {jwt}"},
        json={
            "email": f"{KeyPair().public_key.to_bytes().hex()[:16]}@example.com",
            "agentType": "custom",
            "version": "1.0.0",
            "capabilities": ["data:read"],
            "owner": "system",
            "deploymentEnv": "development",
        },
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["agentId"]


def narrowed(biscuit, *blocks):
    for block in blocks:
        biscuit = biscuit.append(BlockBuilder(block))
    return biscuit.to_base64()


def get(server, token, path):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(server["baseUrl"] + "/api/v1" + path, headers=headers, timeout=30).status_code


def introspect(server, token, **form):
    answer = requests.post(
        server["baseUrl"] + "/api/v1/token/introspect",
        auth=(server["clientId"], server["clientSecret"]),
        data={"token": token, **form},
        timeout=30,
    )
    assert answer.status_code == 200
    return answer.json()


def test_the_published_key_opens_it_and_it_says_who_it_is_of(server, biscuit):
    builder = AuthorizerBuilder("allow if true")
    # The library's own limit is a millisecond, which a busy machine does not keep.
    limits = builder.limits()
    limits.max_time = datetime.timedelta(seconds=10)
    builder.set_limits(limits)
    authorizer = builder.build(biscuit)
    scopes = authorizer.query(Rule("found($s) <- scope($s)"))
    assert sorted(fact.terms[0] for fact in scopes) == SCOPES.split()
    (agent,) = authorizer.query(Rule("found($a) <- agent($a)"))
    assert agent.terms == [server["clientId"]]


def test_as_it_was_issued_it_opens_what_its_scopes_open(server, text):
    assert get(server, text, f"/agents/{server['clientId']}") == 200
    assert get(server, text, "/audit") == 200
    live = introspect(server, text)
    assert (live["active"], live["scope"], live["client_id"]) == (True, SCOPES, server["clientId"])


def test_fewer_scopes(server, biscuit):
    token = narrowed(biscuit, 'check if requested($s), {"agents:read"}.contains($s)')
    assert get(server, token, "/agents") == 200
    assert get(server, token, "/audit") == 403
    assert introspect(server, token)["scope"] == "agents:read"


def test_no_scope_at_all(server, biscuit):
    token = narrowed(biscuit, 'check if requested($s), {"data:read"}.contains($s)')
    assert get(server, token, "/agents") == 403
    assert introspect(server, token) == {"active": False}


def test_one_target(server, biscuit, other):
    token = narrowed(biscuit, f'check if target($a), $a == "{other}"')
    assert get(server, token, f"/agents/{other}") == 200
    assert get(server, token, f"/agents/{server['clientId']}") == 403
    # A check on a fact that the request lacks fails.
    assert get(server, token, "/agents") == 403
    assert introspect(server, token, target=other)["active"] is True
    assert introspect(server, token) == {"active": False}


def test_one_resource(server, biscuit):
    here = narrowed(biscuit, f'check if resource($r), $r == "{server["baseUrl"]}"')
    assert get(server, here, "/agents") == 200
    files = "https://files.example.com/"
    elsewhere = narrowed(biscuit, f'check if resource($r), $r == "{files}"')
    assert get(server, elsewhere, "/agents") == 403


def test_an_earlier_end(server, biscuit):
    assert get(server, narrowed(biscuit, "check if time($t), $t < 2999-01-01T00:00:00Z"), "/agents") == 200
    over = narrowed(biscuit, "check if time($t), $t < 2020-01-01T00:00:00Z")
    assert get(server, over, "/agents") in (401, 403)
    assert introspect(server, over) == {"active": False}


def test_facts_of_later_blocks_count_for_nothing(server, biscuit, other):
    forged = narrowed(biscuit, f'scope("agents:write"); requested("agents:write"); agent("{other}"); owner("x")')
    live = introspect(server, forged)
    assert (live["scope"], live["sub"]) == (SCOPES, server["clientId"])
    headers = {"Authorization": f"Bearer {forged}"}
    answer = requests.delete(f"{server['baseUrl']}/api/v1/agents/{other}", headers=headers, timeout=30)
    assert answer.status_code == 403

    check = f'check if target($a), $a == "{other}"'
    helped = narrowed(biscuit, check, f'target("{other}"); requested("agents:read")')
    assert get(server, helped, f"/agents/{server['clientId']}") == 403


def test_a_biscuit_of_another_root_is_none(server):
    facts = f'scope("agents:read"); agent("{server["clientId"]}")'
    forged = biscuit_auth.BiscuitBuilder(facts).build(KeyPair().private_key).to_base64()
    assert get(server, forged, "/agents") == 401
    assert introspect(server, forged) == {"active": False}
