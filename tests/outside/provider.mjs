// Somebody else's authorization server and OpenID provider: oidc-provider, whose author certifies it.
// node provider.mjs '{"port", "format": "jwt"|"opaque", "clients": [...]}'; people sign in by any name.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const want = JSON.parse(process.argv[2]);
const require = createRequire(process.env.HAECHI_OUTSIDE + '/');
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const issuer = `http://127.0.0.1:${want.port}`;

// What it knows of a person, who signed in as `yuna-7`.
function person(id) {
  const first = id.split('-')[0];
  return {
    sub: id,
    name: `${first[0].toUpperCase()}${first.slice(1)} Kim`,
    preferred_username: first,
    email: `${first}@example.com`,
    email_verified: true,
    groups: want.groups?.[first] ?? ['staff'],
  };
}

// The client whose tokens are over at once; everybody else's last longer than a test.
const lifetime = (client) => (client.clientId === 'brief' ? 1 : 600);

const provider = new Provider(issuer, {
  clients: want.clients,
  scopes: ['openid', 'offline_access', 'tools:read', 'tools:call'],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'preferred_username'],
    groups: ['groups'],
  },
  conformIdTokenClaims: false,
  findAccount: async (_, id) => ({ accountId: id, claims: async () => person(id) }),
  // By itself it says of an opaque token of a client for itself only which client that is.
  extraTokenClaims: async (_, token) =>
    token.accountId ? person(token.accountId) : { sub: token.clientId, groups: ['robots'] },
  features: {
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_, resource, client) => ({
        scope: 'tools:read tools:call',
        audience: resource,
        accessTokenTTL: lifetime(client),
        accessTokenFormat: want.format ?? 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
      useGrantedResource: () => true,
    },
  },
  ttl: {
    AccessToken: 600, ClientCredentials: (_, token, client) => lifetime(client), IdToken: 600,
    Grant: 3600, Interaction: 600, Session: 3600, RefreshToken: 3600,
  },
});
provider.on('server_error', (_, error) => console.error(error));
provider.listen(want.port, '127.0.0.1', () => console.log('listening', issuer));
