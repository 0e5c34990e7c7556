// npm oidc-provider as `./dev bench --oauth` measures it: one client that gets ES256 JWTs for itself, one that asks about
// tokens. Its store is in memory, and nothing is logged.
//     node bench_provider.mjs PORT SECRET
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const [port, client_secret] = process.argv.slice(2);
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const client = { client_secret, redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'bench-1' }] },
  clients: [
    { ...client, client_id: 'bench', grant_types: ['client_credentials'], scope: 'read' },
    { ...client, client_id: 'gateway', grant_types: [] },
  ],
  scopes: ['read'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // It can be asked about opaque tokens only, and about no JWT.
      getResourceServerInfo: (context, resource) => ({
        scope: 'read', audience: resource, accessTokenTTL: 3600, accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
createServer(provider.callback()).listen(Number(port), '127.0.0.1');
