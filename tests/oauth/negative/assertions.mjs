// Assertions by which a client proves who it is: RFC 7523 3, OIDC Core 9, RFC 8725.
import assert from 'node:assert/strict';
import { createSign, randomUUID } from 'node:crypto';
import { ASSERTION, BEARER_GRANT, good } from '../lib/context.mjs';
import { notServed, notTheClient, refused } from '../lib/expect.mjs';
import { assertion, b64, forge, makeKey, now, pemOf, tampered } from '../lib/forge.mjs';
import { onlyOurs, skip } from '../lib/suite.mjs';

const grant = { grant_type: 'client_credentials' };
const show = (t, client_assertion, more = {}) => t.call('token', null, { ...grant, client_assertion_type: ASSERTION, client_assertion, ...more });
const make = (t, changes = {}, id = 'keyed') => assertion(id, t.client(id), t.meta.issuer, changes);
const bad = (name, changes, id) => [`${name} is refused`, async (t) => {
  const made = typeof changes === 'function' ? changes(t) : changes;
  notTheClient(await show(t, typeof made === 'string' ? made : make(t, made, id)), { also: ['invalid_request'] });
}];

export default [
  ['a good assertion is accepted', async (t) => good(await show(t, make(t)))],
  ['a good assertion of an RSA key is accepted', async (t) => good(await show(t, make(t, {}, 'keyedrsa')))],
  ['the client_id beside it does no harm where it is the same', async (t) => good(await show(t, make(t), { client_id: 'keyed' }))],
  ['the client_id beside it has to be the same', async (t) => notTheClient(await show(t, make(t), { client_id: 'keyedrsa' }), { also: ['invalid_request'] })],
  ['an assertion is good once', async (t) => {
    const once = make(t);
    good(await show(t, once));
    notTheClient(await show(t, once));
  }],
  ['the jti of an assertion is good once', async (t) => {
    const jti = randomUUID();
    good(await show(t, make(t, { claims: { jti } })));
    notTheClient(await show(t, make(t, { claims: { jti, iat: now() - 1 } })));
  }],
  ['of one assertion shown many times at the same moment one succeeds', async (t) => {
    const once = make(t);
    const answers = await Promise.all(Array.from({ length: 8 }, () => show(t, once)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  }],
  bad('another audience', { claims: { aud: 'https://other.example' } }),
  bad('no audience', { claims: { aud: undefined } }),
  bad('an empty audience', { claims: { aud: '' } }),
  bad('an audience with a slash more', (t) => ({ claims: { aud: `${t.meta.issuer}/` } })),
  bad('the token endpoint as audience (RFC 9700 and OpenID Foundation, 2025: only the issuer)', (t) => ({ claims: { aud: t.meta.token_endpoint } })),
  // RFC 7523 3 item 3, RFC 9126 2: what a client with `old_assertions` may do, and what it may not either.
  ...[(t) => t.meta.token_endpoint, (t) => t.meta.pushed_authorization_request_endpoint, (t) => [t.meta.issuer, t.meta.token_endpoint],
    (t) => [t.meta.token_endpoint, 'https://other.example'], (t) => t.meta.issuer].map((aud, at) => [`a client with old_assertions may say whom they are for in its way (${at})`, async (t) => {
    onlyOurs(t);
    good(await show(t, make(t, { claims: { aud: aud(t), exp: now() + 3600 } }, 'veteran')));
  }]),
  ...[(t) => `${t.meta.token_endpoint}/`, (t) => t.meta.userinfo_endpoint, () => 'https://other.example/token', () => ['https://other.example'], () => [], (t) => ({ a: t.meta.issuer }),
    (t) => [[t.meta.issuer]]].map((aud, at) => [`a client with old_assertions may not make them for others (${at})`, async (t) => {
    onlyOurs(t);
    notTheClient(await show(t, make(t, { claims: { aud: aud(t) } }, 'veteran')));
  }]),
  ['a client with old_assertions may not make them for a day, and shows each once', async (t) => {
    onlyOurs(t);
    notTheClient(await show(t, make(t, { claims: { exp: now() + 86_400 } }, 'veteran')));
    const once = make(t, { claims: { aud: t.meta.token_endpoint, exp: now() + 3600 } }, 'veteran');
    good(await show(t, once));
    notTheClient(await show(t, once));
  }],
  ['an assertion for an hour is refused, and the client is told why', async (t) => {
    onlyOurs(t);
    const answer = await show(t, make(t, { claims: { exp: now() + 3600 } }));
    notTheClient(answer);
    assert.equal(answer.json.error_description, 'client_assertion: exp is more than 5 minutes ahead');
  }],
  ['who cannot sign learns nothing of a client: not even that it has old_assertions', async (t) => {
    onlyOurs(t);
    for (const id of ['keyed', 'veteran']) {
      const answer = await show(t, make(t, { claims: { aud: t.meta.token_endpoint }, jwk: makeKey().private }, id));
      notTheClient(answer);
      assert.equal(answer.json.error_description, 'client authentication failed');
    }
  }],
  bad('an audience of two', (t) => ({ claims: { aud: [t.meta.issuer, 'https://other.example'] } })),
  bad('an audience that is an object', (t) => ({ claims: { aud: { a: t.meta.issuer } } })),
  bad('an expired one', { claims: { iat: now() - 700, exp: now() - 600 } }),
  bad('one without exp', { claims: { exp: undefined } }),
  bad('an exp as text', { claims: { exp: String(now() + 60) } }),
  bad('an exp a day ahead', { claims: { exp: now() + 86_400 } }),
  bad('an exp of no finite number', (t) => {
    const [head, , ] = make(t).split('.');
    return `${head}.${b64(`{"iss":"keyed","sub":"keyed","aud":"${t.meta.issuer}","jti":"${randomUUID()}","exp":1e999}`)}.AAAA`;
  }),
  bad('an nbf in the future', { claims: { nbf: now() + 600 } }),
  bad('an iat in the future', { claims: { iat: now() + 3600, exp: now() + 3660 } }),
  bad('one without jti', { claims: { jti: undefined } }),
  bad('an empty jti', { claims: { jti: '' } }),
  bad('a jti that is a number', { claims: { jti: 5 } }),
  bad('one without iss', { claims: { iss: undefined } }),
  bad('another iss', { claims: { iss: 'keyedrsa' } }),
  bad('one without sub', { claims: { sub: undefined } }),
  bad('the sub of another client', { claims: { sub: 'keyedrsa' } }),
  bad('iss and sub of another client', { claims: { sub: 'keyedrsa', iss: 'keyedrsa' } }),
  bad('an unknown client', { claims: { sub: 'nobody', iss: 'nobody' } }),
  bad('alg none', { header: { alg: 'none' } }),
  bad('alg None', { header: { alg: 'None' } }),
  bad('one without alg', (t) => {
    const [, payload, signature] = make(t).split('.');
    return `${b64({ kid: 'keyed-1' })}.${payload}.${signature}`;
  }),
  bad('HS256 with the public key as PEM', (t) => ({ header: { alg: 'HS256' }, secret: pemOf(t.client('keyedrsa').key.public) }), 'keyedrsa'),
  bad('HS256 with the public key as JWK', (t) => ({ header: { alg: 'HS256' }, secret: JSON.stringify(t.client('keyedrsa').key.public) }), 'keyedrsa'),
  bad('HS256 with the modulus', (t) => ({ header: { alg: 'HS256' }, secret: Buffer.from(t.client('keyedrsa').key.public.n, 'base64url') }), 'keyedrsa'),
  bad('HS256 with an empty secret', { header: { alg: 'HS256' }, secret: '' }),
  bad('another algorithm than that of the key', (t) => {
    const key = t.client('keyedrsa').key.private;
    const input = `${b64({ alg: 'RS512', kid: key.kid, typ: 'JWT' })}.${make(t, {}, 'keyedrsa').split('.')[1]}`;
    return `${input}.${createSign('sha512').update(input).sign({ key, format: 'jwk' }).toString('base64url')}`;
  }),
  bad('an unknown kid', { header: { kid: 'unknown' } }),
  bad('the kid of another client', { header: { kid: 'keyedrsa-1' } }),
  bad('a kid that climbs through folders', { header: { kid: '../../../../dev/null' } }),
  bad('another key with the right kid', { jwk: makeKey().private }),
  bad('a key of its own in the header', () => {
    const key = makeKey();
    return { header: { kid: undefined, jwk: key.public }, jwk: key.private };
  }),
  bad('an address of keys in the header', () => ({ header: { jku: 'http://127.0.0.1:9/keys', kid: 'keyed-1' }, jwk: makeKey().private })),
  bad('an unknown crit', { header: { crit: ['x'], x: 1 } }),
  bad('an empty crit', { header: { crit: [] } }),
  bad('an unencoded payload', { header: { b64: false, crit: ['b64'] } }),
  bad('a changed signature', (t) => tampered(make(t))),
  bad('a changed payload', (t) => tampered(make(t), 1)),
  bad('an empty signature', (t) => make(t).replace(/[^.]*$/, '')),
  bad('a signature of zeros', (t) => make(t).replace(/[^.]*$/, 'A'.repeat(86))),
  bad('a signature in DER', { der: true }),
  bad('no third part', (t) => make(t).split('.').slice(0, 2).join('.')),
  bad('a fourth part', (t) => `${make(t)}.x`),
  bad('a padded one', (t) => `${make(t)}=`),
  bad('garbage', 'x'),
  bad('an empty one', ''),
  ['one of 100,000 characters is refused', async (t) => notServed(await show(t, make(t, { claims: { x: 'x'.repeat(75_000) } })), [400, 401, 413])],
  bad('the ID token of a person', (t) => ({ header: { typ: 'JWT' }, claims: { sub: 'alice', nonce: 'x', aud: t.meta.issuer } })),
  ['a wrong assertion type is refused', async (t) => {
    refused(await show(t, make(t), { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['a missing assertion type is refused', async (t) => {
    refused(await show(t, make(t), { client_assertion_type: undefined }), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['a type without an assertion is refused', async (t) => refused(await show(t, undefined), ['invalid_request', 'invalid_client'], [400, 401])],
  ['two assertions are refused', async (t) => refused(await show(t, [make(t), make(t)]), ['invalid_request', 'invalid_client'], [400, 401])],
  ['a secret as the key of an assertion is refused where the client has a secret', async (t) => {
    const { secret } = t.client('service');
    const claims = { iss: 'service', sub: 'service', aud: t.meta.issuer, jti: randomUUID(), iat: now(), exp: now() + 60 };
    notTheClient(await show(t, forge({ alg: 'HS256' }, claims, null, { secret })));
  }],
  ['an access token of ours is no assertion', async (t) => notTheClient(await show(t, (await t.clientToken('keyed')).access_token), { also: ['invalid_request'] })],
  ['an assertion is for the client that it names at the other endpoints, too', async (t) => {
    const other = assertion('keyed', t.client('keyed'), 'https://other.example');
    for (const endpoint of ['introspection', 'revocation']) {
      const fields = { token: 'x', client_assertion_type: ASSERTION, client_assertion: other };
      notTheClient(await t.call(endpoint, null, fields));
    }
  }],
  ['an assertion used at one endpoint is used up at the others', async (t) => {
    const once = make(t);
    good(await show(t, once));
    notTheClient(await t.call('revocation', null, { token: 'x', client_assertion_type: ASSERTION, client_assertion: once }));
  }],
  ['as a grant: an assertion of an unknown issuer gets no token (RFC 7523 3.1)', async (t) => {
    if (!t.meta.grant_types_supported?.includes(BEARER_GRANT)) skip('the server does not have the grant of RFC 7523');
    const key = makeKey();
    const claims = { iss: 'https://unknown.example', sub: 'alice', aud: t.meta.issuer, jti: randomUUID(), iat: now(), exp: now() + 60 };
    const fields = { grant_type: BEARER_GRANT, assertion: forge({ alg: 'ES256', kid: 'x' }, claims, key.private) };
    refused(await t.token('service', fields), ['invalid_grant', 'unauthorized_client']);
    refused(await t.token('service', { grant_type: BEARER_GRANT }), ['invalid_request', 'unauthorized_client']);
  }],
];
