// The authorization endpoint: what is wrong with a request of a known client goes back to it, with state and iss.
// RFC 6749 4.1.2.1, RFC 7636 4.4.1, RFC 9207, OIDC Core 3.1.2, RFC 9700 2.1.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { Browser, goOn, useAs } from '../lib/browser.mjs';
import { b64, forge, parts, tampered } from '../lib/forge.mjs';
import { formsOf } from '../lib/forms.mjs';
import { good, random } from '../lib/context.mjs';
import { isPage, noStore, notServed, sentBack, wrongMethod } from '../lib/expect.mjs';
import { encode, post, send } from '../lib/http.mjs';

async function ask(t, changes, id = 'web', name = undefined) {
  const start = t.authorization(id, changes);
  const browser = name ? await t.browserOf(name) : new Browser(t.base);
  return { start, browser, answer: await browser.follow(await browser.get(start.url)) };
}
const asksForPassword = (answer) => formsOf(answer.text, answer.address).some(({ fields }) => fields.some(({ type }) => type === 'password'));
const back = (name, changes, error, id) => [name, async (t) => {
  const { start, answer } = await ask(t, typeof changes === 'function' ? await changes(t) : changes, id);
  sentBack(answer, t, start, error);
}];
const requestObject = (t) => forge({ alg: 'none' }, { client_id: 'web', iss: 'web', aud: t.meta.issuer, redirect_uri: 'https://evil.example/cb' });
const REQUEST = 'invalid_request';
const TYPE = ['unsupported_response_type', 'unauthorized_client'];

