// openid-client, an independent client that takes nothing on trust, against one authorization server.
// node strict.mjs '{"issuer", "client_id", "port", "resource", "scope", "server": {"client_id",
// "client_secret"}, "subject", "parts"}' prints {"open": URL} when a browser is wanted, whose answer it
// takes on http://127.0.0.1:PORT/callback, and {"check", "held", "detail"} for each thing that must hold.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const want = JSON.parse(process.argv[2]);
const require = createRequire(process.env.HAECHI_OUTSIDE + '/');
const oidc = await import(pathToFileURL(require.resolve('openid-client')));
const redirect = `http://127.0.0.1:${want.port}/callback`;
const insecure = { execute: [oidc.allowInsecureRequests] }; // http, on this machine only
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token';

const say = (what) => console.log(JSON.stringify(what));
const short = (value) => JSON.stringify(value ?? null).replace(/(eyJ|hr_)[\w.-]+/g, '[token]').slice(0, 400);
const told = (error) => ({ error: error?.error ?? error?.code ?? error?.name, why: error?.error_description ?? error?.message, cause: error?.cause?.message ?? error?.cause });
const check = (name, held, detail) => say({ check: name, held: Boolean(held), detail: short(detail) });

// Runs one part; what it throws is a check that failed.
async function part(name, body) {
  if (want.parts && !want.parts.includes(name)) return;
  try {
    await body();
  } catch (error) {
    check(name, false, told(error));
  }
}

// Holds when `call` is refused with this error of the standard, and not otherwise.
async function refused(name, code, call) {
  try {
    check(`${name}: ${code}`, false, await call());
  } catch (error) {
    check(`${name}: ${code}`, error?.error === code, told(error));
  }
}

let waiting;
createServer((request, answer) => {
  const url = new URL(request.url, redirect);
  answer.end('you may close this window');
  if (url.pathname === '/callback') waiting?.(url);
}).listen(want.port, '127.0.0.1');

// One request for authorization, as far as the code; `more` are parameters of the request.
async function asked(config, more = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope: want.scope,
    resource: want.resource,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  });
  const arrived = new Promise((done) => { waiting = done; });
  say({ open: url.href });
  const back = await arrived;
  return { back, checks: { ...checks, idTokenExpected: true } };
}

const finish = (config, { back, checks }, options) =>
  oidc.authorizationCodeGrant(config, back, checks, { resource: want.resource }, options);

const hello = JSON.stringify({
  jsonrpc: '2.0', id: 0, method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'strict', version: '1' } },
});
const headers = () => new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' });

// The status of a call of the resource with this token.
async function status(config, token, options) {
  try {
    const url = new URL(want.resource);
    const answer = await oidc.fetchProtectedResource(config, token, url, 'POST', hello, headers(), options);
    return answer.status;
  } catch (error) {
    return error?.status ?? error?.cause?.status ?? error?.response?.status ?? told(error);
  }
}

const discover = (id, metadata, proof) => oidc.discovery(new URL(want.issuer), id, metadata, proof, insecure);
const config = await discover(want.client_id, { token_endpoint_auth_method: 'none' }, oidc.None());
const server = want.server
  && (await discover(want.server.client_id, undefined, oidc.ClientSecretBasic(want.server.client_secret)));

await part('code', async () => {
  const metadata = config.serverMetadata();
  check('metadata: S256 and no other', short(metadata.code_challenge_methods_supported) === '["S256"]', metadata);
  check('metadata: `iss` in answers (RFC 9207)', metadata.authorization_response_iss_parameter_supported === true);
  const visit = await asked(config);
  check('the answer names its issuer', visit.back.searchParams.get('iss') === want.issuer, visit.back.search);
  const tokens = await finish(config, visit);
  check('code and PKCE: tokens', tokens.access_token && tokens.token_type === 'bearer', tokens);
  check('the ID token is for the person', !want.subject || tokens.claims()?.sub === want.subject, tokens.claims());
  check('the resource takes the token: 200', (await status(config, tokens.access_token)) === 200);
  await refused('the code a second time', 'invalid_grant', () => finish(config, visit));
  const after = await status(config, tokens.access_token);
  check('and what came of it has ended: 401', after === 401, after);
});

await part('pkce', async () => {
  const good = await asked(config);
  const wrong = { back: good.back, checks: { ...good.checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() } };
  await refused('another verifier', 'invalid_grant', () => finish(config, wrong));
  const other = await asked(config);
  const without = { back: other.back, checks: { ...other.checks, pkceCodeVerifier: undefined } };
  try {
    check('no verifier', false, await finish(config, without));
  } catch (error) {
    check('no verifier', ['invalid_grant', 'invalid_request'].includes(error?.error), told(error));
  }
});

await part('refresh', async () => {
  const first = await finish(config, await asked(config));
  const more = { resource: want.resource };
  const second = await oidc.refreshTokenGrant(config, first.refresh_token, more);
  check('refresh: new tokens', second.refresh_token && second.refresh_token !== first.refresh_token, second);
  check('the resource takes the new token: 200', (await status(config, second.access_token)) === 200);
  const third = await oidc.refreshTokenGrant(config, second.refresh_token, more);
  await refused('a refresh token used before', 'invalid_grant', () => oidc.refreshTokenGrant(config, first.refresh_token, more));
  await refused('then the newest of its family', 'invalid_grant', () => oidc.refreshTokenGrant(config, third.refresh_token, more));
  const after = await status(config, third.access_token);
  check('and its access token has ended: 401', after === 401, after);
});

