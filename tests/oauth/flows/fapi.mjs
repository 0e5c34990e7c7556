// The FAPI 2.0 security profile as the conformance suite of the OpenID Foundation asks for it: a client that pushes its
// requests, proves itself by a signed assertion, and whose tokens are bound by DPoP.
import assert from 'node:assert/strict';
import { Browser, useAs } from '../lib/browser.mjs';
import { ASSERTION, good, random, verifierOf } from '../lib/context.mjs';
import { notTheClient, refused } from '../lib/expect.mjs';
import { assertion, hashOf, makeKey, now, proof, thumbprint } from '../lib/forge.mjs';
import { encode, post, send } from '../lib/http.mjs';

const REDIRECT = 'https://severe.example/cb';

// A POST with a proof of `key`, once more where the server wants its nonce in it. `key` undefined: without.
async function ask(t, endpoint, fields, { key, claims, assertionClaims = {} } = {}) {
  const address = t.meta[`${endpoint}_endpoint`];
  for (let nonce, turn = 0; ; turn += 1) {
    const mine = { client_assertion_type: ASSERTION, client_assertion: assertion('severe', t.client('severe'), t.meta.issuer, { claims: assertionClaims }) };
    const answer = await post(address, { ...fields, ...mine }, { headers: key ? { DPoP: proof(key, 'POST', address, { claims, nonce }) } : {} });
    if (turn > 0 || answer.json?.error !== 'use_dpop_nonce') return answer;
    nonce = answer.headers['dpop-nonce'];
  }
}

async function push(t, changes = {}, how = {}) {
  const verifier = verifierOf();
  const parameters = {
    response_type: 'code', client_id: 'severe', redirect_uri: REDIRECT, scope: 'openid orders:read', state: random(), nonce: random(),
    code_challenge: hashOf(verifier), code_challenge_method: 'S256', ...changes,
  };
  return { verifier, parameters, answer: await ask(t, 'pushed_authorization_request', parameters, how) };
}
const addressOf = (t, answer, more = {}) => `${t.meta.authorization_endpoint}?${encode({ client_id: 'severe', request_uri: good(answer, 201).request_uri, ...more })}`;

// Through the pages: the parameters that come back.
async function visit(t, pushed, { more, refuses = false } = {}) {
  const answer = await useAs(new Browser(t.base), addressOf(t, pushed.answer, more), { ...t.person('alice'), refuses });
  assert.ok(answer.left, `no redirect: ${answer.status} ${answer.text.slice(0, 300)}`);
  return Object.fromEntries(new URL(answer.left).searchParams);
}
const redeem = (t, pushed, { code }, how, changes = {}) => ask(t, 'token',
  { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: pushed.verifier, ...changes }, how);

async function whole(t, changes, key = makeKey()) {
  const pushed = await push(t, changes);
  const back = await visit(t, pushed);
  return { pushed, back, key, tokens: good(await redeem(t, pushed, back, { key })) };
}
const succeeds = (name, changes, check = () => {}) => [name, async (t) => check(await whole(t, changes))];
const pushRefused = (name, changes, error) => [name, async (t) => refused((await push(t, changes)).answer, error)];
// A client assertion that differs from a good one in its times or members.
const asserted = (name, claimsOf, isGood) => [name, async (t) => {
  const { answer } = await push(t, {}, { assertionClaims: claimsOf(t) });
  return isGood ? void good(answer, 201) : notTheClient(answer);
}];

