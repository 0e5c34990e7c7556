// What the conformance suite of the OpenID Foundation asks of a provider (its plans "Basic OP" and "Config OP"), case by
// case under its names; with PKCE, which every client has to use here.
import assert from 'node:assert/strict';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { Browser, goOn, useAs } from '../lib/browser.mjs';
import { good } from '../lib/context.mjs';
import { refused } from '../lib/expect.mjs';
import { forge, hashOf, parts } from '../lib/forge.mjs';
import { formsOf } from '../lib/forms.mjs';
import { post, send } from '../lib/http.mjs';

const keysOf = (t) => createRemoteJWKSet(new URL(t.meta.jwks_uri));
const half = (text) => Buffer.from(hashOf(text), 'base64url').subarray(0, 16).toString('base64url');
const parametersOf = (answer) => Object.fromEntries(new URL(answer.left ?? answer.headers.location).searchParams);
const asksForPassword = (page) => formsOf(page.text, page.address).some((form) => form.fields.some(({ type }) => type === 'password'));

// A whole flow: what the client got, with the claims of an ID token that was checked.
async function flow(t, changes = {}, browser = new Browser(t.base), how = 'GET') {
  const start = t.authorization('suite', { scope: 'openid', ...changes });
  const { parameters } = start;
  const first = how === 'POST' ? await browser.post(t.meta.authorization_endpoint, parameters, { Origin: 'https://suite.example' }) : await browser.get(start.url);
  const answer = await goOn(browser, first, t.person('alice'));
  assert.ok(answer.left, `no redirect to the client: ${answer.status} ${answer.text.slice(0, 500)}`);
  const code = { ...start, id: 'suite', code: parametersOf(answer).code, redirect_uri: parameters.redirect_uri };
  assert.ok(code.code, answer.left);
  const tokens = good(await t.redeem(code));
  const { payload } = await jwtVerify(tokens.id_token, keysOf(t), { issuer: t.meta.issuer, audience: 'suite' });
  assert.equal(payload.nonce, parameters.nonce);
  assert.equal(payload.at_hash, half(tokens.access_token));
  return { ...code, tokens, claims: payload, browser, left: answer.left };
}
const facts = async (t, scope) => good(await t.userinfo((await flow(t, { scope })).tokens.access_token));
const succeeds = (name, changes) => [name, async (t) => {
  await flow(t, changes);
}];
const refusedWith = (name, changes, errors) => [name, async (t) => {
  const answer = await new Browser(t.base).get(t.authorization('suite', changes).url);
  assert.ok([errors].flat().includes(parametersOf(answer).error), answer.headers.location);
}];
const staysHere = (name, redirectUri) => [name, async (t) => {
  const answer = await new Browser(t.base).get(t.authorization('suite', { redirect_uri: redirectUri }).url);
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.location, undefined);
}];

