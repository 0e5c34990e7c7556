// openid-client, as a web application, a service, a native application and a device use it.
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { Browser, useAs } from '../lib/browser.mjs';
import { EXCHANGE, TOKEN_TYPE } from '../lib/context.mjs';
import { formsOf } from '../lib/forms.mjs';
import { parts } from '../lib/forge.mjs';
import { skip } from '../lib/suite.mjs';

const importKey = (jwk) => crypto.subtle.importKey('jwk', { ...jwk, use: undefined, alg: undefined }, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);

async function authOf(t, id) {
  const { auth, secret, key } = t.client(id);
  if (auth === 'client_secret_basic') return client.ClientSecretBasic(secret);
  if (auth === 'client_secret_post') return client.ClientSecretPost(secret);
  if (auth === 'private_key_jwt') return client.PrivateKeyJwt({ key: await importKey(key.private), kid: key.private.kid });
  return client.None();
}

async function configure(t, id, algorithm = 'oidc') {
  const config = await client.discovery(new URL(t.base), id, undefined, await authOf(t, id), { execute: [client.allowInsecureRequests], algorithm });
  client.enableNonRepudiationChecks(config); // Signatures of ID tokens are checked, although they come straight from the server.
  return config;
}

// Sign-in as an application does it: `extra` are parameters more, `par` pushes them first.
async function signIn(t, config, id, { extra = {}, par = false, browser, options, name = 'alice', exchange = {} } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const parameters = {
    redirect_uri: t.client(id).redirect_uris[0], scope: 'openid email orders:read', state: expectedState, nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256', ...extra,
  };
  const url = par ? await client.buildAuthorizationUrlWithPAR(config, parameters, options) : client.buildAuthorizationUrl(config, parameters);
  const answer = await useAs(browser ?? await t.browserOf(name), url.href, t.person(name));
  assert.ok(answer.left, `no redirect: ${answer.status} ${answer.text.slice(0, 300)}`);
  return client.authorizationCodeGrant(config, new URL(answer.left), { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }, exchange, options);
}

const machine = (id) => [`client_credentials of ${id}`, async (t) => {
  const got = await client.clientCredentialsGrant(await configure(t, id), { scope: 'orders:read' });
  assert.ok(got.access_token && got.expires_in > 0);
}];

