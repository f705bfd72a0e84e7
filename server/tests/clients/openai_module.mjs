// The `openai` npm package, found in the folder that is the second argument, against the server whose address is the first.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[3], "package.json"));
const OpenAI = require("openai");

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "secret", timeout: 120_000 });
const model = "test";
const messages = [{ role: "user", content: "Name one colour of the rainbow." }];

const whole = await client.chat.completions.create({ model, messages, max_tokens: 16 });
assert.ok(["stop", "length"].includes(whole.choices[0].finish_reason));
let text = "";
for await (const chunk of await client.chat.completions.create({ model, messages, max_tokens: 16, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
assert.equal(text, whole.choices[0].message.content);

// A tool: the call, its answer, a reply with it; then the package's own way of reading a streamed call.
const tool = {
  type: "function",
  function: {
    name: "track",
    description: "Look up the price of a stock by its symbol",
    parameters: { type: "object", properties: { symbol: { type: "string" } }, required: ["symbol"] },
  },
};
const price = [{ role: "user", content: "What is the price of stock 10111?" }];
const asked = await client.chat.completions.create({ model, messages: price, tools: [tool], tool_choice: "required", parallel_tool_calls: false });
const call = asked.choices[0].message.tool_calls[0];
assert.equal(call.function.name, "track");
assert.equal(typeof JSON.parse(call.function.arguments).symbol, "string");
const answer = { role: "tool", tool_call_id: call.id, content: '{"price": 12412}' };
const said = await client.chat.completions.create({
  model, messages: [...price, asked.choices[0].message, answer], tools: [tool], max_tokens: 24,
});
// What a small model makes of it is its own affair; that it read it is not.
assert.ok(said.choices[0].message.content || said.choices[0].message.tool_calls);
assert.ok(said.usage.prompt_tokens > asked.usage.prompt_tokens + 10);
const runner = client.chat.completions.stream({ model, messages: price, tools: [tool], tool_choice: "required" });
assert.equal((await runner.finalMessage()).tool_calls[0].function.name, "track");

// A stream that is left ends its generation.
const left = await client.chat.completions.create({ model, messages, stream: true });
for await (const _ of left) break;

await assert.rejects(client.chat.completions.create({ model: "other", messages }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ model, messages, n: 17 }), (error) => error.param === "n" && error instanceof OpenAI.BadRequestError);
const stranger = new OpenAI({ baseURL: process.argv[2], apiKey: "wrong", maxRetries: 0 });
await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
console.log("ok");
