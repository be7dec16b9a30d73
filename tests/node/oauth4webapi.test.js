import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as oauth from "oauth4webapi";
import { RESOURCE, rejection, server, servers } from "./support.js";

// Plain HTTP on loopback needs the library's own word for it.
const options = { [oauth.allowInsecureRequests]: true };
const METHODS = { basic: oauth.ClientSecretBasic, post: oauth.ClientSecretPost };

async function discover({ baseUrl }) {
  const issuer = new URL(baseUrl);
  const response = await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" });
  return oauth.processDiscoveryResponse(issuer, response);
}

function client({ clientId }) {
  return { client_id: clientId };
}

async function token(as, to, authentication, parameters = {}) {
  const asked = new URLSearchParams(parameters);
  const response = await oauth.clientCredentialsGrantRequest(as, client(to), authentication, asked, options);
  return oauth.processClientCredentialsResponse(as, client(to), response);
}

async function introspect(as, authentication, text) {
  const response = await oauth.introspectionRequest(as, client(server), authentication, text, options);
  return oauth.processIntrospectionResponse(as, client(server), response);
}

describe("oauth4webapi", () => {
  let as;
  before(async () => {
    as = await discover(server);
  });

  test("discovers the endpoints by RFC 8414", () => {
    assert.equal(as.issuer, server.baseUrl);
    assert.equal(as.token_endpoint, `${server.baseUrl}/api/v1/token`);
    assert.ok(as.grant_types_supported.includes("client_credentials"));
    for (const method of ["client_secret_basic", "client_secret_post"]) {
      assert.ok(as.token_endpoint_auth_methods_supported.includes(method));
    }
  });

  for (const [name, method] of Object.entries(METHODS)) {
    test(`client_secret_${name}: issue, introspect, revoke`, async () => {
      const authentication = method(server.clientSecret);
      const issued = await token(as, server, authentication, { scope: "agents:read" });
      assert.equal(issued.token_type, "bearer");
      assert.equal(issued.expires_in, 3600);
      assert.equal(issued.scope, "agents:read");

      const live = await introspect(as, authentication, issued.access_token);
      assert.equal(live.active, true);
      assert.equal(live.client_id, server.clientId);
      assert.equal(live.scope, "agents:read");
      assert.equal(live.iss, server.baseUrl);

      const { access_token } = issued;
      const revoked = await oauth.revocationRequest(as, client(server), authentication, access_token, options);
      await oauth.processRevocationResponse(revoked);
      assert.deepEqual(await introspect(as, authentication, access_token), { active: false });
    });

    test(`client_secret_${name}: a wrong secret is invalid_client`, async () => {
      const error = await rejection(token(as, server, method(`${server.clientSecret}x`)));
      // The library sees the challenge of a 401 before its body.
      assert.ok(error instanceof oauth.WWWAuthenticateChallengeError);
      assert.equal(error.status, 401);
      assert.equal(error.cause[0].scheme, name === "basic" ? "basic" : "bearer");
      assert.equal((await error.response.json()).error, "invalid_client");
    });
  }

  test("a scope that is not covered is invalid_scope", async () => {
    const authentication = oauth.ClientSecretBasic(server.clientSecret);
    const error = await rejection(token(as, server, authentication, { scope: "mail:send" }));
    assert.ok(error instanceof oauth.ResponseBodyError);
    assert.equal(error.status, 400);
    assert.equal(error.error, "invalid_scope");
  });

  for (const [algorithm, signer] of Object.entries(servers)) {
    test(`${algorithm}: a resource verifies its access token by RFC 9068`, async () => {
      const metadata = await discover(signer);
      const authentication = oauth.ClientSecretBasic(signer.clientSecret);
      const issued = await token(metadata, signer, authentication, { resource: RESOURCE, scope: "audit:read" });
      const request = new Request(RESOURCE, { headers: { authorization: `Bearer ${issued.access_token}` } });
      const claims = await oauth.validateJwtAccessToken(metadata, request, RESOURCE, options);
      assert.equal(claims.sub, signer.clientId);
      assert.equal(claims.scope, "audit:read");
      const other = oauth.validateJwtAccessToken(metadata, request, "https://elsewhere.example.com", options);
      await assert.rejects(other, { code: oauth.JWT_CLAIM_COMPARISON });
    });
  }
});
