// oauth4webapi, which checks each answer more strictly than most applications do.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { useAs } from '../lib/browser.mjs';
import { DEVICE } from '../lib/context.mjs';

const insecure = { [oauth.allowInsecureRequests]: true }; // The tests have no TLS on loopback.

async function discover(t, algorithm = 'oauth2') {
  const issuer = new URL(t.base);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }));
}

async function setup(t, id) {
  const as = await discover(t);
  const { auth, secret, key } = t.client(id);
  const me = { client_id: id, id_token_signed_response_alg: as.id_token_signing_alg_values_supported?.[0] };
  let authentication = oauth.None();
  if (auth === 'client_secret_basic') authentication = oauth.ClientSecretBasic(secret);
  if (auth === 'client_secret_post') authentication = oauth.ClientSecretPost(secret);
  if (auth === 'private_key_jwt') {
    const algorithm = key.private.kty === 'RSA' ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } : { name: 'ECDSA', namedCurve: 'P-256' };
    const signer = await crypto.subtle.importKey('jwk', { ...key.private, use: undefined, alg: undefined }, algorithm, false, ['sign']);
    authentication = oauth.PrivateKeyJwt({ key: signer, kid: key.private.kid });
  }
  return { as, me, authentication };
}

async function redirected(t, { as, me }, id, answer, state) {
  assert.ok(answer.left, `no redirect: ${answer.status}`);
  return oauth.validateAuthResponse(as, me, new URL(answer.left), state);
}

async function signIn(t, id, { par = false, dpop } = {}) {
  const { as, me, authentication } = await setup(t, id);
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const [redirect_uri] = t.client(id).redirect_uris;
  const parameters = new URLSearchParams({
    response_type: 'code', client_id: id, redirect_uri, scope: 'openid orders:read', state, nonce, max_age: '10000',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const url = new URL(as.authorization_endpoint);
  if (par) {
    const pushed = await oauth.processPushedAuthorizationResponse(as, me, await oauth.pushedAuthorizationRequest(as, me, authentication, parameters, { DPoP: dpop, ...insecure }));
    url.search = new URLSearchParams({ client_id: id, request_uri: pushed.request_uri });
  } else url.search = parameters;
  const checked = await redirected(t, { as, me }, id, await useAs(await t.browserOf(), url.href, t.person('alice')), state);
  const ask = () => oauth.authorizationCodeGrantRequest(as, me, authentication, checked, redirect_uri, verifier, { DPoP: dpop, ...insecure });
  const read = async (response) => oauth.processAuthorizationCodeResponse(as, me, response, { expectedNonce: nonce, maxAge: 10000, requireIdToken: true });
  const answer = await ask();
  const result = await read(answer).catch(async (error) => {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return read(await ask());
  });
  await oauth.validateApplicationLevelSignature(as, answer, insecure).catch((error) => {
    if (!dpop) throw error; // The first answer may have been the one that asked for a nonce.
  });
  return { as, me, authentication, result };
}

export default [
  ['both metadata documents pass', async (t) => {
    assert.equal((await discover(t)).issuer, t.meta.issuer);
    assert.equal((await discover(t, 'oidc')).issuer, t.meta.issuer);
  }],
  ...['service', 'poster', 'keyed', 'keyedrsa'].map((id) => [`client_credentials of ${id}`, async (t) => {
    const { as, me, authentication } = await setup(t, id);
    const answer = await oauth.clientCredentialsGrantRequest(as, me, authentication, { scope: 'orders:read' }, insecure);
    assert.ok((await oauth.processClientCredentialsResponse(as, me, answer)).access_token);
  }]),
  ['a code with PKCE, nonce, max_age, iss and a signed ID token', async (t) => {
    const { result } = await signIn(t, 'web');
    assert.ok(oauth.getValidatedIdTokenClaims(result).auth_time);
  }],
  ['the same by a pushed request', async (t) => assert.ok((await signIn(t, 'other', { par: true })).result.id_token)],
  ['a public client', async (t) => assert.ok((await signIn(t, 'spa')).result.access_token)],
  ['refresh, userinfo, introspection, revocation', async (t) => {
    const { as, me, authentication, result } = await signIn(t, 'web');
    const { sub } = oauth.getValidatedIdTokenClaims(result);
    const fresh = await oauth.processRefreshTokenResponse(as, me, await oauth.refreshTokenGrantRequest(as, me, authentication, result.refresh_token, insecure));
    const told = await oauth.processUserInfoResponse(as, me, sub, await oauth.userInfoRequest(as, me, fresh.access_token, insecure));
    assert.equal(told.sub, sub);
    const asker = await setup(t, 'gateway');
    const about = async () => oauth.processIntrospectionResponse(as, asker.me, await oauth.introspectionRequest(as, asker.me, asker.authentication, fresh.access_token, insecure));
    assert.equal((await about()).active, true);
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, me, authentication, fresh.access_token, insecure));
    assert.equal((await about()).active, false);
  }],
  ['tokens bound to a key, with a nonce', async (t) => {
    const keys = await oauth.generateKeyPair('ES256');
    const dpop = oauth.DPoP({ client_id: 'web' }, keys);
    const { as, me, result } = await signIn(t, 'web', { dpop });
    assert.equal(result.token_type, 'dpop');
    const ask = () => oauth.protectedResourceRequest(result.access_token, 'GET', new URL(as.userinfo_endpoint), new Headers(), null, { DPoP: dpop, ...insecure });
    const answer = await ask().catch(async (error) => {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return ask();
    });
    assert.equal(answer.status, 200);
    assert.ok(me.client_id);
  }],
  ['a device', async (t) => {
    const { as, me, authentication } = await setup(t, 'tv');
    const asked = await oauth.deviceAuthorizationRequest(as, me, authentication, { scope: 'openid orders:read' }, insecure);
    const device = await oauth.processDeviceAuthorizationResponse(as, me, asked);
    await t.answerDevice(device);
    const got = await oauth.processDeviceCodeResponse(as, me, await oauth.deviceCodeGrantRequest(as, me, authentication, device.device_code, insecure));
    assert.ok(got.access_token);
  }],
  ['a refusal is read as one', async (t) => {
    const { as, me, authentication } = await setup(t, 'service');
    const answer = await oauth.genericTokenEndpointRequest(as, me, authentication, DEVICE, { device_code: 'x' }, insecure);
    await assert.rejects(oauth.processGenericTokenEndpointResponse(as, me, answer), { error: /unauthorized_client|invalid_grant|invalid_request/ });
  }],
  ['a wrong secret is read as a challenge or an error', async (t) => {
    const { as, me } = await setup(t, 'service');
    const isRefusal = (error) => error.error === 'invalid_client' || error instanceof oauth.WWWAuthenticateChallengeError;
    const answer = await oauth.clientCredentialsGrantRequest(as, me, oauth.ClientSecretBasic('wrong'), {}, insecure);
    await assert.rejects(oauth.processClientCredentialsResponse(as, me, answer), isRefusal);
  }],
];
