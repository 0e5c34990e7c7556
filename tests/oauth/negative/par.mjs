// Pushed authorization requests: RFC 9126; what a pushed request says cannot be changed by the one that refers to it.
import assert from 'node:assert/strict';
import { Browser, useAs } from '../lib/browser.mjs';
import { good } from '../lib/context.mjs';
import { isPage, noStore, notServed, notTheClient, refused, wrongMethod } from '../lib/expect.mjs';
import { basic, encode, send } from '../lib/http.mjs';

const PAR = 'pushed_authorization_request';
const push = (t, changes = {}, { id = 'web', as = id, ...options } = {}) => {
  const start = t.authorization(id, changes);
  return t.call(PAR, as, start.parameters, options);
};
const pushed = async (t, changes, options) => good(await push(t, changes, options), 201);
const address = (t, request_uri, client_id = 'web', more = {}) => `${t.meta.authorization_endpoint}?${encode({ client_id, request_uri, ...more })}`;
const bad = (name, changes, error = 'invalid_request') => [name, async (t) => refused(await push(t, changes), error)];
// Whatever it is, it is no page to sign in at and no code.
async function notContinued(t, url, browser = new Browser(t.base)) {
  const answer = await browser.get(url);
  if (answer.status >= 400) notServed(answer);
  else assert.match(answer.headers.location ?? '', /^https:\/\/(web|other)\.example\/cb\?error=/, `${answer.status} ${answer.headers.location}`);
}

