// A token as a credential, at the one resource that the server has itself. RFC 6750, OIDC Core 5.3.
import assert from 'node:assert/strict';
import { good } from '../lib/context.mjs';
import { imitation, tampered } from '../lib/forge.mjs';
import { notServed, tokenRefused } from '../lib/expect.mjs';
import { post, send } from '../lib/http.mjs';

const bad = (name, make, error = 'invalid_token', status = 401) => [`${name} is refused`, async (t) => tokenRefused(await t.userinfo(await make(t)), error, status)];

export default [
  ['a person is told to whom they agreed', async (t) => {
    const answer = await t.userinfo((await t.tokens('web', { scope: 'openid email' })).access_token);
    const told = good(answer);
    assert.ok(told.sub);
    assert.equal(told.email, 'alice@example.com');
    assert.ok(!('name' in told), 'more than what was agreed to');
  }],
  ['POST is answered like GET (OIDC Core 5.3.1)', async (t) => {
    const { access_token } = await t.tokens();
    const answer = await send(t.meta.userinfo_endpoint, { method: 'POST', headers: { Authorization: `Bearer ${access_token}` }, body: '' });
    assert.ok(good(answer).sub);
  }],
  ['no token is refused, without an error code', async (t) => tokenRefused(await t.userinfo(), null, [401, 400])],
  bad('garbage', () => 'garbage'),
  bad('an expired or unknown token', () => 'a'.repeat(43)),
  bad('a changed token', async (t) => tampered((await t.tokens()).access_token)),
  bad('a token of another key',
    (t) => imitation(t)),
  bad('an unsigned token',
    (t) => imitation(t, { header: { alg: 'none' } })),
  bad('an ID token', async (t) => (await t.tokens()).id_token),
  bad('a refresh token', async (t) => (await t.tokens()).refresh_token),
  bad('a code', async (t) => (await t.code()).code),
  bad('a token of a client alone', async (t) => (await t.clientToken()).access_token, ['invalid_token', 'insufficient_scope'], [401, 403]),
  bad('a token without openid', async (t) => (await t.tokens('web', { scope: 'orders:read', nonce: undefined })).access_token, 'insufficient_scope', 403),
  ['a token in the address is refused (RFC 9700 4.3.2)', async (t) => {
    const { access_token } = await t.tokens();
    notServed(await send(`${t.meta.userinfo_endpoint}?access_token=${access_token}`), [400, 401]);
  }],
  ['a token in the field and in the body is refused', async (t) => {
    const { access_token } = await t.tokens();
    const answer = await post(t.meta.userinfo_endpoint, { access_token }, { headers: { Authorization: `Bearer ${access_token}` } });
    tokenRefused(answer, 'invalid_request', 400);
  }],
  ['two Authorization fields are refused', async (t) => {
    const { access_token } = await t.tokens();
    notServed(await send(t.meta.userinfo_endpoint, { headers: [['Authorization', `Bearer ${access_token}`], ['Authorization', `Bearer ${access_token}`]] }), [400, 401]);
  }],
  ['two tokens in one field are refused', async (t) => {
    const { access_token } = await t.tokens();
    notServed(await t.userinfo(`${access_token}, Bearer ${access_token}`), [400, 401]);
  }],
  ['a token as the password of Basic is refused', async (t) => {
    const { access_token } = await t.tokens();
    notServed(await t.userinfo(Buffer.from(`web:${access_token}`).toString('base64'), { scheme: 'Basic' }), [400, 401]);
  }],
  ['a session is no token', async (t) => {
    const browser = await t.browserOf();
    tokenRefused(await browser.get(t.meta.userinfo_endpoint), null, [401, 400]);
  }],
  ['a refused token does not come back', async (t) => {
    const answer = await t.userinfo('the-refused-token');
    assert.ok(!(answer.text + answer.raw.join()).includes('the-refused-token'));
  }],
];
