// Codes: once, by their client, with their redirect_uri and verifier. RFC 6749 4.1.3, RFC 7636, RFC 9700 2.1.1 and 4.
import assert from 'node:assert/strict';
import { good } from '../lib/context.mjs';
import { hashOf } from '../lib/forge.mjs';
import { refused, tokenRefused } from '../lib/expect.mjs';

const NEITHER = ['invalid_grant', 'invalid_request'];
// One code, redeemed with one thing changed; and the sibling with nothing changed, so that the change is what matters.
const changed = (name, changes, error = 'invalid_grant', options = {}) => [name, async (t) => {
  const code = await t.code();
  refused(await t.redeem(code, typeof changes === 'function' ? changes(code, t) : changes, options), error);
}];

export default [
  ['a code is good for tokens', async (t) => {
    const tokens = await t.tokens();
    assert.ok(tokens.access_token && tokens.refresh_token && tokens.id_token);
  }],
  ['a code is good once', async (t) => {
    const code = await t.code();
    good(await t.redeem(code));
    refused(await t.redeem(code), 'invalid_grant');
  }],
  ['a second use of a code takes back what the first gave (RFC 6749 4.1.2)', async (t) => {
    const code = await t.code();
    const tokens = good(await t.redeem(code));
    assert.equal(await t.isActive(tokens.access_token), true);
    refused(await t.redeem(code), 'invalid_grant');
    assert.equal(await t.isActive(tokens.access_token), false, 'the access token lives on');
    tokenRefused(await t.userinfo(tokens.access_token), 'invalid_token');
    refused(await t.refresh('web', tokens.refresh_token), 'invalid_grant');
  }],
  ['of many uses at the same moment at most one succeeds', async (t) => {
    const code = await t.code();
    const answers = await Promise.all(Array.from({ length: 8 }, () => t.redeem(code)));
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
    for (const answer of answers) if (answer.status !== 200) refused(answer, 'invalid_grant');
  }],
  changed('a code of another client is refused', {}, 'invalid_grant', { as: 'other' }),
  changed('a code of a confidential client is not for a public one', {}, 'invalid_grant', { as: 'spa' }),
  changed('an unknown code is refused', { code: 'unknown' }),
  changed('a code with something behind it is refused', (code) => ({ code: `${code.code}x` })),
  changed('a code that lacks its end is refused', (code) => ({ code: code.code.slice(0, -1) })),
  changed('a missing code is refused', { code: undefined }, 'invalid_request'),
  changed('an empty code is refused', { code: '' }, NEITHER),
  changed('a code of four thousand characters is refused', { code: 'x'.repeat(4000) }, NEITHER),
  changed('another redirect_uri is refused', { redirect_uri: 'https://web.example/other' }, NEITHER),
  changed('a redirect_uri with a slash more is refused', { redirect_uri: 'https://web.example/cb/' }, NEITHER),
  changed('a missing redirect_uri is refused, as it was in the request', { redirect_uri: undefined }, NEITHER),
  changed('two codes are refused', (code) => ({ code: [code.code, code.code] }), 'invalid_request'),
  changed('a missing verifier is refused', { code_verifier: undefined }, NEITHER),
  changed('an empty verifier is refused', { code_verifier: '' }, NEITHER),
  changed('a wrong verifier is refused', { code_verifier: 'x'.repeat(43) }),
  changed('the challenge itself is no verifier', (code) => ({ code_verifier: hashOf(code.verifier) })),
  changed('a verifier of 42 characters is refused', (code) => ({ code_verifier: code.verifier.slice(0, 42) }), NEITHER),
  changed('a verifier of 129 characters is refused', { code_verifier: 'x'.repeat(129) }, NEITHER),
  changed('a verifier with other characters is refused', { code_verifier: `${'x'.repeat(42)}!` }, NEITHER),
  changed('two verifiers are refused', (code) => ({ code_verifier: [code.verifier, code.verifier] }), 'invalid_request'),
  changed('an unknown resource with a code is refused', { resource: 'https://unknown.example' }, 'invalid_target'),
  ['a verifier of 42 characters is refused even where its hash is the challenge', async (t) => {
    const verifier = 'v'.repeat(42);
    const code = await t.code('web', { code_challenge: hashOf(verifier) });
    refused(await t.redeem(code, { code_verifier: verifier }), NEITHER);
  }],
  ['a wrong verifier does not leave the code to be guessed at for ever', async (t) => {
    const code = await t.code();
    for (let attempt = 0; attempt < 3; attempt += 1) refused(await t.redeem(code, { code_verifier: 'x'.repeat(43) }), 'invalid_grant');
    const last = await t.redeem(code);
    assert.ok(last.status === 200 || last.json.error === 'invalid_grant'); // Either is good; nothing else is.
  }],
  ['a code of a public client needs its verifier', async (t) => {
    const code = await t.code('spa');
    refused(await t.redeem(code, { code_verifier: 'x'.repeat(43) }), 'invalid_grant');
  }],
  ['a code that a wrong client showed is still bound to its own', async (t) => {
    const code = await t.code();
    refused(await t.redeem(code, {}, { as: 'other' }), 'invalid_grant');
    const answer = await t.redeem(code);
    assert.ok(answer.status === 200 || answer.json.error === 'invalid_grant');
  }],
];