export default [
  succeeds('happy path', {}, ({ tokens, back, pushed }) => {
    assert.equal(tokens.token_type, 'DPoP');
    assert.equal(back.state, pushed.parameters.state);
  }),
  ['the token is good for its key at the resource', async (t) => {
    const { tokens, key } = await whole(t);
    const address = t.meta.userinfo_endpoint;
    const show = (one, scheme, nonce) => send(address, { headers: { Authorization: `${scheme} ${tokens.access_token}`, DPoP: proof(one, 'GET', address, { token: tokens.access_token, nonce }) } });
    const nonce = (await show(key, 'DPoP')).headers['dpop-nonce'];
    good(await show(key, 'DPoP', nonce));
    good(await show(key, 'dpop', nonce)); // Schemes have no case (RFC 9110 11.1).
    assert.equal((await show(makeKey(), 'DPoP', nonce)).status, 401);
    assert.equal((await show(key, 'Bearer', nonce)).status, 401);
  }],
  ['ensure-unsigned-authorization-request-without-using-par-fails', async (t) => {
    const answer = await new Browser(t.base).get(t.authorization('severe').url);
    assert.equal(new URL(answer.headers.location).searchParams.get('error'), 'invalid_request');
  }],
  ['par-attempt-reuse-request_uri', async (t) => {
    const { pushed } = await whole(t);
    assert.equal((await new Browser(t.base).get(addressOf(t, pushed.answer))).status, 400);
  }],
  ['par-attempt-to-use-request_uri-for-different-client', async (t) => {
    const { answer } = await push(t);
    assert.equal((await new Browser(t.base).get(addressOf(t, answer, { client_id: 'web' }))).status, 400);
  }],
  ['a page that is loaded again before the sign-in does not use the request up', async (t) => {
    const pushed = await push(t);
    await new Browser(t.base).get(addressOf(t, pushed.answer));
    assert.ok((await visit(t, pushed)).code);
  }],
  pushRefused('ensure-pkce-required', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'),
  pushRefused('plain-pkce-rejected', { code_challenge_method: 'plain' }, 'invalid_request'),
  ['incorrect-pkce-code-verifier-rejected', async (t) => {
    const pushed = await push(t);
    refused(await redeem(t, pushed, await visit(t, pushed), { key: makeKey() }, { code_verifier: verifierOf() }), 'invalid_grant');
  }],
  ['user-rejects-authentication', async (t) => {
    const pushed = await push(t, { prompt: 'consent' });
    const back = await visit(t, pushed, { refuses: true });
    assert.deepEqual([back.error, back.state, back.iss], ['access_denied', pushed.parameters.state, t.meta.issuer]);
  }],
  succeeds('ensure-authorization-request-without-nonce-success', { nonce: undefined }),
  succeeds('ensure-authorization-request-without-state-success', { state: undefined }, ({ back }) => assert.ok(!('state' in back))),
  succeeds('ensure-authorization-request-with-64-char-nonce-success', { nonce: 'n'.repeat(64) }),
  succeeds('ensure-authorization-request-with-long-state', { state: 's'.repeat(1000) }, ({ back }) => assert.equal(back.state.length, 1000)),
  succeeds('ensure-other-scope-order-succeeds', { scope: 'orders:read openid' }),
  ['state-only-outside-of-the-pushed-request-not-used', async (t) => {
    assert.equal((await visit(t, await push(t, { state: undefined }), { more: { state: 'outside' } })).state, undefined);
  }],
  ['ensure-holder-of-key-required', async (t) => {
    const pushed = await push(t);
    refused(await redeem(t, pushed, await visit(t, pushed), {}), 'invalid_request');
  }],
  ['ensure-dpop-auth-code-binding: by a proof beside the pushed request', async (t) => {
    const [key, other] = [makeKey(), makeKey()];
    const pushed = await push(t, {}, { key });
    refused(await redeem(t, pushed, await visit(t, pushed), { key: other }), 'invalid_grant');
    const again = await push(t, {}, { key });
    good(await redeem(t, again, await visit(t, again), { key }));
  }],
  ['ensure-token-endpoint-fails-with-mismatched-dpop-jkt', async (t) => {
    const [key, other] = [makeKey(), makeKey()];
    refused((await push(t, { dpop_jkt: thumbprint(other.public) }, { key })).answer, ['invalid_dpop_proof', 'invalid_request']);
    const pushed = await push(t, { dpop_jkt: thumbprint(other.public) });
    refused(await redeem(t, pushed, await visit(t, pushed), { key }), 'invalid_grant');
  }],
  ...[-10, 8].map((by) => [`ensure-dpop-proof-with-iat-${by}-seconds-succeeds`, async (t) => {
    const pushed = await push(t);
    good(await redeem(t, pushed, await visit(t, pushed), { key: makeKey(), claims: { iat: now() + by } }));
  }]),
  ['a proof from the next minute is refused, and the client is told why', async (t) => {
    const pushed = await push(t);
    const answer = await redeem(t, pushed, await visit(t, pushed), { key: makeKey(), claims: { iat: now() + 75 } });
    refused(answer, 'invalid_dpop_proof');
    assert.equal(answer.json.error_description, 'DPoP proof: iat lies ahead');
  }],
  asserted('ensure-client-assertion-with-nbf-8-seconds-in-the-future-is-accepted', () => ({ nbf: now() + 8 }), true),
  asserted('ensure-client-assertion-with-iat-8-seconds-in-the-future-is-accepted', () => ({ iat: now() + 8 }), true),
  asserted('ensure-client-assertion-with-nbf-more-than-60-seconds-in-the-future-fails', () => ({ nbf: now() + 75 }), false),
  asserted('ensure-client-assertion-with-iat-more-than-60-seconds-in-the-future-fails', () => ({ iat: now() + 75 }), false),
  asserted('ensure-client-assertion-with-exp-is-5-minutes-in-past-fails', () => ({ iat: now() - 600, exp: now() - 300 }), false),
  ...['iss', 'sub', 'aud', 'exp', 'jti'].map((name) => asserted(`ensure-client-assertion-with-no-${name}-fails`, () => ({ [name]: undefined }), false)),
  asserted('ensure-client-assertion-for-the-token-endpoint-fails', (t) => ({ aud: t.meta.token_endpoint }), false),
  asserted('ensure-client-assertion-for-several-fails', (t) => ({ aud: [t.meta.issuer] }), false),
  ['attempt-reuse-authorization-code', async (t) => {
    const { pushed, back, key } = await whole(t);
    refused(await redeem(t, pushed, back, { key }), 'invalid_grant');
  }],
  ['ensure-authorization-code-is-bound-to-client', async (t) => {
    const pushed = await push(t);
    const { code } = await visit(t, pushed);
    refused(await t.token('web', { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: pushed.verifier }), 'invalid_grant');
  }],
  ['refresh-token: the new token is bound to the key of its request', async (t) => {
    const { tokens } = await whole(t);
    const answer = await ask(t, 'token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }, { key: makeKey() });
    assert.equal(good(answer).token_type, 'DPoP');
    refused(await ask(t, 'token', { grant_type: 'refresh_token', refresh_token: answer.json.refresh_token }), 'invalid_request');
  }],
];
