import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { Biscuit, KeyPair, PublicKey, SignatureAlgorithm } from "@biscuit-auth/biscuit-wasm";
import { authorizer, biscuit, block, rule } from "@biscuit-auth/biscuit-wasm";
import { server } from "./support.js";

const SCOPES = "agents:read audit:read";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const BISCUIT = "urn:agentidp:params:oauth:token-type:biscuit";
// The library's own limit is a millisecond, which a busy machine does not keep.
const LIMITS = { max_facts: 1000, max_iterations: 100, max_time_micro: 10_000_000 };

async function post(path, form) {
  const client = { client_id: server.clientId, client_secret: server.clientSecret };
  const body = new URLSearchParams({ ...client, ...form });
  const response = await fetch(`${server.baseUrl}/api/v1${path}`, { method: "POST", body });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

const introspect = (token, more = {}) => post("/token/introspect", { token, ...more });

async function issue() {
  const jwt = await post("/token", { grant_type: "client_credentials", scope: SCOPES });
  const answer = await post("/token", {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: jwt.access_token,
    subject_token_type: ACCESS_TOKEN,
    requested_token_type: BISCUIT,
  });
  assert.equal(answer.issued_token_type, BISCUIT);
  return answer.access_token;
}

/** Gives the published key that a Biscuit names. */
async function publicKeys() {
  const response = await fetch(`${server.baseUrl}/.well-known/biscuit-keys`);
  const { keys } = await response.json();
  return (id) => {
    const { algorithm, publicKey } = keys.find(({ keyId }) => keyId === id);
    assert.equal(algorithm, "ed25519");
    return PublicKey.fromString(publicKey, SignatureAlgorithm.Ed25519);
  };
}

async function call(token, method, path) {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${server.baseUrl}/api/v1${path}`, { method, headers })).status;
}

const get = (token, path) => call(token, "GET", path);

describe("biscuit-wasm", () => {
  let text;
  let token;
  before(async () => {
    text = await issue();
    token = Biscuit.fromBase64WithProvider(text, await publicKeys());
  });
  const narrowed = (...blocks) => blocks.reduce((made, next) => made.appendBlock(next), token).toBase64();

  test("the published key opens it and it says what it may do", async () => {
    const opened = authorizer`allow if true;`.buildAuthenticated(token);
    const scopes = opened.queryWithLimits(rule`found($s) <- scope($s)`, LIMITS);
    assert.deepEqual(scopes.map((fact) => fact.terms()[0]).sort(), SCOPES.split(" "));
    const agents = opened.queryWithLimits(rule`found($a) <- agent($a)`, LIMITS);
    assert.deepEqual(agents.map((fact) => fact.terms()), [[server.clientId]]);
    assert.equal(await get(text, "/agents"), 200);
    assert.equal(await get(text, "/audit"), 200);
  });

  test("fewer scopes", async () => {
    const reader = narrowed(block`check if requested($s), ${new Set(["agents:read"])}.contains($s);`);
    assert.equal(await get(reader, "/agents"), 200);
    assert.equal(await get(reader, "/audit"), 403);
    assert.equal((await introspect(reader)).scope, "agents:read");
  });

  test("one target", async () => {
    const one = narrowed(block`check if target($a), $a == ${server.clientId};`);
    assert.equal(await get(one, `/agents/${server.clientId}`), 200);
    assert.equal(await get(one, `/agents/${randomUUID()}`), 403);
    // A check on a fact that the request lacks fails.
    assert.equal(await get(one, "/agents"), 403);
    assert.equal((await introspect(one, { target: server.clientId })).active, true);
    assert.deepEqual(await introspect(one), { active: false });
  });

  test("one resource", async () => {
    const here = narrowed(block`check if resource($r), $r == ${server.baseUrl};`);
    assert.equal(await get(here, "/agents"), 200);
    const elsewhere = narrowed(block`check if resource($r), $r == ${"https://files.example.com/"};`);
    assert.equal(await get(elsewhere, "/agents"), 403);
  });

  test("an earlier end", async () => {
    const later = narrowed(block`check if time($t), $t < ${new Date("2999-01-01T00:00:00Z")};`);
    assert.equal(await get(later, "/agents"), 200);
    const over = narrowed(block`check if time($t), $t < ${new Date("2020-01-01T00:00:00Z")};`);
    assert.ok([401, 403].includes(await get(over, "/agents")));
    assert.deepEqual(await introspect(over), { active: false });
  });

  test("facts of later blocks count for nothing", async () => {
    const forged = narrowed(block`scope("agents:write"); requested("agents:write"); agent("somebody"); owner("x");`);
    const live = await introspect(forged);
    assert.equal(live.scope, SCOPES);
    assert.equal(live.sub, server.clientId);
    assert.equal(await call(forged, "DELETE", `/agents/${server.clientId}`), 403);

    const other = randomUUID();
    const helped = narrowed(block`check if target($a), $a == ${other};`, block`target(${other});`);
    assert.equal(await get(helped, `/agents/${server.clientId}`), 403);
  });

  test("a Biscuit of another root is none", async () => {
    const pair = new KeyPair(SignatureAlgorithm.Ed25519);
    const forged = biscuit`scope("agents:read"); agent(${server.clientId});`.build(pair.getPrivateKey()).toBase64();
    assert.equal(await get(forged, "/agents"), 401);
    assert.deepEqual(await introspect(forged), { active: false });
  });
});
