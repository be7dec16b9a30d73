import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as openid from "openid-client";
import { RESOURCE, rejection, server } from "./support.js";

const METHODS = { basic: openid.ClientSecretBasic, post: openid.ClientSecretPost };

function discover(authentication) {
  return openid.discovery(new URL(server.baseUrl), server.clientId, undefined, authentication, {
    algorithm: "oauth2",
    // Plain HTTP on loopback needs the library's own word for it.
    execute: [openid.allowInsecureRequests],
  });
}

describe("openid-client", () => {
  for (const [name, method] of Object.entries(METHODS)) {
    test(`client_secret_${name}: issue, introspect, revoke`, async () => {
      const config = await discover(method(server.clientSecret));
      const issued = await openid.clientCredentialsGrant(config, { scope: "audit:read agents:read" });
      assert.ok(issued.expiresIn() > 0 && issued.expiresIn() <= 3600);
      assert.deepEqual(issued.scope.split(" ").sort(), ["agents:read", "audit:read"]);

      const live = await openid.tokenIntrospection(config, issued.access_token);
      assert.equal(live.active, true);
      assert.equal(live.sub, server.clientId);

      await openid.tokenRevocation(config, issued.access_token);
      const dead = await openid.tokenIntrospection(config, issued.access_token);
      assert.deepEqual({ ...dead }, { active: false });
    });

    test(`client_secret_${name}: a wrong secret is invalid_client`, async () => {
      const config = await discover(method(`${server.clientSecret}x`));
      const error = await rejection(openid.clientCredentialsGrant(config));
      // The library sees the challenge of a 401 before its body.
      assert.ok(error instanceof openid.WWWAuthenticateChallengeError);
      assert.equal(error.status, 401);
      assert.equal((await error.response.json()).error, "invalid_client");
    });
  }

  const refused = {
    invalid_scope: { scope: "mail:send" },
    invalid_target: [server.baseUrl, RESOURCE].map((resource) => ["resource", resource]),
  };
  for (const [name, asked] of Object.entries(refused)) {
    test(`${name} is an error of the library`, async () => {
      const config = await discover(openid.ClientSecretBasic(server.clientSecret));
      const error = await rejection(openid.clientCredentialsGrant(config, new URLSearchParams(asked)));
      assert.ok(error instanceof openid.ResponseBodyError);
      assert.equal(error.status, 400);
      assert.equal(error.error, name);
    });
  }

  test("resources become the audience", async () => {
    const config = await discover(openid.ClientSecretBasic(server.clientSecret));
    const audience = [RESOURCE, "https://mail.example.com/"];
    const asked = new URLSearchParams(audience.map((resource) => ["resource", resource]));
    const issued = await openid.clientCredentialsGrant(config, asked);
    const live = await openid.tokenIntrospection(config, issued.access_token);
    assert.deepEqual(live.aud, audience);
  });
});
