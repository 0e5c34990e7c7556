// The plan "RP-Initiated Logout OP" of the OpenID Foundation's conformance suite, under its names.
import assert from 'node:assert/strict';
import { Browser, useAs } from '../lib/browser.mjs';
import { good, random } from '../lib/context.mjs';
import { forge, makeKey, parts, tampered } from '../lib/forge.mjs';
import { formsOf } from '../lib/forms.mjs';
import { encode } from '../lib/http.mjs';

const OUT = 'https://suite.example/out';
const state = random();

async function session(t) {
  const browser = new Browser(t.base);
  const start = t.authorization('suite', { scope: 'openid' });
  const answer = await useAs(browser, start.url, t.person('alice'));
  const code = new URL(answer.left).searchParams.get('code');
  const tokens = good(await t.redeem({ id: 'suite', code, redirect_uri: start.parameters.redirect_uri, verifier: start.verifier }));
  return { browser, tokens, hint: tokens.id_token };
}

const isSignedOut = async (t, browser) => {
  const answer = await browser.get(t.authorization('suite', { scope: 'openid', prompt: 'none' }).url);
  return new URL(answer.headers.location).searchParams.get('error') === 'login_required';
};

// Asks for the end of the session, and presses the first button of a page that asks the person.
async function leave(t, fieldsOf, how = 'GET') {
  const { browser, ...mine } = await session(t);
  const fields = await fieldsOf(mine);
  const address = t.meta.end_session_endpoint;
  const first = how === 'GET' ? await browser.get(`${address}?${encode(fields)}`) : await new Browser(t.base).post(address, fields, { Origin: 'https://suite.example' });
  let answer = await browser.follow(first);
  const [form] = answer.left || answer.status >= 400 ? [] : formsOf(answer.text, answer.address);
  if (form) answer = await browser.follow(await browser.submit(form, {}, form.buttons[0]));
  return { left: answer.left, asked: Boolean(form), isOut: await isSignedOut(t, browser) };
}

const ends = (name, fieldsOf, where, { how, asked = false } = {}) => [name, async (t) => {
  assert.deepEqual(await leave(t, fieldsOf, how), { left: where, asked, isOut: true });
}];
const refuses = (name, fieldsOf) => [name, async (t) => {
  assert.deepEqual(await leave(t, fieldsOf), { left: undefined, asked: false, isOut: false });
}];
const full = ({ hint }) => ({ id_token_hint: hint, post_logout_redirect_uri: OUT, state });

export default [
  ends('oidcc-rp-initiated-logout', full, `${OUT}?state=${state}`),
  ends('oidcc-rp-initiated-logout by POST', full, `${OUT}?state=${state}`, { how: 'POST', asked: true }),
  ends('oidcc-rp-initiated-logout-no-state', (mine) => ({ ...full(mine), state: undefined }), OUT),
  ends('oidcc-rp-initiated-logout-no-post-logout-redirect-uri', ({ hint }) => ({ id_token_hint: hint, state }), undefined),
  ends('oidcc-rp-initiated-logout-only-state', () => ({ state }), undefined, { asked: true }),
  ends('oidcc-rp-initiated-logout-no-params', () => ({}), undefined, { asked: true }),
  refuses('oidcc-rp-initiated-logout-bad-id-token-hint', (mine) => ({ ...full(mine), id_token_hint: forge({ alg: 'ES256', kid: 'x' }, parts(mine.hint)[1], makeKey().private) })),
  refuses('oidcc-rp-initiated-logout-modified-id-token-hint', (mine) => ({ ...full(mine), id_token_hint: tampered(mine.hint, 1) })),
  refuses('oidcc-rp-initiated-logout-no-id-token-hint', (mine) => ({ ...full(mine), id_token_hint: undefined })),
  ends('without a hint, but with client_id, the person is asked', () => ({ client_id: 'suite', post_logout_redirect_uri: OUT }), OUT, { asked: true }),
  refuses('oidcc-rp-initiated-logout-bad-post-logout-redirect-uri', (mine) => ({ ...full(mine), post_logout_redirect_uri: 'https://suite.example/bad' })),
  refuses('oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri', (mine) => ({ ...full(mine), post_logout_redirect_uri: `${OUT}?foo=bar` })),
  ends('a registered address with a query keeps it', (mine) => ({ ...full(mine), post_logout_redirect_uri: `${OUT}?a=b` }), `${OUT}?a=b&state=${state}`),
  ends('logout_hint and ui_locales do no harm', (mine) => ({ ...full(mine), logout_hint: 'alice', ui_locales: 'de' }), `${OUT}?state=${state}`),
  ['the ID token of a refresh is as good a hint', async (t) => {
    const { browser, tokens } = await session(t);
    const { id_token } = good(await t.refresh('suite', tokens.refresh_token));
    const answer = await browser.get(`${t.meta.end_session_endpoint}?${encode({ id_token_hint: id_token, post_logout_redirect_uri: OUT })}`);
    assert.equal(answer.headers.location, OUT);
  }],
];
