// npm oidc-provider with the people and clients of world.mjs: another server to ask whether our expectations are those of
// the RFCs. Prints its port; lives until its standard input ends.
//     node oracle_provider.mjs world.json [opaque|jwt]
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const ASYMMETRIC = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const world = JSON.parse(readFileSync(process.argv[2]));
const format = process.argv[3] ?? 'opaque';

function metadata([client_id, client]) {
  // What oidc-provider does not have is left out; such cases are not asked of it.
  const grants = client.grants.filter((grant) => !['token_exchange', 'jwt_bearer'].includes(grant)).map((grant) => (grant === 'device_code' ? DEVICE : grant));
  const loopback = client.redirect_uris?.some((uri) => uri.startsWith('http:'));
  return {
    client_id,
    ...(client.secret && { client_secret: client.secret }),
    ...(client.key && { jwks: { keys: [client.key.public] } }),
    ...(client.scopes.length && { scope: client.scopes.join(' ') }),
    ...(client.post_logout_redirect_uris && { post_logout_redirect_uris: client.post_logout_redirect_uris }),
    grant_types: grants,
    redirect_uris: client.redirect_uris ?? [],
    response_types: client.redirect_uris ? ['code'] : [],
    token_endpoint_auth_method: client.auth,
    application_type: loopback ? 'native' : 'web',
    id_token_signed_response_alg: 'ES256',
  };
}

const audiencesOf = (client) => world.clients[client.clientId].audiences;

async function configuration() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'oracle-1' }] },
    clients: Object.entries(world.clients).filter(([, client]) => !client.ours).map(metadata),
    responseTypes: ['code'],
    scopes: ['openid', 'offline_access', 'orders:read', 'orders:write'],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    cookies: { keys: ['a key of the tests'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    enabledJWA: { clientAuthSigningAlgValues: ASYMMETRIC },
    issueRefreshToken: (context, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (context, id) => world.users[id] && { accountId: id, claims: () => ({ sub: id, ...world.users[id].claims }) },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7) },
      resourceIndicators: {
        enabled: true,
        defaultResource: (context, client) => {
          const audiences = audiencesOf(client);
          return client.grantTypeAllowed('client_credentials') && audiences.length === 1 ? audiences[0] : undefined;
        },
        useGrantedResource: () => true,
        getResourceServerInfo: (context, resource, client) => {
          if (!audiencesOf(client).includes(resource)) throw new errors.InvalidTarget();
          return { scope: 'orders:read orders:write', audience: resource, accessTokenTTL: 600, accessTokenFormat: format, jwt: { sign: { alg: 'ES256' } } };
        },
      },
    },
  };
}

let handle;
const server = createServer((request, response) => handle(request, response));
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  handle = new Provider(`http://127.0.0.1:${port}`, await configuration()).callback();
  console.log(port);
});
process.stdin.on('end', () => process.exit()).resume();
