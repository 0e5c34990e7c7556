// Who is the client? RFC 6749 2.3 and 5.2, RFC 9700 2.5.
import assert from 'node:assert/strict';
import { basic, encode, post } from '../lib/http.mjs';
import { assertion } from '../lib/forge.mjs';
import { ASSERTION, good } from '../lib/context.mjs';
import { noStore, notServed, notTheClient, refused } from '../lib/expect.mjs';
import { onlyOurs } from '../lib/suite.mjs';

const grant = { grant_type: 'client_credentials' };
const withBasic = (t, id, secret, fields = grant) => t.call('token', null, fields, { headers: { Authorization: basic(id, secret) } });
const raw = (t, authorization, fields = grant) => post(t.meta.token_endpoint, fields, { headers: [authorization].flat().map((value) => ['Authorization', value]) });

export default [
  ['a secret by Basic, by the body and a signed assertion are accepted', async (t) => {
    for (const id of ['service', 'poster', 'keyed', 'keyedrsa']) assert.ok(good(await t.token(id, grant)).access_token, id);
  }],
  ['an unknown client is refused', async (t) => notTheClient(await withBasic(t, 'nobody', 'x'), { byHeader: true })],
  ['a wrong secret by Basic is refused', async (t) => notTheClient(await withBasic(t, 'service', 'wrong'), { byHeader: true })],
  ['a wrong secret in the body is refused', async (t) => notTheClient(await t.call('token', null, { ...grant, client_id: 'poster', client_secret: 'wrong' }))],
  ['a secret that lacks its last character is refused', async (t) => {
    notTheClient(await withBasic(t, 'service', t.client('service').secret.slice(0, -1)), { byHeader: true });
  }],
  ['a secret with one character more is refused', async (t) => notTheClient(await withBasic(t, 'service', `${t.client('service').secret}0`), { byHeader: true })],
  ['a secret in other letters is refused', async (t) => notTheClient(await withBasic(t, 'service', t.client('service').secret.toUpperCase()), { byHeader: true })],
  ['an empty secret is refused', async (t) => notTheClient(await withBasic(t, 'service', ''), { byHeader: true, also: ['invalid_request'] })],
  ['the secret of another client is refused', async (t) => notTheClient(await withBasic(t, 'service', t.client('reader').secret), { byHeader: true })],
  ['the id in other letters is refused', async (t) => notTheClient(await withBasic(t, 'Service', t.client('service').secret), { byHeader: true })],
  ['an empty id is refused', async (t) => notTheClient(await withBasic(t, '', t.client('service').secret), { byHeader: true, also: ['invalid_request'] })],
  ['a confidential client that shows nothing but its id is refused', async (t) => notTheClient(await t.call('token', null, { ...grant, client_id: 'service' }))],
  ['a request without any client is refused', async (t) => refused(await t.call('token', null, grant), ['invalid_client', 'invalid_request'], [400, 401])],
  ['a client with a key cannot come with a secret', async (t) => notTheClient(await withBasic(t, 'keyed', 'x'), { byHeader: true })],
  ['a client with a key cannot come with its id alone', async (t) => notTheClient(await t.call('token', null, { ...grant, client_id: 'keyed' }))],
  ['a public client cannot come with a secret', async (t) => {
    notTheClient(await withBasic(t, 'spa', 'x', { grant_type: 'refresh_token', refresh_token: 'x' }), { byHeader: true });
  }],
  ['a public client may say who it is by Basic with an empty secret, as common libraries do (RFC 6749 2.3.1)', async (t) => {
    onlyOurs(t);
    refused(await withBasic(t, 'spa', '', { grant_type: 'refresh_token', refresh_token: 'x' }), 'invalid_grant');
  }],
  ['an empty secret by Basic proves nothing of whoever has a key', async (t) => notTheClient(await withBasic(t, 'keyed', ''), { byHeader: true, also: ['invalid_request'] })],
  ['a public client that came by Basic is as little told about tokens', async (t) => {
    onlyOurs(t);
    const token = (await t.tokens('spa')).access_token;
    notTheClient(await t.call('introspection', null, { token }, { headers: { Authorization: basic('spa', '') } }), { byHeader: true });
  }],
  ['two methods at once, both right, are refused', async (t) => {
    const { secret } = t.client('service');
    refused(await t.token('service', { ...grant, client_id: 'service', client_secret: secret }), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['a secret and an assertion at once are refused', async (t) => {
    const client_assertion = assertion('keyed', t.client('keyed'), t.meta.issuer);
    const fields = { ...grant, client_id: 'keyed', client_secret: 'x', client_assertion_type: ASSERTION, client_assertion };
    refused(await t.call('token', null, fields), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['Basic and an assertion of another client at once are refused', async (t) => {
    const client_assertion = assertion('keyed', t.client('keyed'), t.meta.issuer);
    refused(await t.token('service', { ...grant, client_assertion_type: ASSERTION, client_assertion }), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['an id in the body that is not the one of Basic is refused', async (t) => {
    refused(await t.token('service', { ...grant, client_id: 'reader' }), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['the same id in the body as in Basic does no harm', async (t) => good(await t.token('service', { ...grant, client_id: 'service' }))],
  ['a secret in the address is refused', async (t) => {
    const { id, secret } = t.client('poster');
    const address = `${t.meta.token_endpoint}?${encode({ client_id: id, client_secret: secret })}`;
    notServed(await post(address, grant), [400, 401]);
  }],
  ['Basic that is no base64 is refused', async (t) => refused(await raw(t, 'Basic %%%%'), ['invalid_client', 'invalid_request'], [400, 401])],
  ['Basic without a colon is refused', async (t) => {
    refused(await raw(t, `Basic ${Buffer.from('service').toString('base64')}`), ['invalid_client', 'invalid_request'], [400, 401]);
  }],
  ['Basic with a broken percent-encoding is refused', async (t) => {
    refused(await raw(t, `Basic ${Buffer.from('service:%zz').toString('base64')}`), ['invalid_client', 'invalid_request'], [400, 401]);
  }],
  ['a secret that was not form-urlencoded is refused, and the client is told that it has to be', async (t) => {
    onlyOurs(t);
    for (const id of ['service', 'nobody']) { // Whether there is such a client is told to nobody.
      const answer = await raw(t, `Basic ${Buffer.from(`${id}:${t.client('service').secret}`).toString('base64')}`);
      notTheClient(answer, { byHeader: true });
      assert.match(answer.json.error_description, /form-urlencoded/);
    }
    assert.doesNotMatch((await withBasic(t, 'service', 'wrong')).json.error_description, /form-urlencoded/);
  }],
  ['another scheme than Basic is refused', async (t) => {
    refused(await raw(t, `Bearer ${(await t.clientToken()).access_token}`), ['invalid_client', 'invalid_request'], [400, 401]);
  }],
  ['two Authorization fields are refused', async (t) => {
    const { secret } = t.client('service');
    notServed(await raw(t, [basic('service', secret), basic('service', secret)]), [400, 401]);
  }],
  ['a public client gets no token of its own', async (t) => refused(await t.token('spa', grant), ['unauthorized_client', 'invalid_client'], [400, 401])],
  ['a client gets no grant that it does not have', async (t) => refused(await t.token('gateway', grant), 'unauthorized_client')],
  ['a client without authorization_code gets none', async (t) => {
    const fields = { grant_type: 'authorization_code', code: 'x', redirect_uri: 'https://web.example/cb', code_verifier: 'x'.repeat(43) };
    refused(await t.token('service', fields), ['unauthorized_client', 'invalid_grant']);
  }],
  ['a client without refresh_token gets none', async (t) => {
    refused(await t.token('service', { grant_type: 'refresh_token', refresh_token: 'x' }), ['unauthorized_client', 'invalid_grant']);
  }],
  ['neither the secret nor the id come back in an error', async (t) => {
    const answer = await withBasic(t, 'service-<script>', 'secret-<script>');
    notTheClient(answer, { byHeader: true });
    assert.doesNotMatch(answer.text + answer.headers['www-authenticate'], /<script|secret-/);
  }],
  ['a refusal is not kept by caches (RFC 6749 5.1)', async (t) => {
    for (const id of ['nobody', 'service']) noStore(await withBasic(t, id, 'wrong'));
    noStore(await t.token('service', { grant_type: 'magic' }));
    noStore(await t.token('service', {}));
    noStore(await t.token('web', { grant_type: 'refresh_token', refresh_token: 'unknown' }));
  }],
  ['every 401 names a scheme (RFC 9110 15.5.2)', async (t) => {
    for (const fields of [{ client_id: 'poster', client_secret: 'wrong' }, { client_id: 'service' }]) {
      const answer = await t.call('token', null, { ...grant, ...fields });
      assert.ok(answer.status !== 401 || answer.headers['www-authenticate'], JSON.stringify(fields));
    }
  }],
  ['an unknown client and a wrong secret get the same answer', async (t) => {
    const [unknown, wrong] = [await withBasic(t, 'nobody', 'wrong'), await withBasic(t, 'service', 'wrong')];
    assert.deepEqual([unknown.status, unknown.text], [wrong.status, wrong.text]);
  }],
];