// Nothing at this address may be asked for by the server: counts who comes.
async function listener() {
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    response.end('{}');
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}/request.jwt`, count: () => count, close: () => server.close() };
}

export default [
  ['a good request leads to a page', async (t) => {
    const { answer } = await ask(t, {});
    isPage(answer);
  }],
  ['a code comes with state and iss and is given once', async (t) => {
    const [one, two] = [await t.code(), await t.code()];
    assert.equal(one.query.state, one.parameters.state);
    assert.equal(one.query.iss, t.meta.issuer);
    assert.notEqual(one.code, two.code);
    assert.ok(one.code.length >= 22, 'a code of less than 128 bits (RFC 6749 10.10)');
  }],
  ['state comes back as it was, whatever it holds', async (t) => {
    const state = 'a b+c&d=e%20"\'<>\\ü€#?/\r\nX-Evil: 1';
    const code = await t.code('web', { state });
    assert.equal(code.query.state, state);
    assert.doesNotMatch(code.left, /[\r\n]/);
  }],
  ['no state is answered with none', async (t) => assert.ok(!('state' in (await t.code('web', { state: undefined })).query))],
  ['an endless state is refused', async (t) => {
    // Refused while it is being sent, or answered: both are good, as long as it is not carried along.
    const answer = await ask(t, { state: 'x'.repeat(100_000) }).then((asked) => asked.answer, (error) => ({ status: 400, cut: error.code }));
    assert.ok(answer.status >= 400 || answer.left, String(answer.status));
  }],
  back('a missing response_type is refused', { response_type: undefined }, REQUEST),
  back('an empty response_type is refused', { response_type: '' }, [REQUEST, ...TYPE]),
  back('the implicit flow is refused (RFC 9700 2.1.2)', { response_type: 'token' }, TYPE),
  back('an ID token alone is refused', { response_type: 'id_token' }, TYPE),
  back('an ID token and a token are refused', { response_type: 'id_token token' }, TYPE),
  back('the hybrid flow is refused', { response_type: 'code id_token' }, TYPE),
  back('a code with a token is refused', { response_type: 'code token' }, TYPE),
  back('the response type none is refused', { response_type: 'none' }, TYPE),
  back('a response type in other letters is refused', { response_type: 'Code' }, TYPE),
  back('two response types are refused', { response_type: ['code', 'code'] }, REQUEST),
  back('an unknown response_mode is refused', { response_mode: 'pigeon' }, [REQUEST, 'unsupported_response_mode']),
  back('a missing code_challenge is refused', { code_challenge: undefined, code_challenge_method: undefined }, REQUEST),
  back('a missing code_challenge is refused for a public client', { code_challenge: undefined, code_challenge_method: undefined }, REQUEST, 'spa'),
  back('an empty code_challenge is refused', { code_challenge: '' }, REQUEST),
  back('a plain challenge is refused', { code_challenge_method: 'plain', code_challenge: 'x'.repeat(43) }, REQUEST),
  back('no method means plain, and is refused', { code_challenge_method: undefined }, REQUEST),
  back('a method in other letters is refused', { code_challenge_method: 's256' }, REQUEST),
  back('an unknown method is refused', { code_challenge_method: 'S512' }, REQUEST),
  back('a method without a challenge is refused', { code_challenge: undefined }, REQUEST),
  back('a challenge of 42 characters is refused', { code_challenge: 'x'.repeat(42) }, REQUEST),
  back('a challenge with other characters is refused', { code_challenge: `${'x'.repeat(42)}=` }, REQUEST),
  back('two challenges are refused', { code_challenge: ['x'.repeat(43), 'y'.repeat(43)] }, REQUEST),
  back('two scopes are refused', { scope: ['openid', 'orders:read'] }, REQUEST),
  back('two nonces are refused', { nonce: ['a', 'b'] }, REQUEST),
  back('a scope with a quote is refused', { scope: 'openid "' }, 'invalid_scope'),
  back('an unknown scope is refused', { scope: 'openid everything' }, 'invalid_scope'),
  back('an unknown resource is refused (RFC 8707 2.1)', { resource: 'https://unknown.example' }, 'invalid_target'),
  back('a resource with a fragment is refused', (t) => ({ resource: `${t.world.orders}#a` }), 'invalid_target'),
  back('prompt=none without a session is refused', { prompt: 'none' }, 'login_required'),
  back('prompt=none together with login is refused', { prompt: 'none login' }, REQUEST),
  back('an unknown prompt is refused', { prompt: 'sing' }, REQUEST),
  back('prompt=none together with consent is refused', { prompt: 'none consent' }, REQUEST),
  back('prompt=none together with the choice of an account is refused', { prompt: 'none select_account' }, REQUEST),
  back('a prompt in other letters is refused', { prompt: 'None' }, REQUEST),
  back('prompt twice is refused', { prompt: ['none', 'login'] }, REQUEST),
  back('a max_age that is no number is refused', { max_age: 'abc' }, REQUEST),
  back('a negative max_age is refused', { max_age: '-1' }, REQUEST),
  back('a max_age with a fraction is refused', { max_age: '1.5' }, REQUEST),
  back('a max_age beyond all numbers is refused', { max_age: '99999999999999999999' }, REQUEST),
  back('a request object is refused (OIDC Core 6.1)', (t) => ({ request: requestObject(t) }), ['request_not_supported', 'invalid_request_object', REQUEST]),
  back('a request object that the client has signed is refused, too', async (t) => {
    const { issuer } = t.meta;
    return { request: forge({ alg: 'ES256', kid: 'keyed-1', typ: 'oauth-authz-req+jwt' }, { client_id: 'web', iss: 'web', aud: issuer }, t.client('keyed').key.private) };
  }, ['request_not_supported', 'invalid_request_object', REQUEST]),
  back('a request_uri that https names is refused by its name (OIDC Core 3.1.2.6)', { request_uri: 'https://web.example/request.jwt' },
    ['request_uri_not_supported', REQUEST]),
  back('a registration parameter is refused (OIDC Core 7.2.1)', { registration: '{}' }, ['registration_not_supported', REQUEST]),
  ['a request object from elsewhere is refused and not fetched', async (t) => {
    const there = await listener();
    const start = t.authorization('web', { request_uri: there.url });
    const answer = await new Browser(t.base).get(start.url);
    if (answer.status >= 400) notServed(answer);
    else sentBack(answer, t, start, ['request_uri_not_supported', 'invalid_request_uri', REQUEST]);
    assert.equal(there.count(), 0, 'it was fetched');
    there.close();
  }],
  ['an unknown request_uri of ours is refused', async (t) => {
    const url = `${t.meta.authorization_endpoint}?${encode({ client_id: 'web', request_uri: 'urn:ietf:params:oauth:request_uri:unknown' })}`;
    const answer = await new Browser(t.base).get(url);
    // It may be shown, or sent to the one address that is registered.
    if (answer.status >= 400) notServed(answer);
    else assert.match(answer.headers.location, /^https:\/\/web\.example\/cb\?error=invalid_request(_uri)?&/);
  }],
  ['prompt=none with a session and consent gives a code', async (t) => {
    const { answer } = await ask(t, { prompt: 'none' }, 'web', 'alice');
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['prompt=none without consent is refused', async (t) => {
    const { start, answer } = await ask(t, { prompt: 'none', scope: 'openid orders:write' }, 'other', 'bob');
    sentBack(answer, t, start, ['consent_required', 'interaction_required']);
  }],
  ['consent to little is no consent to more', async (t) => {
    await t.code('other', { scope: 'openid' }, 'bob');
    const { start, answer } = await ask(t, { prompt: 'none', scope: 'openid orders:read' }, 'other', 'bob');
    sentBack(answer, t, start, ['consent_required', 'interaction_required']);
  }],
  ['prompt=none and max_age=0 want a new sign-in', async (t) => {
    await t.code();
    const { start, answer } = await ask(t, { prompt: 'none', max_age: '0' }, 'web', 'alice');
    if (start && answer.left && new URL(answer.left).searchParams.get('code')) assert.fail('a code without a new sign-in');
    sentBack(answer, t, start, 'login_required');
  }],
  ['prompt=login asks for the password although there is a session', async (t) => {
    const { answer } = await ask(t, { prompt: 'login' }, 'web', 'alice');
    assert.ok(asksForPassword(answer));
  }],
  ['max_age=0 asks for the password although there is a session, and a large one does not', async (t) => {
    assert.ok(asksForPassword((await ask(t, { max_age: '0' }, 'web', 'alice')).answer));
    const { answer } = await ask(t, { max_age: '4294967295' }, 'web', 'alice');
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['prompt=none and a max_age that the session keeps give a code', async (t) => {
    const { answer } = await ask(t, { prompt: 'none', max_age: '10000' }, 'web', 'alice');
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['a new sign-in that was asked for is told in auth_time', async (t) => {
    const browser = new Browser(t.base);
    const times = [];
    for (const changes of [{}, { prompt: 'login' }, { max_age: '0' }, { max_age: '10000' }]) {
      const start = t.authorization('web', { max_age: '10000', ...changes });
      const answer = await useAs(browser, start.url, t.person('alice'));
      const code = { id: 'web', code: new URL(answer.left).searchParams.get('code'), redirect_uri: start.parameters.redirect_uri, verifier: start.verifier };
      times.push(parts(good(await t.redeem(code)).id_token)[1].auth_time);
      await new Promise((resolve) => { setTimeout(resolve, 1100); }); // Times are whole seconds.
    }
    assert.ok(times[0] < times[1] && times[1] < times[2], `not later: ${times}`);
    assert.equal(times[3], times[2], 'the session goes on');
  }],
  ['prompt=consent asks again although there is consent', async (t) => isPage((await ask(t, { prompt: 'consent' }, 'web', 'alice')).answer)],
  ['an id_token_hint of somebody else is refused', async (t) => {
    const hint = (await t.tokens('web', {}, 'bob')).id_token;
    const { start, answer } = await ask(t, { prompt: 'none', id_token_hint: hint }, 'web', 'alice');
    sentBack(answer, t, start, ['login_required', 'interaction_required', REQUEST]);
  }],
  ['an id_token_hint of the person who is there gives a code', async (t) => {
    const hint = (await t.tokens('web', {}, 'alice')).id_token;
    const { answer } = await ask(t, { prompt: 'none', id_token_hint: hint }, 'web', 'alice');
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
    const { start, answer: changed } = await ask(t, { prompt: 'none', id_token_hint: tampered(hint) }, 'web', 'alice');
    sentBack(changed, t, start, ['login_required', 'interaction_required', REQUEST]);
  }],
  ['an access token as the id_token_hint is refused', async (t) => {
    const { access_token } = await t.tokens('web', {}, 'alice');
    const { start, answer } = await ask(t, { prompt: 'none', id_token_hint: access_token }, 'web', 'alice');
    sentBack(answer, t, start, ['login_required', 'interaction_required', REQUEST]);
  }],
  ['an id_token_hint of somebody else asks for a sign-in, and the one who is there does not answer for it', async (t) => {
    const hint = (await t.tokens('web', {}, 'bob')).id_token;
    const start = t.authorization('web', { id_token_hint: hint });
    const browser = new Browser(t.base);
    await useAs(browser, t.authorization('web').url, t.person('alice'));
    const page = await browser.follow(await browser.get(start.url));
    assert.ok(!page.left, `alice answers for bob: ${page.left}`);
    const answer = await goOn(browser, page, t.person('alice'));
    const code = answer.left && new URL(answer.left).searchParams.get('code');
    if (code) {
      const { id_token } = good(await t.redeem({ id: 'web', code, redirect_uri: start.parameters.redirect_uri, verifier: start.verifier }));
      assert.equal(parts(id_token)[1].sub, parts(hint)[1].sub, 'a token of somebody else than the hint names (OIDC Core 3.1.2.2)');
      return;
    }
    sentBack(answer, t, start, ['login_required', 'interaction_required', 'access_denied']);
  }],
  ['a login_hint of somebody else changes nothing about who is there', async (t) => {
    const code = await t.code('web', { login_hint: 'bob' });
    assert.match(parts(good(await t.redeem(code)).id_token)[1].sub, /alice/);
  }],
  ['what is no more than a wish is passed over', async (t) => {
    const wishes = { ui_locales: 'fr-CA fr xx', claims_locales: 'de', acr_values: 'urn:gold phr', display: 'popup', unheard_of: 'x' };
    const code = await t.code('web', wishes);
    const [, claims] = parts(good(await t.redeem(code)).id_token);
    assert.ok(!claims.acr || !wishes.acr_values.split(' ').includes(claims.acr), 'a class of authentication that nobody checked');
  }],
  ['claims are not told by the claims parameter, and the metadata says so (OIDC Core 5.5)', async (t) => {
    assert.equal(t.meta.claims_parameter_supported ?? false, false);
    const wanted = { email: { essential: true }, acr: { essential: true, values: ['urn:gold'] } };
    const code = await t.code('web', { claims: JSON.stringify({ id_token: wanted, userinfo: wanted }) });
    const got = good(await t.redeem(code));
    for (const claims of [parts(got.id_token)[1], good(await t.userinfo(got.access_token))]) {
      for (const name of ['email', 'acr']) assert.ok(!(name in claims), name);
    }
  }],
  ['an id_token_hint that is not signed by us is refused', async (t) => {
    const hint = forge({ alg: 'none' }, { iss: t.meta.issuer, sub: 'alice', aud: 'web' });
    const { start, answer } = await ask(t, { prompt: 'none', id_token_hint: hint }, 'web', 'alice');
    sentBack(answer, t, start, ['login_required', 'interaction_required', REQUEST]);
  }],
  ['a person who says no is told so', async (t) => {
    const start = t.authorization('web', { prompt: 'consent' });
    const answer = await useAs(await t.browserOf(), start.url, { ...t.person('alice'), refuses: true });
    sentBack(answer, t, start, 'access_denied');
  }],
  ['the same request by POST is answered (OIDC Core 3.1.2.1)', async (t) => {
    const start = t.authorization('web');
    const browser = new Browser(t.base);
    isPage(await browser.follow(await browser.post(t.meta.authorization_endpoint, start.parameters, { Origin: 'https://web.example' })));
  }],
  ['PUT and DELETE are refused', async (t) => {
    wrongMethod(await send(t.authorization('web').url, { method: 'PUT' }));
    wrongMethod(await send(t.authorization('web').url, { method: 'DELETE' }));
  }],
  ['a POST of JSON is refused', async (t) => {
    notServed(await post(t.meta.authorization_endpoint, JSON.stringify(t.authorization('web').parameters), { type: 'application/json' }));
  }],
  ['response_mode=query is the same as none', async (t) => assert.ok((await t.code('web', { response_mode: 'query' })).code)],
  ['a wrong response_mode and a refusal do not become a fragment', async (t) => {
    const { answer } = await ask(t, { response_mode: 'pigeon' });
    assert.doesNotMatch(answer.left ?? answer.headers.location ?? '', /#/);
  }],
  ['a nonce comes back in the ID token and nowhere else', async (t) => {
    const nonce = random();
    const code = await t.code('web', { nonce });
    assert.ok(!code.left.includes(nonce));
    const { id_token } = good(await t.redeem(code));
    assert.ok(Buffer.from(id_token.split('.')[1], 'base64url').toString().includes(nonce));
    assert.ok(!b64(id_token).includes('undefined'));
  }],
  ['redirects that hold a code are not kept', async (t) => {
    const browser = await t.browserOf();
    const answer = await browser.follow(await browser.get(t.authorization('web').url));
    assert.ok(answer.left);
    noStore(answer);
  }],
];
