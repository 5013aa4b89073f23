// The official TypeScript client signs in by itself: its own discovery, PKCE, token request and checks.
// node signed_in.mjs '{"url", "client_id", "port", "era", "tool", "arguments"}' prints {"open": URL} for a
// browser, takes the answer on http://127.0.0.1:PORT/callback, and prints one object as client.mjs does.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const want = JSON.parse(process.argv[2]);
const require = createRequire(process.env.HAECHI_OUTSIDE + '/');
const sdk = await import(pathToFileURL(require.resolve('@modelcontextprotocol/client')));
const told = (error) => ({ name: error?.constructor?.name, code: error?.code, message: error?.message });

const redirectUrl = `http://127.0.0.1:${want.port}/callback`;
const arrived = new Promise((done) => {
  const server = createServer((request, answer) => {
    const { pathname, searchParams } = new URL(request.url, redirectUrl);
    answer.end('you may close this window');
    if (pathname === '/callback') server.close(() => {}) && done(searchParams);
  });
  server.listen(want.port, '127.0.0.1');
});

const kept = { client: want.client_id ? { client_id: want.client_id } : undefined, state: randomUUID() };
const authProvider = {
  redirectUrl,
  clientMetadata: {
    client_name: 'outside TypeScript', redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], application_type: 'native',
  },
  state: () => kept.state,
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (url) => console.log(JSON.stringify({ open: url.href })),
};

const transport = () => new sdk.StreamableHTTPClientTransport(new URL(want.url), { authProvider });
const mode = want.era === 'modern' ? { pin: '2026-07-28' } : (want.era ?? 'auto');
const make = () => new sdk.Client({ name: 'outside-ts', version: '1' }, { versionNegotiation: { mode } });

async function connected() {
  const first = transport();
  try {
    const client = make();
    await client.connect(first);
    return client;
  } catch (error) {
    if (!(error instanceof sdk.UnauthorizedError) && error?.name !== 'UnauthorizedError') throw error;
  }
  const answer = await arrived;
  if (answer.get('state') !== kept.state) throw new Error('the state is not the one that was sent');
  await first.finishAuth(answer);
  const client = make();
  await client.connect(transport());
  return client;
}

const said = {};
try {
  const client = await connected();
  said.version = client.getNegotiatedProtocolVersion?.();
  try {
    said.tools = (await client.listTools()).tools.map((tool) => tool.name);
    said.result = await client.callTool({ name: want.tool, arguments: want.arguments ?? {} });
  } catch (error) {
    said.error = told(error);
  }
} catch (error) {
  said.connect = told(error);
}
said.granted = kept.tokens?.scope;
said.refresh = Boolean(kept.tokens?.refresh_token);
console.log(JSON.stringify(said));
process.exit(0);