export default [
  ['a good request is kept and leads to a page', async (t) => {
    const answer = await push(t);
    const { request_uri, expires_in } = good(answer, 201);
    noStore(answer);
    assert.match(request_uri, /^urn:ietf:params:oauth:request_uri:.{22,}$/);
    assert.ok(Number.isInteger(expires_in) && expires_in > 0 && expires_in <= 600);
    const browser = new Browser(t.base);
    isPage(await browser.follow(await browser.get(address(t, request_uri))));
  }],
  ['a request of eleven kilobytes is kept, and one of twelve and a half is not', async (t) => {
    good(await push(t, { unknown: 'x'.repeat(11_000) }), 201);
    refused(await push(t, { unknown: 'x'.repeat(12_500) }), 'invalid_request', [400, 413]);
  }],
  ['a code comes of it', async (t) => {
    const { request_uri } = await pushed(t);
    const answer = await useAs(await t.browserOf(), address(t, request_uri), t.person('alice'));
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['a request that led to a code is used up', async (t) => {
    const { request_uri } = await pushed(t);
    const browser = await t.browserOf();
    const answer = await useAs(browser, address(t, request_uri), t.person('alice'));
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
    await notContinued(t, address(t, request_uri), browser);
  }],
  ['a request of another client is refused', async (t) => notContinued(t, address(t, (await pushed(t)).request_uri, 'other'))],
  ['a request without its client is refused', async (t) => notContinued(t, address(t, (await pushed(t)).request_uri, ''))],
  ['an unknown request is refused', async (t) => notContinued(t, address(t, `${(await pushed(t)).request_uri}x`))],
  ['what stands beside a request_uri does not count', async (t) => {
    const { request_uri } = await pushed(t, { scope: 'openid' });
    const more = { redirect_uri: 'https://evil.example/cb', scope: 'openid orders:write', state: 'evil' };
    const answer = await useAs(await t.browserOf(), address(t, request_uri, 'web', more), t.person('alice'));
    if (answer.left) {
      assert.match(answer.left, /^https:\/\/web\.example\/cb\?/);
      assert.doesNotMatch(answer.left, /evil/);
    } else notServed(answer);
  }],
  ['GET is refused', async (t) => {
    wrongMethod(await send(`${t.meta[`${PAR}_endpoint`]}?${encode(t.authorization('web').parameters)}`, { headers: t.credentials('web').headers }));
  }],
  ['a request without a client is refused', async (t) => {
    refused(await push(t, { client_id: undefined }, { as: null }), ['invalid_client', 'invalid_request'], [400, 401]);
  }],
  ['a request with nothing but the id of a confidential client is refused', async (t) => notTheClient(await push(t, {}, { as: null }))],
  ['a wrong secret is refused', async (t) => notTheClient(await push(t, {}, { as: null, headers: { Authorization: basic('web', 'wrong') } }), { byHeader: true })],
  ['another client_id than that of the credentials is refused', async (t) => {
    refused(await push(t, { client_id: 'other' }), ['invalid_request', 'invalid_client'], [400, 401]);
  }],
  ['a client without the code grant is refused', async (t) => {
    refused(await push(t, { client_id: undefined }, { as: 'service' }), ['unauthorized_client', 'invalid_request', 'invalid_redirect_uri', 'unsupported_response_type']);
  }],
  bad('a request_uri within is refused (RFC 9126 2.1)', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, ['invalid_request', 'request_uri_not_supported']),
  bad('another redirect_uri is refused', { redirect_uri: 'https://evil.example/cb' }, ['invalid_request', 'invalid_redirect_uri']),
  bad('a redirect_uri with a slash more is refused', { redirect_uri: 'https://web.example/cb/' }, ['invalid_request', 'invalid_redirect_uri']),
  bad('a missing redirect_uri is refused', { redirect_uri: undefined }),
  bad('a missing response_type is refused', { response_type: undefined }),
  bad('the implicit flow is refused', { response_type: 'token' }, ['unsupported_response_type', 'unauthorized_client']),
  bad('the hybrid flow is refused', { response_type: 'code id_token' }, ['unsupported_response_type', 'unauthorized_client']),
  bad('a missing challenge is refused', { code_challenge: undefined, code_challenge_method: undefined }),
  bad('a plain challenge is refused', { code_challenge_method: 'plain' }),
  bad('a scope with a quote is refused', { scope: 'openid "' }, 'invalid_scope'),
  bad('an unknown resource is refused', { resource: 'https://unknown.example' }, 'invalid_target'),
  bad('an unknown prompt is refused', { prompt: 'sing' }),
  bad('prompt=none login is refused', { prompt: 'none login' }),
  bad('two states are refused', { state: ['a', 'b'] }),
  bad('two redirect_uris are refused', { redirect_uri: ['https://web.example/cb', 'https://evil.example/cb'] }),
  bad('a request object is refused where there are none',
    { request: 'eyJhbGciOiJub25lIn0.e30.' }, ['request_not_supported', 'invalid_request_object', 'invalid_request']),
  ['a state, a nonce and a hint of four kilobytes are kept, and one character more is not', async (t) => {
    for (const name of ['state', 'nonce', 'login_hint']) {
      good(await push(t, { [name]: 'x'.repeat(4096) }), 201);
      refused(await push(t, { [name]: 'x'.repeat(4097) }), 'invalid_request');
    }
  }],
  ['a pushed request promises nothing: it is judged by the person who comes with it', async (t) => {
    const { request_uri } = await pushed(t, { prompt: 'none' });
    const answer = await new Browser(t.base).get(address(t, request_uri));
    assert.match(answer.headers.location ?? '', /^https:\/\/web\.example\/cb\?error=login_required&/);
    const again = await pushed(t, { prompt: 'login' });
    const page = await (await t.browserOf()).get(address(t, again.request_uri));
    isPage(await (await t.browserOf()).follow(page));
  }],
  ['a request of a megabyte is refused', async (t) => notServed(await push(t, { state: 'x'.repeat(1 << 20) }), [400, 413])],
  ['a request of JSON is refused', async (t) => refused(await push(t, {}, { type: 'application/json' }), 'invalid_request', [400, 415])],
  ['the credentials of a client are not kept with the request', async (t) => {
    const { request_uri } = await pushed(t);
    assert.ok(!request_uri.includes(t.client('web').secret));
  }],
  ['a request_uri at the token endpoint is nothing', async (t) => {
    const { request_uri } = await pushed(t);
    refused(await t.token('web', { grant_type: 'authorization_code', code: request_uri, redirect_uri: 'https://web.example/cb', code_verifier: 'x'.repeat(43) }), 'invalid_grant');
  }],
];
