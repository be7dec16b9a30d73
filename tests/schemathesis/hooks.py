"""What the document cannot say about requests, said to the generator. Loaded by schemathesis."""

import os
import uuid

import schemathesis

ADMINISTRATOR = os.environ["AGENTIDP_CLIENT_ID"]


@schemathesis.hook
def before_call(context, case, kwargs):
    spare_the_administrator(case)
    if case.meta is None or case.meta.generation.mode.is_positive:
        make_acceptable(case)


def spare_the_administrator(case):
    """The run lives on the administrator's token: a change meant for this agent goes to one that does not exist."""
    if case.method != "GET" and (case.path_parameters or {}).get("agentId") == ADMINISTRATOR:
        case.path_parameters["agentId"] = str(uuid.uuid4())


def make_acceptable(case):
    """Rules of valid requests that no schema expresses. Requests that are to be refused stay as they are."""
    # A cursor is opaque: only the server makes one.
    if case.query:
        case.query.pop("cursor", None)
    if not isinstance(case.body, dict):
        return
    # An expiry is in the future. The rest of its spelling stays as it was generated; 2996 is a leap year.
    if isinstance(case.body.get("expiresAt"), str):
        case.body["expiresAt"] = "2996" + case.body["expiresAt"][4:]
    if case.media_type == "application/x-www-form-urlencoded":
        # A client authenticates in one way only, and the header does it here.
        case.body.pop("client_id", None)
        case.body.pop("client_secret", None)
        # A token to exchange is one that the server issued: only the other grant can be made up.
        if "grant_type" in case.body:
            case.body["grant_type"] = "client_credentials"
        # A scope is one that the agent has.
        if "scope" in case.body:
            case.body["scope"] = "agents:read"
