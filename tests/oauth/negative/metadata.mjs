// What the server says of itself, its keys, and who may read it from a page of another origin.
// RFC 8414, OIDC Discovery 3, RFC 9207 3, RFC 7517, RFC 9700 2.1 and 2.6 (CORS).
import assert from 'node:assert/strict';
import { good } from '../lib/context.mjs';
import { noStore, wrongMethod } from '../lib/expect.mjs';
import { send } from '../lib/http.mjs';

const OPENID = '/.well-known/openid-configuration';
const OAUTH = '/.well-known/oauth-authorization-server';
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const NEEDED = [
  'issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri', 'response_types_supported', 'subject_types_supported',
  'id_token_signing_alg_values_supported', 'scopes_supported', 'grant_types_supported', 'code_challenge_methods_supported',
  'token_endpoint_auth_methods_supported',
];
const EVIL = 'https://evil.example';
const SPA = 'https://spa.example';
const preflight = (url, method, origin = EVIL) => send(url, {
  method: 'OPTIONS', headers: { Origin: origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'authorization,content-type,dpop' },
});
const allows = (answer) => answer.headers['access-control-allow-origin'];
// Nothing that a browser would hand to the page with the cookies of the person.
function notWithCookies(answer) {
  assert.notEqual(answer.headers['access-control-allow-credentials'], 'true', 'cookies of the person for any origin');
}
const closed = (name, address, method = 'GET') => [`no other origin reads ${name}`, async (t) => {
  const url = address(t);
  for (const answer of [await preflight(url, method), await send(url, { method, headers: { Origin: EVIL } })]) {
    assert.equal(allows(answer), undefined, `Access-Control-Allow-Origin: ${allows(answer)}`);
    notWithCookies(answer);
  }
}];
const open = (name, address) => [`every origin reads ${name}`, async (t) => {
  const answer = await send(address(t), { headers: { Origin: EVIL } });
  assert.ok(['*', EVIL].includes(allows(answer)), `Access-Control-Allow-Origin: ${allows(answer)}`);
  notWithCookies(answer);
}];

