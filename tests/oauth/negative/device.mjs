// Devices without a browser: RFC 8628.
import assert from 'node:assert/strict';
import { Browser } from '../lib/browser.mjs';
import { DEVICE, good } from '../lib/context.mjs';
import { filled, formsOf } from '../lib/forms.mjs';
import { noStore, notTheClient, refused, wrongMethod } from '../lib/expect.mjs';
import { encode, send } from '../lib/http.mjs';

const WAITING = ['authorization_pending', 'slow_down'];
const ask = (t, as, fields, options) => t.call('device_authorization', as, fields, options);

export default [
  ['a device gets a code and a person answers it', async (t) => {
    const answer = await ask(t, 'tv', { scope: 'openid orders:read' });
    const device = good(answer);
    noStore(answer);
    assert.ok(device.user_code && device.verification_uri && device.expires_in > 0);
    assert.ok(device.device_code.length >= 22);
    assert.ok(device.device_code !== device.user_code);
    refused(await t.poll(device), 'authorization_pending');
    await t.answerDevice(device);
    assert.ok(good(await t.poll(device)).access_token);
  }],
  ['a device code is good once', async (t) => {
    const device = await t.device();
    await t.answerDevice(device);
    good(await t.poll(device));
    refused(await t.poll(device), ['invalid_grant', 'expired_token']);
  }],
  ['a device that asks too often is told to slow down (RFC 8628 3.5)', async (t) => {
    const device = await t.device();
    refused(await t.poll(device), WAITING);
    refused(await t.poll(device), 'slow_down');
  }],
  ['a person who says no is told to the device', async (t) => {
    const device = await t.device();
    await t.answerDevice(device, { refuses: true });
    refused(await t.poll(device), 'access_denied');
  }],
  ['an unknown device code is refused', async (t) => refused(await t.poll({ device_code: 'unknown' }), ['invalid_grant', 'expired_token'])],
  ['a missing device code is refused', async (t) => refused(await t.poll({}), 'invalid_request')],
  ['two device codes are refused', async (t) => refused(await t.poll({ device_code: ['a', 'b'] }), 'invalid_request')],
  ['the user code is no device code', async (t) => refused(await t.poll({ device_code: (await t.device()).user_code }), ['invalid_grant', 'expired_token'])],
  ['the device code of another client is refused', async (t) => {
    const device = await t.device('tv');
    refused(await t.poll(device, 'tv2'), 'invalid_grant');
    await t.answerDevice(device);
    refused(await t.poll(device, 'tv2'), 'invalid_grant');
  }],
  ['a device code that another client showed is still good for its own', async (t) => {
    const device = await t.device('tv');
    refused(await t.poll(device, 'tv2'), 'invalid_grant');
    await t.answerDevice(device);
    good(await t.poll(device, 'tv'));
  }],
  ['a client without this grant is refused', async (t) => refused(await ask(t, 'spa', {}), ['unauthorized_client', 'invalid_request'])],
  ['a client without this grant gets nothing at the token endpoint', async (t) => {
    refused(await t.poll(await t.device(), 'spa'), ['unauthorized_client', 'invalid_grant']);
  }],
  ['an unknown client is refused', async (t) => notTheClient(await ask(t, null, { client_id: 'nobody' }))],
  ['a missing client is refused', async (t) => refused(await ask(t, null, {}), ['invalid_client', 'invalid_request'], [400, 401])],
  ['a confidential client has to prove who it is', async (t) => refused(await ask(t, null, { client_id: 'web' }), ['invalid_client', 'unauthorized_client'], [400, 401])],
  ['a scope with a quote is refused', async (t) => refused(await ask(t, 'tv', { scope: 'openid "' }), 'invalid_scope')],
  ['an unknown resource is refused', async (t) => refused(await ask(t, 'tv', { scope: 'openid', resource: 'https://unknown.example' }), 'invalid_target')],
  ['two scopes are refused', async (t) => refused(await ask(t, 'tv', { scope: ['openid', 'openid'] }), 'invalid_request')],
  ['GET is refused', async (t) => wrongMethod(await send(`${t.meta.device_authorization_endpoint}?${encode({ client_id: 'tv' })}`))],
  ['the page asks before it agrees, even with the code in the address (RFC 8628 5.4)', async (t) => {
    const device = await t.device();
    const browser = await t.browserOf();
    await browser.follow(await browser.get(device.verification_uri_complete ?? device.verification_uri));
    refused(await t.poll(device), 'authorization_pending');
  }],
  ['an answer without the cookie of the page is not one', async (t) => {
    const device = await t.device();
    const browser = await t.browserOf();
    const page = await browser.follow(await browser.get(device.verification_uri_complete ?? device.verification_uri));
    const stranger = new Browser(t.base);
    for (const form of formsOf(page.text, page.address)) {
      for (const button of [...form.buttons, undefined]) await stranger.post(form.action, filled(form, {}, button), { Origin: 'https://evil.example' });
    }
    refused(await t.poll(device), WAITING);
  }],
  ['a wrong user code is refused, and not for ever tried', async (t) => {
    const device = await t.device();
    const browser = await t.browserOf('bob'); // Who guesses may well be signed in, and has to be where that is asked first.
    let last;
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const page = await browser.follow(await browser.get(device.verification_uri));
      if (page.status === 429) return;
      const form = formsOf(page.text, page.address).find(({ fields }) => fields.some(({ name }) => /code/i.test(name)));
      assert.ok(form, page.text.slice(0, 400));
      const code = form.fields.find(({ name, type }) => /code/i.test(name) && type !== 'hidden').name;
      const guess = `BCDF-${String(attempt).padStart(4, 'G')}`.replace(/\d/g, (digit) => 'GHJKLMNPQR'[digit]);
      last = await browser.follow(await browser.submit(form, { [code]: guess }, form.buttons[0]));
      if (last.status === 429) return;
    }
    assert.fail('forty wrong codes in a row were looked at');
  }],
  ['a wrong grant type is refused', async (t) => refused(await t.token('tv', { grant_type: 'device_code', device_code: 'x' }), 'unsupported_grant_type')],
  ['a device code is no code', async (t) => {
    const device = await t.device();
    const fields = { grant_type: 'authorization_code', code: device.device_code, redirect_uri: 'https://web.example/cb', code_verifier: 'x'.repeat(43) };
    refused(await t.token('web', fields), 'invalid_grant');
    refused(await t.token('web', { grant_type: DEVICE, device_code: device.device_code }), ['unauthorized_client', 'invalid_grant']);
  }],
];
