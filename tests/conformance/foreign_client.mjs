// The MCP project's own TypeScript client against one of our servers: a client that nobody of us wrote.
//
//   node foreign_client.mjs FOLDER TARGET PLAN
//
// FOLDER holds node_modules with @modelcontextprotocol/client. TARGET is {"url", "token"} or {"command", "args", "env"}, PLAN
// {"call": [name, arguments], "error": [name, arguments], "abort": [name, arguments]}, both as JSON. "abort" begins the call, waits for a
// line on stdin and aborts it. Prints one JSON object of what came back.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, target, plan] = [process.argv[2], JSON.parse(process.argv[3]), JSON.parse(process.argv[4])];
const require = createRequire(folder + "/");
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
const { StdioClientTransport } = await load("@modelcontextprotocol/client/stdio");

const transport = target.url
  ? new StreamableHTTPClientTransport(new URL(target.url), {
      requestInit: { headers: { Authorization: `Bearer ${target.token}` } },
    })
  : new StdioClientTransport({ command: target.command, args: target.args, env: { ...process.env, ...target.env } });
const client = new Client({ name: "foreign", version: "1" });
await client.connect(transport);
const said = { tools: (await client.listTools()).tools };
const ask = ([name, args], options) => client.callTool({ name, arguments: args }, options);

if (plan.call) {
  said.progress = [];
  said.call = await ask(plan.call, { onprogress: (step) => said.progress.push(step.progress) });
}
if (plan.error) said.error = await ask(plan.error);
if (plan.abort) {
  const controller = new AbortController();
  createInterface({ input: process.stdin }).once("line", () => controller.abort());
  said.aborted = await ask(plan.abort, { signal: controller.signal }).then(() => "", (error) => String(error));
  said.after = (await client.listTools()).tools.length;
}
process.stdout.write(JSON.stringify(said) + "\n", async () => {
  await client.close();
  process.exit(0);
});
