// npm oidc-provider as a foreign issuer with client_credentials: prints its port. Access tokens are JWTs (RFC 9068) for
// the resource that is asked for, or opaque ones where its name begins with urn:opaque:. Opaque ones can be asked about
// (RFC 7662) and revoked (RFC 7009).
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'oidc-1' };
const server = createServer((request, response) => handle(request, response));
let handle;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys: [key] },
    clients: [{
      client_id: 'web', client_secret: 'a-secret-of-the-tests', grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], id_token_signed_response_alg: 'ES256',
    }, {
      client_id: 'gateway', client_secret: 'another secret: of the+tests', grant_types: [], redirect_uris: [],
      response_types: [], id_token_signed_response_alg: 'ES256',
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (context, resource) => ({
          scope: 'read', audience: resource, accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } },
          accessTokenFormat: resource.startsWith('urn:opaque:') ? 'opaque' : 'jwt',
        }),
      },
    },
  });
  handle = provider.callback();
  console.log(port);
});