export default [
  ['metadata by OpenID Discovery', async (t) => assert.equal((await configure(t, 'web')).serverMetadata().issuer, t.meta.issuer)],
  ['metadata by RFC 8414', async (t) => assert.equal((await configure(t, 'web', 'oauth2')).serverMetadata().issuer, t.meta.issuer)],
  machine('service'),
  machine('poster'),
  machine('keyed'),
  ['a person signs in at a web application', async (t) => {
    const got = await signIn(t, await configure(t, 'web'), 'web', { browser: new Browser(t.base) });
    const claims = got.claims();
    assert.equal(claims.aud, 'web');
    assert.ok(got.refresh_token);
  }],
  ['a person signs in at a public client', async (t) => assert.ok((await signIn(t, await configure(t, 'spa'), 'spa')).access_token)],
  ['a person signs in at a native application with a port of its own', async (t) => {
    const redirect_uri = 'http://127.0.0.1:49200/cb';
    assert.ok((await signIn(t, await configure(t, 'native'), 'native', { extra: { redirect_uri } })).access_token);
  }],
  ['a person signs in by a pushed request', async (t) => assert.ok((await signIn(t, await configure(t, 'web'), 'web', { par: true })).id_token)],
  ['two people are two subjects', async (t) => {
    const config = await configure(t, 'web');
    const [alice, bob] = [await signIn(t, config, 'web'), await signIn(t, config, 'web', { name: 'bob' })];
    assert.notEqual(alice.claims().sub, bob.claims().sub);
  }],
  ['max_age is answered with auth_time', async (t) => {
    const config = await configure(t, 'web');
    const { auth_time } = (await signIn(t, config, 'web', { extra: { max_age: '10000' } })).claims();
    assert.ok(Math.abs(auth_time - Date.now() / 1000) < 3600);
  }],
  ['prompt=login makes a new auth_time', async (t) => {
    const config = await configure(t, 'web');
    const first = (await signIn(t, config, 'web', { extra: { max_age: '10000' } })).claims().auth_time;
    const second = (await signIn(t, config, 'web', { extra: { max_age: '10000', prompt: 'login' } })).claims().auth_time;
    assert.ok(second >= first);
  }],
  ['refresh tokens rotate', async (t) => {
    const config = await configure(t, 'web');
    const first = await signIn(t, config, 'web');
    const second = await client.refreshTokenGrant(config, first.refresh_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    const third = await client.refreshTokenGrant(config, second.refresh_token);
    assert.notEqual(third.access_token, second.access_token);
    await assert.rejects(client.refreshTokenGrant(config, first.refresh_token), { error: 'invalid_grant' });
  }],
  ['userinfo tells who it is', async (t) => {
    const config = await configure(t, 'web');
    const got = await signIn(t, config, 'web');
    const told = await client.fetchUserInfo(config, got.access_token, got.claims().sub);
    assert.equal(told.email, 'alice@example.com');
  }],
  ['a token is asked about and taken back', async (t) => {
    const config = await configure(t, 'web');
    const asker = await configure(t, 'gateway');
    const got = await signIn(t, config, 'web');
    assert.equal((await client.tokenIntrospection(asker, got.access_token)).active, true);
    await client.tokenRevocation(config, got.access_token);
    assert.equal((await client.tokenIntrospection(asker, got.access_token)).active, false);
  }],
  ['a device signs in', async (t) => {
    const config = await configure(t, 'tv');
    const device = await client.initiateDeviceAuthorization(config, { scope: 'openid orders:read' });
    await t.answerDevice(device);
    assert.ok((await client.pollDeviceAuthorizationGrant(config, device)).access_token);
  }],
  ['a person signs out', async (t) => {
    const config = await configure(t, 'web');
    const browser = new Browser(t.base);
    const got = await signIn(t, config, 'web', { browser });
    const [out] = t.client('web').post_logout_redirect_uris;
    const url = client.buildEndSessionUrl(config, { post_logout_redirect_uri: out, id_token_hint: got.id_token, state: 'bye' });
    let answer = await browser.follow(await browser.get(url.href));
    const form = !answer.left && formsOf(answer.text, answer.address)[0];
    if (form) answer = await browser.follow(await browser.submit(form, {}, form.buttons[0]));
    if (!answer.left && formsOf(answer.text, answer.address)[0]) { // oidc-provider sends a form that sends itself.
      const [again] = formsOf(answer.text, answer.address);
      answer = await browser.follow(await browser.submit(again, {}, again.buttons[0]));
    }
    assert.equal(answer.left, `${out}?state=bye`);
  }],
  ['tokens bound to a key: client_credentials', async (t) => {
    const config = await configure(t, 'service');
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    assert.equal((await client.clientCredentialsGrant(config, { scope: 'orders:read' }, { DPoP })).token_type, 'dpop');
  }],
  ['tokens bound to a key: a person, PAR, refresh, userinfo', async (t) => {
    const config = await configure(t, 'spa');
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const got = await signIn(t, config, 'spa', { par: true, options: { DPoP } });
    assert.equal(got.token_type, 'dpop');
    const second = await client.refreshTokenGrant(config, got.refresh_token, {}, { DPoP });
    assert.equal((await client.fetchUserInfo(config, second.access_token, got.claims().sub, { DPoP })).sub, got.claims().sub);
    const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    await assert.rejects(client.refreshTokenGrant(config, second.refresh_token, {}, { DPoP: other }));
  }],
  ['a service exchanges the token of a person', async (t) => {
    if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('the server does not have the grant of RFC 8693');
    const person = await signIn(t, await configure(t, 'web'), 'web');
    const got = await client.genericGrantRequest(await configure(t, 'exchanger'), EXCHANGE, {
      subject_token: person.access_token, subject_token_type: `${TOKEN_TYPE}access_token`, resource: t.world.invoices, scope: 'orders:read',
    });
    const [, claims] = parts(got.access_token);
    assert.equal(claims.act.sub, 'client:exchanger');
    assert.equal(claims.sub, parts(person.access_token)[1].sub);
  }],
];
