// Refresh tokens: rotated, bound to their client, never wider; a second use ends the family. RFC 6749 6, RFC 9700 4.14.
import assert from 'node:assert/strict';
import { good } from '../lib/context.mjs';
import { basic } from '../lib/http.mjs';
import { notTheClient, refused, tokenRefused } from '../lib/expect.mjs';

export default [
  ['a refresh gives a new pair', async (t) => {
    const first = await t.tokens();
    const second = good(await t.refresh('web', first.refresh_token));
    assert.notEqual(second.access_token, first.access_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    good(await t.refresh('web', second.refresh_token));
  }],
  ['a used refresh token is refused and takes its whole family along', async (t) => {
    const first = await t.tokens();
    const second = good(await t.refresh('web', first.refresh_token));
    refused(await t.refresh('web', first.refresh_token), 'invalid_grant');
    refused(await t.refresh('web', second.refresh_token), 'invalid_grant');
    assert.equal(await t.isActive(second.access_token), false, 'the access token of the family lives on');
    tokenRefused(await t.userinfo(second.access_token), 'invalid_token');
  }],
  ['the family of a public client ends the same way', async (t) => {
    const first = await t.tokens('spa');
    const second = good(await t.refresh('spa', first.refresh_token));
    refused(await t.refresh('spa', first.refresh_token), 'invalid_grant');
    refused(await t.refresh('spa', second.refresh_token), 'invalid_grant');
  }],
  ['another family of the same person and client lives on', async (t) => {
    const [one, two] = [await t.tokens(), await t.tokens()];
    good(await t.refresh('web', one.refresh_token));
    refused(await t.refresh('web', one.refresh_token), 'invalid_grant');
    good(await t.refresh('web', two.refresh_token));
  }],
  ['the refresh token of another client is refused, and its own can still use it', async (t) => {
    const tokens = await t.tokens();
    refused(await t.refresh('other', tokens.refresh_token), 'invalid_grant');
    refused(await t.refresh('spa', tokens.refresh_token), 'invalid_grant');
    good(await t.refresh('web', tokens.refresh_token));
  }],
  ['a wrong secret does not use it up', async (t) => {
    const tokens = await t.tokens();
    const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
    notTheClient(await t.call('token', null, fields, { headers: { Authorization: basic('web', 'wrong') } }), { byHeader: true });
    good(await t.refresh('web', tokens.refresh_token));
  }],
  ['of many at the same moment none fails with an error of the server', async (t) => {
    const tokens = await t.tokens();
    const answers = await Promise.all(Array.from({ length: 8 }, () => t.refresh('web', tokens.refresh_token)));
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1, 'one token was used several times');
    for (const answer of answers) if (answer.status !== 200) refused(answer, 'invalid_grant');
  }],
  ['a wider scope is refused', async (t) => {
    const tokens = await t.tokens('web', { scope: 'openid orders:read' });
    refused(await t.refresh('web', tokens.refresh_token, { scope: 'openid orders:read orders:write' }), 'invalid_scope');
  }],
  ['a narrower scope is given, and can be widened no further than what was agreed to', async (t) => {
    const tokens = await t.tokens('web', { scope: 'openid orders:read orders:write' });
    const narrow = good(await t.refresh('web', tokens.refresh_token, { scope: 'openid orders:read' }));
    assert.deepEqual((await t.introspect(narrow.access_token)).scope.split(' ').sort(), ['openid', 'orders:read']);
    refused(await t.refresh('web', narrow.refresh_token, { scope: 'openid profile' }), 'invalid_scope');
  }],
  ['an unknown scope is refused', async (t) => refused(await t.refresh('web', (await t.tokens()).refresh_token, { scope: 'everything' }), 'invalid_scope')],
  ['an unknown resource is refused', async (t) => {
    refused(await t.refresh('web', (await t.tokens()).refresh_token, { resource: 'https://unknown.example' }), 'invalid_target');
  }],
  ['an unknown refresh token is refused', async (t) => refused(await t.refresh('web', 'unknown'), 'invalid_grant')],
  ['a missing refresh token is refused', async (t) => refused(await t.refresh('web', undefined), 'invalid_request')],
  ['two refresh tokens are refused', async (t) => refused(await t.refresh('web', ['a', 'b']), 'invalid_request')],
  ['a refresh token with something behind it is refused', async (t) => {
    const tokens = await t.tokens();
    refused(await t.refresh('web', `${tokens.refresh_token}x`), 'invalid_grant');
    refused(await t.refresh('web', tokens.refresh_token.slice(0, -1)), 'invalid_grant');
  }],
  ['an access token is no refresh token', async (t) => refused(await t.refresh('web', (await t.tokens()).access_token), 'invalid_grant')],
  ['an ID token is no refresh token', async (t) => refused(await t.refresh('web', (await t.tokens()).id_token), 'invalid_grant')],
  ['a code is no refresh token', async (t) => refused(await t.refresh('web', (await t.code()).code), 'invalid_grant')],
  ['a refresh token is no code', async (t) => {
    const code = await t.code();
    const tokens = await t.tokens();
    refused(await t.redeem(code, { code: tokens.refresh_token }), 'invalid_grant');
  }],
  ['a revoked refresh token is refused', async (t) => {
    const tokens = await t.tokens();
    good(await t.call('revocation', 'web', { token: tokens.refresh_token }));
    refused(await t.refresh('web', tokens.refresh_token), 'invalid_grant');
  }],
];