export default [
  ['both documents are there and agree', async (t) => {
    const [openid, oauth] = [await send(t.base + OPENID), await send(t.base + OAUTH)];
    for (const answer of [openid, oauth]) assert.match(answer.headers['content-type'], /^application\/json\b/);
    for (const [name, value] of Object.entries(good(oauth))) assert.deepEqual(openid.json[name], value, name);
  }],
  ['the issuer is where the document was found', async (t) => assert.equal(t.meta.issuer, t.base)],
  ['what RFC 8414 and OIDC want is there', async (t) => {
    for (const name of NEEDED) assert.ok(t.meta[name]?.length, name);
  }],
  ['every endpoint has the origin of the issuer', async (t) => {
    for (const [name, value] of Object.entries(t.meta)) if (/_endpoint$|_uri$/.test(name)) assert.equal(new URL(value).origin, new URL(t.base).origin, name);
  }],
  ['only codes are given', async (t) => {
    assert.deepEqual(t.meta.response_types_supported, ['code']);
    for (const grant of ['implicit', 'password']) assert.ok(!t.meta.grant_types_supported.includes(grant), grant);
  }],
  ['only S256 is named', async (t) => assert.deepEqual(t.meta.code_challenge_methods_supported, ['S256'])],
  ['iss in answers is promised', async (t) => assert.equal(t.meta.authorization_response_iss_parameter_supported, true)],
  ['neither none nor HS256 is named for signatures', async (t) => {
    for (const [name, values] of Object.entries(t.meta)) {
      if (/_alg_values_supported$/.test(name)) for (const value of values) assert.doesNotMatch(value, /^(none|HS\d+)$/i, name);
    }
  }],
  ['request objects are said not to be there', async (t) => {
    assert.ok(!t.meta.request_parameter_supported);
    assert.ok(!t.meta.request_uri_parameter_supported); // Its default is true (OIDC Discovery 3), so it has to be said.
    assert.equal(t.meta.request_uri_parameter_supported, false);
  }],
  ['methods of clients that need a signature come with algorithms (RFC 8414 2)', async (t) => {
    for (const endpoint of ['token', 'introspection', 'revocation']) {
      const methods = t.meta[`${endpoint}_endpoint_auth_methods_supported`] ?? [];
      const algorithms = t.meta[`${endpoint}_endpoint_auth_signing_alg_values_supported`] ?? [];
      assert.ok(!methods.includes('private_key_jwt') || algorithms.length, endpoint);
    }
  }],
  ['the keys are public ones, each with a kid, an algorithm and a use', async (t) => {
    const answer = await send(t.meta.jwks_uri);
    const { keys } = good(answer);
    assert.ok(keys.length);
    for (const key of keys) {
      for (const name of PRIVATE) assert.ok(!(name in key), `${name} is in a published key`);
      for (const name of ['kid', 'alg', 'use']) assert.ok(key[name], name);
      assert.ok(['EC', 'RSA', 'OKP'].includes(key.kty), key.kty);
    }
    assert.equal(new Set(keys.map(({ kid }) => kid)).size, keys.length, 'two keys of one kid');
  }],
  ['POST is refused at documents', async (t) => {
    for (const url of [t.base + OPENID, t.base + OAUTH, t.meta.jwks_uri]) wrongMethod(await send(url, { method: 'POST', body: '' }));
  }],
  ['an unknown path is not found', async (t) => {
    for (const path of ['/unknown', '/.well-known/unknown', '/token/', '/token/x', '/Token', '/.well-known/openid-configuration/']) {
      const answer = await send(t.base + path);
      assert.ok(answer.status === 404 || answer.status === 400, `${path}: ${answer.status}`);
    }
  }],
  ['HEAD is GET without a body', async (t) => assert.equal((await send(t.base + OPENID, { method: 'HEAD' })).status, 200)],
  ['another Host does not become the issuer', async (t) => {
    const answer = await send(t.base + OPENID, { headers: { Host: 'evil.example' } });
    assert.ok(!answer.text.includes('evil.example') || answer.status >= 400, answer.text.slice(0, 200));
  }],
  ['forwarding fields do not become the issuer', async (t) => {
    const answer = await send(t.base + OPENID, { headers: { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'gopher', Forwarded: 'host=evil.example' } });
    assert.ok(!answer.text.includes('evil.example'), answer.text.slice(0, 200));
  }],
  open('the metadata', (t) => t.base + OPENID),
  open('the keys', (t) => t.meta.jwks_uri),
  closed('the authorization endpoint', (t) => t.authorization('web').url),
  closed('pushed requests', (t) => t.meta.pushed_authorization_request_endpoint, 'POST'),
  closed('introspection', (t) => t.meta.introspection_endpoint, 'POST'),
  closed('device authorization', (t) => t.meta.device_authorization_endpoint, 'POST'),
  closed('the end of a session', (t) => t.meta.end_session_endpoint),
  ['a page of another origin reads no tokens', async (t) => {
    const { refresh_token } = await t.tokens('spa');
    const answer = await t.refresh('spa', refresh_token, {}, { headers: { Origin: EVIL } });
    assert.notEqual(allows(answer), EVIL);
    notWithCookies(answer);
  }],
  ['a page of a public client reads what is wrong with its request, and others do not', async (t) => {
    const asks = (origin) => [
      t.refresh('spa', 'x', {}, { headers: { Origin: origin } }),
      t.token('spa', {}, { headers: { Origin: origin } }),
      t.token('service', { grant_type: 'client_credentials', client_secret: 'x' }, { headers: { Origin: origin } }),
      t.token(null, { grant_type: 'refresh_token' }, { headers: { Origin: origin } }),
      t.call('revocation', 'spa', {}, { headers: { Origin: origin } }),
      t.userinfo('x', { headers: { Origin: origin } }),
    ];
    for (const answer of await Promise.all(asks(SPA))) {
      assert.ok(answer.status >= 400, String(answer.status));
      assert.equal(allows(answer), SPA, `${answer.status} ${answer.text}`);
      notWithCookies(answer);
    }
    for (const answer of await Promise.all(asks(EVIL))) {
      assert.ok(answer.status >= 400, String(answer.status));
      assert.equal(allows(answer), undefined);
    }
  }],
  ['only the very origin of a public client reads', async (t) => {
    const near = [
      'https://spa.example.evil.example', 'https://evil-spa.example', 'https://evil.example/spa.example', 'http://spa.example', 'https://spa.example:444',
      'https://spa.example/', 'https://spa.example/cb', 'https://user@spa.example', 'https://spa.example.', 'https://web.example', 'null', 'file://', '*',
      'https://spa.example https://evil.example', 'https://spa.example,https://evil.example', 'http://127.0.0.1:1', '',
    ];
    for (const origin of near) {
      const headers = { Origin: origin };
      for (const answer of [await t.refresh('spa', 'x', {}, { headers }), await t.userinfo('x', { headers }), await preflight(t.meta.token_endpoint, 'POST', origin)]) {
        assert.equal(allows(answer), undefined, `${origin}: ${allows(answer)}`);
        notWithCookies(answer);
      }
    }
  }],
  ['caches do not mix the answers for two origins', async (t) => {
    for (const origin of [SPA, EVIL, undefined]) {
      const headers = origin ? { Origin: origin } : {};
      for (const answer of [await t.refresh('spa', 'x', {}, { headers }), await t.userinfo('x', { headers }), await t.call('revocation', 'spa', {}, { headers })]) {
        assert.match(answer.headers.vary ?? '', /\borigin\b/i, `${origin}: no Vary: Origin`);
      }
    }
  }],
  ['a preflight allows what the endpoint has, and nothing to a stranger', async (t) => {
    for (const [url, method] of [[t.meta.token_endpoint, 'POST'], [t.meta.revocation_endpoint, 'POST'], [t.meta.userinfo_endpoint, 'GET']]) {
      const answer = await preflight(url, method, SPA);
      assert.ok([200, 204].includes(answer.status), `${url}: ${answer.status}`);
      assert.equal(allows(answer), SPA, url);
      assert.match(answer.headers['access-control-allow-methods'], new RegExp(`\\b${method}\\b`));
      assert.doesNotMatch(answer.headers['access-control-allow-methods'], /\*|PUT|DELETE/);
      for (const field of ['authorization', 'content-type', 'dpop']) assert.match(answer.headers['access-control-allow-headers'], new RegExp(`\\b${field}\\b`, 'i'));
      assert.doesNotMatch(answer.headers['access-control-allow-headers'], /\*|cookie/i);
      const stranger = await preflight(url, method);
      for (const name of Object.keys(stranger.headers)) assert.ok(!name.startsWith('access-control-'), `${url}: ${name}`);
    }
  }],
  ['a page of a public client reads the nonce for its next proof (RFC 9449 8.2)', async (t) => {
    const answer = await t.refresh('spa', 'x', {}, { headers: { Origin: SPA } });
    assert.match(answer.headers['access-control-expose-headers'] ?? '', /\bDPoP-Nonce\b/i);
    assert.doesNotMatch(answer.headers['access-control-expose-headers'] ?? '', /\*/);
  }],
  ['a page of a public client reads its own tokens (draft-ietf-oauth-browser-based-apps)', async (t) => {
    const { refresh_token } = await t.tokens('spa');
    const answer = await t.refresh('spa', refresh_token, {}, { headers: { Origin: 'https://spa.example' } });
    assert.ok(['*', 'https://spa.example'].includes(allows(answer)), `Access-Control-Allow-Origin: ${allows(answer)}`);
    notWithCookies(answer);
  }],
  ['a preflight of the token endpoint allows no cookies', async (t) => {
    const answer = await preflight(t.meta.token_endpoint, 'POST', 'https://spa.example');
    assert.ok([200, 204].includes(answer.status), String(answer.status));
    notWithCookies(answer);
  }],
  ['an origin that is null reads nothing', async (t) => {
    const { refresh_token } = await t.tokens('spa');
    const answer = await t.refresh('spa', refresh_token, {}, { headers: { Origin: 'null' } });
    assert.notEqual(allows(answer), 'null');
  }],
  ['what is told about a person is not kept', async (t) => noStore(await t.userinfo((await t.tokens()).access_token))],
];