await part('introspection', async () => {
  const tokens = await finish(config, await asked(config));
  const seen = await oidc.tokenIntrospection(server, tokens.access_token);
  check('introspection: active, for whom and where', seen.active && seen.client_id === want.client_id && [seen.aud].flat().includes(want.resource), seen);
  const dull = await oidc.tokenIntrospection(server, `${tokens.access_token.slice(0, -4)}AAAA`);
  check('introspection of a changed token: inactive and nothing else', short(dull) === '{"active":false}', dull);
  try {
    check('introspection by a client without a secret is refused', false, await oidc.tokenIntrospection(config, tokens.access_token));
  } catch (error) {
    const code = error?.error ?? [error?.cause].flat()[0]?.parameters?.error ?? error?.code;
    check('introspection by a client without a secret is refused', error?.status === 401 || /invalid_client|unauthorized|CHALLENGE/.test(code), told(error));
  }
  check('before revocation: 200', (await status(config, tokens.access_token)) === 200);
  await oidc.tokenRevocation(config, tokens.refresh_token ?? tokens.access_token);
  const after = await status(config, tokens.access_token);
  check('after revocation: 401', after === 401, after);
  const gone = await oidc.tokenIntrospection(server, tokens.access_token);
  check('introspection after revocation: inactive', gone.active === false, gone);
});

await part('machine', async () => {
  const tokens = await oidc.clientCredentialsGrant(server, { resource: want.resource, scope: want.machine_scope ?? 'tools:call' });
  check('client credentials: a token, and none to refresh', tokens.access_token && !tokens.refresh_token, tokens);
  check('the resource takes it: 200', (await status(server, tokens.access_token)) === 200);
  const liar = await discover(want.server.client_id, undefined, oidc.ClientSecretBasic('not its secret'));
  try {
    check('a wrong secret is refused', false, await oidc.clientCredentialsGrant(liar, { resource: want.resource }));
  } catch (error) {
    check('a wrong secret is refused', error?.status === 401 || error?.error === 'invalid_client', told(error));
  }
});

await part('exchange', async () => {
  const tokens = await finish(config, await asked(config));
  const order = { subject_token: tokens.access_token, subject_token_type: ACCESS, scope: 'tools:call', [want.audience ? 'audience' : 'resource']: want.audience ?? want.resource };
  const swapped = await oidc.genericGrantRequest(server, EXCHANGE, order);
  check('exchange: an access token', swapped.access_token && swapped.issued_token_type === ACCESS, swapped);
  const seen = await oidc.tokenIntrospection(server, swapped.access_token);
  check('exchange: the person stays, the actor is named', seen.active && (!want.subject || seen.sub === want.subject) && seen.act?.sub, seen);
  try {
    const made = await oidc.genericGrantRequest(server, EXCHANGE, { ...order, subject_token: `${tokens.access_token.slice(0, -4)}AAAA` });
    check('exchange of a changed token is refused', false, made);
  } catch (error) {
    check('exchange of a changed token is refused', ['invalid_request', 'invalid_grant'].includes(error?.error), told(error));
  }
  try {
    const made = await oidc.genericGrantRequest(server, EXCHANGE, { ...order, scope: 'tools:call tools:everything' });
    check('exchange for more than there was is refused', false, made);
  } catch (error) {
    check('exchange for more than there was is refused', error?.error === 'invalid_scope', told(error));
  }
});

await part('dpop', async () => {
  const key = await oidc.randomDPoPKeyPair('ES256');
  const DPoP = oidc.getDPoPHandle(config, key);
  const tokens = await finish(config, await asked(config, { dpop_jkt: await DPoP.calculateThumbprint() }), { DPoP });
  check('DPoP: the token is bound', tokens.token_type === 'dpop', tokens.token_type);
  check('with a proof: 200', (await status(config, tokens.access_token, { DPoP })) === 200);
  const bearer = await fetch(want.resource, {
    method: 'POST', body: hello, headers: { ...Object.fromEntries(headers()), authorization: `Bearer ${tokens.access_token}` },
  });
  check('as a bearer token: 401', bearer.status === 401, bearer.status);
  const stranger = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
  const stolen = await status(config, tokens.access_token, { DPoP: stranger });
  check('with a proof of another key: 401', stolen === 401, stolen);
  const more = { resource: want.resource };
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, more, { DPoP });
  check('refresh with the same key: bound again', next.token_type === 'dpop', next.token_type);
  try {
    check('refresh with another key is refused', false, await oidc.refreshTokenGrant(config, next.refresh_token, more, { DPoP: stranger }));
  } catch (error) {
    check('refresh with another key is refused', ['invalid_grant', 'invalid_dpop_proof'].includes(error?.error), told(error));
  }
});

process.exit(0);
