// Runs the conformance list with the official JavaScript client: what to do comes as JSON from the
// standard input, what came of it goes as JSON to the standard output. It judges nothing.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The client is where this runs, not where this is.
const require = createRequire(`${process.cwd()}/`);
const { OpenAI } = require("openai");
const { VERSION } = require("openai/version");

const { url, keys, checks } = JSON.parse(readFileSync(0, "utf8"));
const clients = Object.fromEntries(
  Object.entries(keys).map(([name, apiKey]) => [
    name,
    new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 120_000 }),
  ]),
);

function call(client, method, body) {
  switch (method) {
    case "chat.completions.create":
      return client.chat.completions.create(body);
    case "completions.create":
      return client.completions.create(body);
    case "embeddings.create":
      return client.embeddings.create(body);
    case "models.list":
      return client.models.list();
    case "models.retrieve":
      return client.models.retrieve(body.model);
    default:
      throw new Error(`unknown method ${method}`);
  }
}

async function run({ key, method, body }) {
  try {
    const answer = await call(clients[key], method, body);
    if (!body.stream) return { status: 200, answer };
    const chunks = [];
    for await (const chunk of answer) chunks.push(chunk);
    return { status: 200, chunks };
  } catch (error) {
    if (!(error instanceof OpenAI.APIError) || error.status === undefined) throw error;
    return { status: error.status, error: error.error, kind: error.constructor.name };
  }
}

const outcomes = [];
for (const check of checks) {
  const runs = [];
  for (let time = 0; time < check.times; time++) runs.push(await run(check));
  outcomes.push(runs);
}
process.stdout.write(JSON.stringify({ version: VERSION, outcomes }));
