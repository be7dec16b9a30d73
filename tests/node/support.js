// The servers of this run, as `tests/run` hands them over, and what the suites have in common.

import assert from "node:assert/strict";

const text = process.env.AGENTIDP_SERVERS;
if (!text) throw new Error("AGENTIDP_SERVERS is not set; start this suite with `tests/run node`");

/** Algorithm of signatures -> `{ baseUrl, clientId, clientSecret }`. */
export const servers = JSON.parse(text);

/** The server of the default algorithm. */
export const server = servers.ES256;

/** Somebody else, whom tokens may be for. */
export const RESOURCE = "https://files.example.com/";

/** What `promise` is rejected with. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("it was not refused");
}
