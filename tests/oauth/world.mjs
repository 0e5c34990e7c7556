// Who takes part in the tests of the authorization server: people, clients with their secrets and keys, audiences.
// Written once as JSON; our server's configuration, oidc-provider's and the tests are all made from it.
//     node world.mjs >world.json
import { generateKeyPairSync, randomBytes } from 'node:crypto';

const ORDERS = 'https://orders.example';
const INVOICES = 'https://invoices.example';

// Secrets with characters that have to be encoded (RFC 6749 2.3.1), and passwords with blanks and umlauts.
const secret = () => `s+%: ${randomBytes(24).toString('base64url')}`;
const password = () => `pä ss&${randomBytes(9).toString('base64url')}`;

function key(kid, kind) {
  const pair = kind === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const more = { kid, alg: kind, use: 'sig' };
  return {
    private: { ...pair.privateKey.export({ format: 'jwk' }), ...more },
    public: { ...pair.publicKey.export({ format: 'jwk' }), ...more },
  };
}

const claims = (name) => ({
  name: `${name} Example`, email: `${name}@example.com`, email_verified: 'true', phone_number: '+49 30 1234', address: '1 Road, Town', updated_at: '1790000000',
});
const user = (name) => ({ password: password(), claims: claims(name) });
const people = ['openid', 'profile', 'email', 'orders:read', 'orders:write'];
const code = ['authorization_code', 'refresh_token'];
const service = { grants: ['client_credentials'], scopes: ['orders:read', 'orders:write'], audiences: [ORDERS] };
const forwarder = (kid) => ({
  auth: 'private_key_jwt', key: key(kid, 'ES256'), grants: ['client_credentials', 'token_exchange'], scopes: ['orders:read'], audiences: [INVOICES],
});

const clients = {
  service: { ...service, auth: 'client_secret_basic', secret: secret() },
  poster: { ...service, auth: 'client_secret_post', secret: secret() },
  keyed: { ...service, auth: 'private_key_jwt', key: key('keyed-1', 'ES256') },
  keyedrsa: { ...service, auth: 'private_key_jwt', key: key('keyedrsa-1', 'RS256') },
  reader: { ...service, auth: 'client_secret_basic', secret: secret(), scopes: ['orders:read'], audiences: [ORDERS, INVOICES] },
  gateway: { auth: 'client_secret_basic', secret: secret(), grants: [], scopes: [], audiences: [ORDERS], introspects: true },
  web: {
    auth: 'client_secret_basic', secret: secret(), grants: code, scopes: people, audiences: [ORDERS],
    redirect_uris: ['https://web.example/cb'], post_logout_redirect_uris: ['https://web.example/out'],
  },
  other: {
    auth: 'client_secret_basic', secret: secret(), grants: code, scopes: people, audiences: [ORDERS],
    redirect_uris: ['https://other.example/cb'], post_logout_redirect_uris: ['https://other.example/out'],
  },
  spa: { auth: 'none', grants: code, scopes: people, audiences: [ORDERS], redirect_uris: ['https://spa.example/cb'] },
  native: { auth: 'none', grants: code, scopes: people, audiences: [ORDERS], redirect_uris: ['http://127.0.0.1/cb'] },
  tv: { auth: 'none', grants: ['device_code', 'refresh_token'], scopes: people, audiences: [ORDERS] },
  tv2: { auth: 'none', grants: ['device_code', 'refresh_token'], scopes: people, audiences: [ORDERS] },
  workload: {
    auth: 'private_key_jwt', key: key('workload-1', 'ES256'), grants: ['client_credentials', 'token_exchange'], scopes: ['orders:read'],
    audiences: [ORDERS], exchange: { subjects: ['user:*', 'client:service', 'client:workload'], audiences: [ORDERS], actors: ['client:exchanger'] },
  },
  bridge: {
    auth: 'client_secret_basic', secret: secret(), grants: ['jwt_bearer', 'token_exchange'], scopes: ['orders:read'], audiences: [ORDERS],
    exchange: { subjects: ['partner:*'], audiences: [ORDERS] },
  },
  diplomat: {
    auth: 'client_secret_basic', secret: secret(), grants: ['jwt_bearer', 'token_exchange'], scopes: ['orders:read'], audiences: [ORDERS],
    exchange: { subjects: ['ally:carol', 'user:*'], audiences: [ORDERS] },
  },
  // Whose tokens they take depends on whom these were for: named, others named, nobody named.
  relay: { ...forwarder('relay-1'), exchange: { subjects: ['user:*', 'partner:*', 'client:caller'], audiences: [INVOICES], from: [ORDERS] } },
  narrow: { ...forwarder('narrow-1'), audiences: [ORDERS, INVOICES], exchange: { subjects: ['user:*', 'client:caller'], audiences: [INVOICES], from: [INVOICES] } },
  strict: { ...forwarder('strict-1'), exchange: { subjects: ['user:*', 'client:caller'], audiences: [INVOICES] } },
  caller: { ...service, auth: 'client_secret_basic', secret: secret(), audiences: ['strict'] },
  // What only our server knows; `more` is for its configuration.
  suite: {
    ours: true, auth: 'client_secret_basic', secret: secret(), grants: code, scopes: [...people, 'phone', 'address', 'offline_access'], audiences: [ORDERS],
    redirect_uris: ['https://suite.example/cb', 'https://suite.example/cb?tenant=1'],
    post_logout_redirect_uris: ['https://suite.example/out', 'https://suite.example/out?a=b'],
  },
  severe: {
    ours: true, auth: 'private_key_jwt', key: key('severe-1', 'ES256'), grants: code, scopes: people, audiences: [ORDERS],
    redirect_uris: ['https://severe.example/cb'], more: 'require_pushed_requests on; bind_tokens on;',
  },
  veteran: { ...service, ours: true, auth: 'private_key_jwt', key: key('veteran-1', 'ES256'), more: 'old_assertions on;' },
  exchanger: {
    auth: 'client_secret_basic', secret: secret(), grants: ['client_credentials', 'token_exchange'], scopes: ['orders:read'],
    audiences: [ORDERS, INVOICES], exchange: { subjects: ['user:*', 'client:service'], audiences: [INVOICES], actors: ['client:workload'] },
  },
};

// Issuers of others, whose subjects are known as KIND:NAME; those of `staff` are people of ours.
const issuers = {
  partner: { issuer: 'https://idp.partner.example', kind: 'partner', key: key('partner-1', 'ES256') },
  ally: { issuer: 'https://idp.ally.example', kind: 'ally', key: key('ally-1', 'ES256') },
  staff: { issuer: 'https://idp.staff.example', kind: 'user', key: key('staff-1', 'ES256') },
};
const world = { issuers, partner: issuers.partner, trust_domain: 'shop.internal', orders: ORDERS, invoices: INVOICES, users: { alice: user('alice'), bob: user('bob') }, clients };
process.stdout.write(`${JSON.stringify(world, null, 1)}\n`);