export default [
  ['oidcc-discovery-endpoint-verification', async (t) => {
    assert.equal(t.meta.issuer, t.base);
    assert.match(t.metaAnswer.headers['content-type'], /^application\/json/);
    for (const scope of ['openid', 'profile', 'email', 'phone', 'address', 'offline_access']) assert.ok(t.meta.scopes_supported.includes(scope), scope);
    assert.equal(new Set(t.meta.scopes_supported).size, t.meta.scopes_supported.length);
  }],
  succeeds('oidcc-server', {}),
  refusedWith('oidcc-response-type-missing', { response_type: undefined }, ['invalid_request', 'unsupported_response_type']),
  ['oidcc-userinfo-get, -post-header and -post-body', async (t) => {
    const { tokens, claims } = await flow(t);
    const field = { headers: { Authorization: `Bearer ${tokens.access_token}` } };
    const address = t.meta.userinfo_endpoint;
    for (const answer of [await send(address, field), await send(address, { method: 'POST', ...field }), await post(address, { access_token: tokens.access_token })]) {
      assert.equal(good(answer).sub, claims.sub);
      assert.match(answer.headers['content-type'], /^application\/json/);
    }
  }],
  succeeds('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', { nonce: undefined }),
  ['oidcc-scope-profile', async (t) => {
    const told = await facts(t, 'openid profile');
    assert.equal(told.name, 'alice Example');
    assert.equal(told.updated_at, 1790000000);
    for (const name of ['email', 'email_verified', 'phone_number', 'address']) assert.ok(!(name in told), name);
  }],
  ['oidcc-scope-email', async (t) => assert.deepEqual(await facts(t, 'openid email'), { sub: 'user:alice', email: 'alice@example.com', email_verified: true })],
  ['oidcc-scope-phone', async (t) => assert.deepEqual(await facts(t, 'openid phone'), { sub: 'user:alice', phone_number: '+49 30 1234' })],
  ['oidcc-scope-address', async (t) => assert.deepEqual(await facts(t, 'openid address'), { sub: 'user:alice', address: { formatted: '1 Road, Town' } })],
  ['oidcc-scope-all', async (t) => {
    const told = await facts(t, 'openid profile email phone address');
    for (const name of ['name', 'email', 'phone_number', 'address']) assert.ok(told[name], name);
  }],
  ['no scope, no claim', async (t) => assert.deepEqual(await facts(t, 'openid'), { sub: 'user:alice' })],
  succeeds('oidcc-display-page', { display: 'page' }),
  succeeds('oidcc-display-popup', { display: 'popup' }),
  succeeds('oidcc-ui-locales', { ui_locales: 'se' }),
  succeeds('oidcc-claims-locales', { claims_locales: 'se' }),
  succeeds('oidcc-ensure-request-with-acr-values-succeeds', { acr_values: '1 2' }),
  succeeds('oidcc-login-hint', { login_hint: 'bob@example.com' }),
  succeeds('oidcc-claims-essential, where claims are not supported', { claims: '{"userinfo":{"name":{"essential":true}}}' }),
  succeeds('oidcc-ensure-request-with-unknown-parameter-succeeds', { extra: 'foobar' }),
  ['oidcc-prompt-login', async (t) => {
    const { browser, claims } = await flow(t);
    assert.ok(asksForPassword(await browser.follow(await browser.get(t.authorization('suite', { scope: 'openid', prompt: 'login' }).url))));
    assert.equal((await flow(t, { prompt: 'login' }, browser)).claims.sub, claims.sub);
  }],
  refusedWith('oidcc-prompt-none-not-logged-in', { prompt: 'none' }, ['login_required', 'interaction_required']),
  ['oidcc-prompt-none-logged-in', async (t) => {
    const { browser, claims } = await flow(t);
    assert.equal((await flow(t, { prompt: 'none' }, browser)).claims.auth_time, claims.auth_time);
  }],
  ['oidcc-max-age-10000', async (t) => {
    const { browser, claims } = await flow(t, { max_age: '10000' });
    assert.equal((await flow(t, { max_age: '10000', prompt: 'none' }, browser)).claims.auth_time, claims.auth_time);
  }],
  ['oidcc-id-token-hint', async (t) => {
    const { browser, claims, tokens } = await flow(t);
    assert.equal((await flow(t, { prompt: 'none', id_token_hint: tokens.id_token }, browser)).claims.sub, claims.sub);
  }],
  ['oidcc-codereuse', async (t) => {
    const code = await flow(t);
    refused(await t.redeem(code), 'invalid_grant');
    assert.equal((await t.userinfo(code.tokens.access_token)).status, 401);
  }],
  staysHere('oidcc-ensure-registered-redirect-uri', 'https://suite.example/cb/other'),
  staysHere('oidcc-redirect-uri-query-added', 'https://suite.example/cb?foo=bar'),
  staysHere('oidcc-redirect-uri-query-mismatch', 'https://suite.example/cb?tenant=2'),
  ['oidcc-redirect-uri-query-OK', async (t) => {
    const { left } = await flow(t, { redirect_uri: 'https://suite.example/cb?tenant=1' });
    assert.equal(new URL(left).searchParams.get('tenant'), '1');
  }],
  ['oidcc-ensure-post-request-succeeds', async (t) => {
    await flow(t, {}, new Browser(t.base), 'POST');
  }],
  ['oidcc-server-client-secret-post', async (t) => {
    const start = t.authorization('suite');
    const answer = await useAs(new Browser(t.base), start.url, t.person('alice'));
    const { code } = parametersOf(answer);
    const fields = { grant_type: 'authorization_code', code, redirect_uri: start.parameters.redirect_uri, code_verifier: start.verifier };
    good(await t.call('token', null, { ...fields, client_id: 'suite', client_secret: t.client('suite').secret }));
  }],
  ['oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported', async (t) => {
    const { url, parameters } = t.authorization('suite');
    const answer = await new Browser(t.base).get(`${url}&request=${forge({ alg: 'none' }, parameters)}`);
    assert.equal(parametersOf(answer).error, 'request_not_supported');
  }],
  refusedWith('a request_uri of elsewhere is not supported', { request_uri: 'https://suite.example/request' }, 'request_uri_not_supported'),
  ['oidcc-refresh-token', async (t) => {
    const { tokens, claims } = await flow(t, { scope: 'openid offline_access' });
    const again = good(await t.refresh('suite', tokens.refresh_token));
    const [, renewed] = parts(again.id_token);
    for (const name of ['iss', 'sub', 'aud', 'auth_time']) assert.deepEqual(renewed[name], claims[name], name);
    assert.notEqual(again.access_token, tokens.access_token);
    refused(await t.refresh('web', again.refresh_token), 'invalid_grant');
  }],
];
