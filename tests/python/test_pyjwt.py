"""PyJWT with its client of key sets, in every algorithm."""

import base64
import json

import jwt
import pytest
import requests

RESOURCE = "https://files.example.com/"


@pytest.fixture
def token(signer):
    answer = requests.post(
        signer["baseUrl"] + "/api/v1/token",
        auth=(signer["clientId"], signer["clientSecret"]),
        data={"grant_type": "client_credentials", "resource": RESOURCE},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


@pytest.fixture
def key_set(signer):
    return jwt.PyJWKClient(signer["baseUrl"] + "/.well-known/jwks.json")


def verify(token, key_set, signer, algorithm, audience=RESOURCE, issuer=None):
    return jwt.decode(
        token,
        key_set.get_signing_key_from_jwt(token),
        algorithms=[algorithm],
        audience=audience,
        issuer=issuer or signer["baseUrl"],
        options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]},
    )


def edited(token, part, **changes):
    """The token with other members in its header (0) or claims (1)."""
    parts = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    text = json.dumps({**members, **changes}).encode()
    parts[part] = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    return ".".join(parts)


def test_verifies_a_token(token, key_set, signer, algorithm):
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", algorithm)
    claims = verify(token, key_set, signer, algorithm)
    assert claims["sub"] == claims["client_id"] == signer["clientId"]
    assert claims["exp"] - claims["iat"] == 3600


def test_refuses_other_claims(token, key_set, signer, algorithm):
    with pytest.raises(jwt.InvalidSignatureError):
        verify(edited(token, 1, sub="somebody"), key_set, signer, algorithm)


def test_refuses_an_unknown_key(token, key_set, signer, algorithm):
    with pytest.raises(jwt.PyJWKClientError):
        verify(edited(token, 0, kid="unknown"), key_set, signer, algorithm)


def test_refuses_another_audience_or_issuer(token, key_set, signer, algorithm):
    with pytest.raises(jwt.InvalidAudienceError):
        verify(token, key_set, signer, algorithm, audience="https://else.example.com/")
    with pytest.raises(jwt.InvalidIssuerError):
        verify(token, key_set, signer, algorithm, issuer="https://id.example.com")
