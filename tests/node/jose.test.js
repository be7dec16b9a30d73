import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as jose from "jose";
import { RESOURCE, servers } from "./support.js";

async function accessToken({ baseUrl, clientId, clientSecret }) {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: clientSecret,
    resource: RESOURCE,
  });
  const response = await fetch(`${baseUrl}/api/v1/token`, { method: "POST", body });
  assert.equal(response.status, 200);
  return (await response.json()).access_token;
}

/** The token with one part passed through `change`. */
function tampered(token, part, change) {
  const parts = token.split(".");
  parts[part] = jose.base64url.encode(change(jose.base64url.decode(parts[part])));
  return parts.join(".");
}

const edited = (edit) => (bytes) => JSON.stringify({ ...JSON.parse(new TextDecoder().decode(bytes)), ...edit });
const flipped = (bytes) => bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte));

describe("jose", () => {
  for (const [algorithm, server] of Object.entries(servers)) {
    const keys = jose.createRemoteJWKSet(new URL(`${server.baseUrl}/.well-known/jwks.json`));
    const expected = { issuer: server.baseUrl, audience: RESOURCE, typ: "at+jwt", algorithms: [algorithm] };

    test(`${algorithm}: verifies a token from the remote key set`, async () => {
      const { payload, protectedHeader } = await jose.jwtVerify(await accessToken(server), keys, expected);
      assert.equal(protectedHeader.alg, algorithm);
      assert.equal(payload.sub, server.clientId);
      assert.equal(payload.client_id, server.clientId);
      assert.equal(payload.exp - payload.iat, 3600);
    });

    test(`${algorithm}: refuses what was tampered with`, async () => {
      const token = await accessToken(server);
      const forgeries = {
        "another subject": [tampered(token, 1, edited({ sub: "somebody" })), jose.errors.JWSSignatureVerificationFailed],
        "another signature": [tampered(token, 2, flipped), jose.errors.JWSSignatureVerificationFailed],
        "another key": [tampered(token, 0, edited({ kid: "unknown" })), jose.errors.JWKSNoMatchingKey],
        "no algorithm": [tampered(token, 0, edited({ alg: "none" })), jose.errors.JOSEAlgNotAllowed],
      };
      for (const [what, [forgery, error]] of Object.entries(forgeries)) {
        await assert.rejects(jose.jwtVerify(forgery, keys, expected), error, what);
      }
    });

    test(`${algorithm}: refuses another issuer, audience or type`, async () => {
      const token = await accessToken(server);
      for (const other of [{ issuer: "https://id.example.com" }, { audience: "https://else.example.com" }, { typ: "jwt" }]) {
        const verification = jose.jwtVerify(token, keys, { ...expected, ...other });
        await assert.rejects(verification, jose.errors.JWTClaimValidationFailed);
      }
    });
  }
});
