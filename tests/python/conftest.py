"""The servers of this run, as `tests/run` hands them over."""

import json
import os

import pytest

SERVERS = json.loads(os.environ["AGENTIDP_SERVERS"])


@pytest.fixture
def server():
    """The server of the default algorithm: `baseUrl`, `clientId`, `clientSecret`."""
    return SERVERS["ES256"]


@pytest.fixture(params=SERVERS)
def algorithm(request):
    return request.param


@pytest.fixture
def signer(algorithm):
    """The server that signs with `algorithm`."""
    return SERVERS[algorithm]
