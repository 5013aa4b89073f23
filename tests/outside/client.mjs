// One call with the official TypeScript client.
// node client.mjs '{"url"|"command", "token", "headers", "era", "tool", "arguments"}' prints one JSON object:
// {tools, result} or {tools, error: {name, code, message, data}}; {connect: {...}} when it could not connect.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const want = JSON.parse(process.argv[2]);
const require = createRequire(process.env.HAECHI_OUTSIDE + '/');
const load = async (name) => import(pathToFileURL(require.resolve(name)));
const sdk = await load('@modelcontextprotocol/client');

const told = (error) => ({
  name: error?.constructor?.name,
  code: error?.code,
  message: error?.message,
  data: error?.data,
});

async function transport() {
  if (want.command) {
    const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');
    return new StdioClientTransport({
      command: want.command[0],
      args: want.command.slice(1),
      env: { ...process.env, ...(want.env ?? {}) },
      stderr: 'ignore',
    });
  }
  const headers = { ...(want.token ? { authorization: `Bearer ${want.token}` } : {}), ...(want.headers ?? {}) };
  return new sdk.StreamableHTTPClientTransport(new URL(want.url), { requestInit: { headers } });
}

const mode = want.era === 'modern' ? { pin: '2026-07-28' } : (want.era ?? 'auto');
const client = new sdk.Client({ name: 'outside-ts', version: '1' }, { versionNegotiation: { mode } });
const said = {};
try {
  await client.connect(await transport());
  said.version = client.getNegotiatedProtocolVersion?.();
  try {
    said.tools = (await client.listTools()).tools.map((tool) => tool.name);
    if (want.tool) said.result = await client.callTool({ name: want.tool, arguments: want.arguments ?? {} });
  } catch (error) {
    said.error = told(error);
  }
} catch (error) {
  said.connect = told(error);
}
console.log(JSON.stringify(said));
await Promise.race([client.close(), new Promise((done) => setTimeout(done, 2000))]);
process.exit(0);
