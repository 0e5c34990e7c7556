// Signing out at the wish of a client: only its own, and only to an address that is registered. OIDC RP-Initiated Logout 1.0.
import assert from 'node:assert/strict';
import { Browser, useAs } from '../lib/browser.mjs';
import { good, random } from '../lib/context.mjs';
import { forge, imitation, now, tampered } from '../lib/forge.mjs';
import { formsOf } from '../lib/forms.mjs';
import { encode } from '../lib/http.mjs';

const OUT = 'https://web.example/out';
// A browser of its own with a session, and an ID token of it.
async function session(t, name = 'alice') {
  const browser = new Browser(t.base);
  const start = t.authorization('web');
  const answer = await useAs(browser, start.url, t.person(name));
  const code = new URL(answer.left).searchParams.get('code');
  const tokens = good(await t.redeem({ id: 'web', code, redirect_uri: start.parameters.redirect_uri, verifier: start.verifier }));
  return { browser, hint: tokens.id_token };
}
const isSignedIn = async (t, browser) => !/error=/.test((await browser.get(t.authorization('web', { prompt: 'none' }).url)).headers.location ?? 'error=');
const leave = (t, browser, fields) => browser.get(`${t.meta.end_session_endpoint}?${encode(fields)}`);

// Presses the button of every page that still asks, and says where it ends.
async function agree(browser, first) {
  let answer = await browser.follow(first);
  for (let step = 0; step < 4 && !answer.left && answer.status < 400; step += 1) {
    const form = formsOf(answer.text, answer.address)[0];
    if (!form) break;
    answer = await browser.follow(await browser.submit(form, {}, form.buttons[0]));
  }
  return answer;
}
// The person may or may not be signed out; nobody is sent to a place that is not registered.
const nowhere = (name, make) => [`${name} sends nobody anywhere`, async (t) => {
  const { browser, hint } = await session(t);
  const answer = await agree(browser, await leave(t, browser, await make(t, hint)));
  assert.equal(answer.left, undefined, `sent to ${answer.left}`);
}];

export default [
  ['a person signs out and is sent back with state', async (t) => {
    const { browser, hint } = await session(t);
    assert.equal(await isSignedIn(t, browser), true);
    const state = random();
    const answer = await agree(browser, await leave(t, browser, { id_token_hint: hint, post_logout_redirect_uri: OUT, state }));
    const left = new URL(answer.left);
    assert.equal(left.origin + left.pathname, OUT);
    assert.equal(left.searchParams.get('state'), state);
    assert.equal(await isSignedIn(t, browser), false);
  }],
  ['without a hint a person is asked first (logout CSRF)', async (t) => {
    const { browser } = await session(t);
    const answer = await browser.follow(await leave(t, browser, {}));
    assert.equal(answer.status, 200);
    assert.equal(await isSignedIn(t, browser), true);
    await agree(browser, answer);
    assert.equal(await isSignedIn(t, browser), false);
  }],
  ['a form of another origin signs nobody out without asking', async (t) => {
    const { browser } = await session(t);
    await browser.post(t.meta.end_session_endpoint, { logout: 'yes', confirm: 'yes' }, { Origin: 'https://evil.example' });
    assert.equal(await isSignedIn(t, browser), true);
  }],
  nowhere('an address that is not registered', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: 'https://evil.example/' })),
  nowhere('an address with a slash more', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: `${OUT}/` })),
  nowhere('an address with a query', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: `${OUT}?a=1` })),
  nowhere('the redirect_uri of the client', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: 'https://web.example/cb' })),
  nowhere('the address of another client', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: 'https://other.example/out' })),
  nowhere('an address without a client', () => ({ post_logout_redirect_uri: OUT })),
  nowhere('an address of a script', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: 'javascript:alert(1)' })),
  nowhere('a hint of another issuer',
    (t) => ({ id_token_hint: imitation(t, { claims: { iss: 'https://other.example', aud: 'web' }, header: { typ: 'JWT' } }), post_logout_redirect_uri: OUT })),
  nowhere('a hint in our name that another key signed',
    (t) => ({ id_token_hint: imitation(t, { claims: { aud: 'web' }, header: { typ: 'JWT' } }), post_logout_redirect_uri: OUT })),
  nowhere('an unsigned hint',
    (t) => ({ id_token_hint: forge({ alg: 'none' }, { iss: t.meta.issuer, aud: 'web', sub: 'a', iat: now(), exp: now() + 60 }), post_logout_redirect_uri: OUT })),
  nowhere('a changed hint', (t, hint) => ({ id_token_hint: tampered(hint), post_logout_redirect_uri: OUT })),
  nowhere('garbage as a hint', () => ({ id_token_hint: 'x', post_logout_redirect_uri: OUT })),
  nowhere('a hint of another client than client_id', (t, hint) => ({ id_token_hint: hint, client_id: 'other', post_logout_redirect_uri: 'https://other.example/out' })),
  nowhere('two addresses', (t, hint) => ({ id_token_hint: hint, post_logout_redirect_uri: [OUT, 'https://evil.example'] })),
  ['a hint that a bad request carries signs nobody out by itself', async (t) => {
    const { browser, hint } = await session(t);
    await leave(t, browser, { id_token_hint: tampered(hint), post_logout_redirect_uri: OUT });
    assert.equal(await isSignedIn(t, browser), true);
  }],
  ['the hint of somebody else does not sign out without asking', async (t) => {
    const [alice, bob] = [await session(t, 'alice'), await session(t, 'bob')];
    await leave(t, alice.browser, { id_token_hint: bob.hint, post_logout_redirect_uri: OUT });
    assert.equal(await isSignedIn(t, alice.browser), true);
  }],
  ['signing out of one browser leaves the other alone', async (t) => {
    const [one, two] = [await session(t), await session(t)];
    await agree(one.browser, await leave(t, one.browser, { id_token_hint: one.hint }));
    assert.equal(await isSignedIn(t, one.browser), false);
    assert.equal(await isSignedIn(t, two.browser), true);
  }],
  ['the cookie of an ended session is worth nothing', async (t) => {
    const { browser, hint } = await session(t);
    const thief = new Browser(t.base);
    thief.cookies = new Map(browser.cookies);
    await agree(browser, await leave(t, browser, { id_token_hint: hint }));
    assert.equal(await isSignedIn(t, thief), false);
  }],
];
