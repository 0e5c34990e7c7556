// Taking tokens back: one's own only, and silently where there is nothing to take back. RFC 7009.
import assert from 'node:assert/strict';
import { good } from '../lib/context.mjs';
import { noStore, notServed, notTheClient, refused, tokenRefused, wrongMethod } from '../lib/expect.mjs';
import { basic, encode, post, send } from '../lib/http.mjs';

const revoke = (t, token, { as = 'web', fields = {}, ...options } = {}) => t.call('revocation', as, { token, ...fields }, options);
// RFC 7009 2.1 lets a server tell, 2.2 lets it be silent.
function withoutEffect(answer) {
  if (answer.status !== 200) refused(answer, ['invalid_request', 'invalid_grant', 'unauthorized_client', 'invalid_token', 'unsupported_token_type']);
}

export default [
  ['an access token is taken back', async (t) => {
    const { access_token } = await t.tokens();
    assert.equal(await t.isActive(access_token), true);
    const answer = await revoke(t, access_token);
    assert.equal(answer.status, 200);
    assert.equal(await t.isActive(access_token), false);
    tokenRefused(await t.userinfo(access_token), 'invalid_token');
  }],
  ['a refresh token is taken back with its access tokens', async (t) => {
    const tokens = await t.tokens();
    assert.equal((await revoke(t, tokens.refresh_token)).status, 200);
    refused(await t.refresh('web', tokens.refresh_token), 'invalid_grant');
    assert.equal(await t.isActive(tokens.access_token), false);
  }],
  ['an earlier refresh token of a family takes it back, too, or does nothing', async (t) => {
    const first = await t.tokens();
    const second = good(await t.refresh('web', first.refresh_token));
    assert.equal((await revoke(t, first.refresh_token)).status, 200);
    const answer = await t.refresh('web', second.refresh_token);
    assert.ok(answer.status === 200 || answer.json.error === 'invalid_grant');
  }],
  ['taking it back a second time is no error', async (t) => {
    const { refresh_token } = await t.tokens();
    assert.equal((await revoke(t, refresh_token)).status, 200);
    assert.equal((await revoke(t, refresh_token)).status, 200);
  }],
  ['a public client takes its own back', async (t) => {
    const { refresh_token } = await t.tokens('spa');
    assert.equal((await revoke(t, refresh_token, { as: 'spa' })).status, 200);
    refused(await t.refresh('spa', refresh_token), 'invalid_grant');
  }],
  ['an unknown token is no error', async (t) => assert.equal((await revoke(t, 'unknown')).status, 200)],
  ['an empty hint and a wrong hint do not matter', async (t) => {
    const { access_token } = await t.tokens();
    assert.equal((await revoke(t, access_token, { fields: { token_type_hint: 'refresh_token' } })).status, 200);
    assert.equal(await t.isActive(access_token), false);
  }],
  ['an unknown hint is ignored or refused by name', async (t) => {
    const { access_token } = await t.tokens();
    const answer = await revoke(t, access_token, { fields: { token_type_hint: 'pigeon' } });
    if (answer.status !== 200) refused(answer, 'unsupported_token_type');
    else assert.equal(await t.isActive(access_token), false);
  }],
  ['the access token of another client lives on', async (t) => {
    const { access_token } = await t.tokens();
    withoutEffect(await revoke(t, access_token, { as: 'other' }));
    assert.equal(await t.isActive(access_token), true);
  }],
  ['the refresh token of another client lives on', async (t) => {
    const { refresh_token } = await t.tokens();
    withoutEffect(await revoke(t, refresh_token, { as: 'other' }));
    good(await t.refresh('web', refresh_token));
  }],
  ['a public client takes back nothing of a confidential one', async (t) => {
    const { refresh_token } = await t.tokens();
    withoutEffect(await revoke(t, refresh_token, { as: 'spa' }));
    good(await t.refresh('web', refresh_token));
  }],
  ['a request without a client is refused and has no effect', async (t) => {
    const { refresh_token } = await t.tokens();
    refused(await revoke(t, refresh_token, { as: null }), ['invalid_client', 'invalid_request'], [400, 401]);
    good(await t.refresh('web', refresh_token));
  }],
  ['a wrong secret is refused and has no effect', async (t) => {
    const { refresh_token } = await t.tokens();
    notTheClient(await revoke(t, refresh_token, { as: null, headers: { Authorization: basic('web', 'wrong') } }), { byHeader: true });
    good(await t.refresh('web', refresh_token));
  }],
  ['the id of a confidential client alone is refused', async (t) => notTheClient(await revoke(t, 'x', { as: null, fields: { client_id: 'web' } }))],
  ['a missing token is refused', async (t) => refused(await revoke(t, undefined), 'invalid_request')],
  ['two tokens are refused', async (t) => refused(await revoke(t, ['a', 'b']), 'invalid_request')],
  ['GET is refused and has no effect', async (t) => {
    const { refresh_token } = await t.tokens();
    wrongMethod(await send(`${t.meta.revocation_endpoint}?${encode({ token: refresh_token })}`, { headers: t.credentials('web').headers }));
    good(await t.refresh('web', refresh_token));
  }],
  ['a token in the address does not count', async (t) => {
    const { refresh_token } = await t.tokens();
    const url = `${t.meta.revocation_endpoint}?${encode({ token: refresh_token })}`;
    refused(await post(url, {}, { headers: t.credentials('web').headers }), 'invalid_request');
    good(await t.refresh('web', refresh_token));
  }],
  ['no answer is kept by caches', async (t) => {
    noStore(await revoke(t, 'unknown'));
    noStore(await revoke(t, undefined));
    noStore(await revoke(t, 'x', { as: null }));
  }],
  ['a token of a megabyte is refused or unknown', async (t) => {
    const answer = await revoke(t, 'x'.repeat(1 << 20));
    if (answer.status !== 200) notServed(answer, [400, 413]);
  }],
];
