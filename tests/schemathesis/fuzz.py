"""Holds a running server against its own OpenAPI document, as its administrator.

    tests/run schemathesis

Arguments go to `schemathesis run`. Secrets go by the environment.
"""

import base64
import json
import os
import pathlib
import sys
import urllib.request


def access_token(server):
    """A token with every management scope."""
    pair = f"{server['clientId']}:{server['clientSecret']}".encode()
    headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    request = urllib.request.Request(server["baseUrl"] + "/api/v1/token", b"grant_type=client_credentials", headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["access_token"]


server = json.loads(os.environ["AGENTIDP_SERVERS"])["ES256"]
environment = {
    **os.environ,
    "AGENTIDP_TOKEN": access_token(server),
    "AGENTIDP_CLIENT_ID": server["clientId"],
    "AGENTIDP_CLIENT_SECRET": server["clientSecret"],
}
program = pathlib.Path(sys.executable).with_name("schemathesis")
os.execve(program, [program, "run", server["baseUrl"] + "/openapi.json", *sys.argv[1:]], environment)
