// Asking about tokens: only those who may, and nothing about what is not good. RFC 7662.
import assert from 'node:assert/strict';
import { good } from '../lib/context.mjs';
import { imitation, now, tampered } from '../lib/forge.mjs';
import { noStore, notServed, notTheClient, refused, wrongMethod } from '../lib/expect.mjs';
import { basic, encode, post, send } from '../lib/http.mjs';

const ask = (t, token, { as = 'gateway', fields = {}, ...options } = {}) => t.call('introspection', as, { token, ...fields }, options);
// {"active":false} and nothing else (RFC 7662 2.2: SHOULD NOT include any additional information).
const inactive = (answer) => assert.deepEqual(good(answer), { active: false });
const unknown = (name, make) => [`${name} is not active`, async (t) => inactive(await ask(t, await make(t)))];

export default [
  ['a good token is active, with what it is for', async (t) => {
    const token = (await t.clientToken('service', { scope: 'orders:read' })).access_token;
    const answer = await ask(t, token);
    const told = good(answer);
    noStore(answer);
    assert.match(answer.headers['content-type'], /^application\/json\b/);
    assert.equal(told.active, true);
    assert.equal(told.client_id, 'service');
    assert.equal(told.scope, 'orders:read');
    assert.equal(told.iss, t.meta.issuer);
    assert.equal([told.aud].flat().join(), t.world.orders);
    assert.ok(told.exp > now() && told.iat <= now());
  }],
  ['a request without a client is refused', async (t) => refused(await ask(t, 'x', { as: null }), ['invalid_client', 'invalid_request'], [401, 400])],
  ['a wrong secret is refused', async (t) => notTheClient(await ask(t, 'x', { as: null, headers: { Authorization: basic('gateway', 'wrong') } }), { byHeader: true })],
  ['an unknown client is refused', async (t) => notTheClient(await ask(t, 'x', { as: null, headers: { Authorization: basic('nobody', 'x') } }), { byHeader: true })],
  ['a public client learns nothing of a token of others', async (t) => {
    const answer = await ask(t, (await t.clientToken()).access_token, { as: 'spa' });
    if (answer.status === 200) inactive(answer);
    else notServed(answer, [400, 401, 403]);
  }],
  ['the token itself is no credential for the question', async (t) => {
    const { access_token } = await t.clientToken();
    notServed(await ask(t, access_token, { as: null, headers: { Authorization: `Bearer ${access_token}` } }), [400, 401, 403]);
  }],
  ['GET is refused', async (t) => {
    const { access_token } = await t.clientToken();
    wrongMethod(await send(`${t.meta.introspection_endpoint}?${encode({ token: access_token })}`, { headers: t.credentials('gateway').headers }));
  }],
  ['a token in the address does not count', async (t) => {
    const { access_token } = await t.clientToken();
    const url = `${t.meta.introspection_endpoint}?${encode({ token: access_token })}`;
    refused(await post(url, {}, { headers: t.credentials('gateway').headers }), 'invalid_request');
  }],
  ['a missing token is refused', async (t) => refused(await ask(t, undefined), 'invalid_request')],
  ['two tokens are refused', async (t) => refused(await ask(t, ['a', 'b']), 'invalid_request')],
  ['a body of JSON is refused', async (t) => {
    refused(await t.call('introspection', 'gateway', JSON.stringify({ token: 'x' }), { type: 'application/json' }), 'invalid_request', [400, 415]);
  }],
  ['a token of a megabyte is refused or not active', async (t) => {
    const answer = await ask(t, 'x'.repeat(1 << 20));
    if (answer.status === 200) inactive(answer);
    else notServed(answer, [400, 413]);
  }],
  ['an unknown token_type_hint does no harm (RFC 7662 2.1)', async (t) => {
    const { access_token } = await t.clientToken();
    assert.equal(good(await ask(t, access_token, { fields: { token_type_hint: 'pigeon' } })).active, true);
  }],
  ['a wrong token_type_hint does no harm', async (t) => {
    const { access_token } = await t.clientToken();
    assert.equal(good(await ask(t, access_token, { fields: { token_type_hint: 'refresh_token' } })).active, true);
  }],
  unknown('garbage', () => 'x'),
  unknown('a token without its last part', async (t) => (await t.clientToken()).access_token.replace(/.{43}$/, '') || 'x'),
  unknown('a changed token', async (t) => tampered((await t.clientToken()).access_token)),
  unknown('a token with something behind it', async (t) => `${(await t.clientToken()).access_token}x`),
  unknown('a token of another issuer', (t) => imitation(t, { claims: { iss: 'https://other.example' } })),
  unknown('a token in our name that another key signed', (t) => imitation(t)),
  unknown('an unsigned token in our name', (t) => imitation(t, { header: { alg: 'none' } })),
  unknown('an ID token', async (t) => (await t.tokens()).id_token),
  unknown('a code', async (t) => (await t.code()).code),
  unknown('a revoked access token', async (t) => {
    const { access_token } = await t.tokens();
    good(await t.call('revocation', 'web', { token: access_token }));
    return access_token;
  }),
  ['a refresh token is told to its own client and not to others', async (t) => {
    const { refresh_token } = await t.tokens();
    assert.equal(good(await ask(t, refresh_token, { as: 'web' })).active, true);
    inactive(await ask(t, refresh_token, { as: 'other' }));
  }],
  ['a client that is no audience of a token learns nothing of it', async (t) => {
    const { access_token } = good(await t.token('reader', { grant_type: 'client_credentials', resource: t.world.invoices, scope: 'orders:read' }));
    inactive(await ask(t, access_token, { as: 'poster' }));
  }],
];
