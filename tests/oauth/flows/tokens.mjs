// What is in the tokens, checked by jose against the published keys. RFC 9068 2, OIDC Core 2 and 3.1.3.6.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { good } from '../lib/context.mjs';
import { now, parts, tampered } from '../lib/forge.mjs';

const keysOf = (t) => createRemoteJWKSet(new URL(t.meta.jwks_uri));
const verify = (t, token, options) => jwtVerify(token, keysOf(t), { issuer: t.meta.issuer, algorithms: t.meta.id_token_signing_alg_values_supported, ...options });
const verifyAccess = (t, token, audience = t.world.orders) => verify(t, token, { audience, typ: 'at+jwt' });
const verifyId = (t, token, audience) => verify(t, token, { audience });
// OIDC Core 3.1.3.6: by the hash of the signature's algorithm, which of Ed25519 is SHA-512.
const HASHES = { ES256: 'sha256', RS256: 'sha256', PS256: 'sha256', EdDSA: 'sha512', Ed25519: 'sha512' };
const half = (hash, text) => {
  const sum = createHash(hash).update(text).digest();
  return sum.subarray(0, sum.length / 2).toString('base64url');
};
function checkHash(got) {
  const [{ alg }, { at_hash }] = parts(got.id_token);
  assert.equal(at_hash, half(HASHES[alg], got.access_token), `at_hash by ${alg}`);
}

export default [
  ['an access token of a client says what RFC 9068 2.2 wants', async (t) => {
    const got = await t.clientToken('service', { scope: 'orders:read' });
    const { payload } = await verifyAccess(t, got.access_token);
    for (const name of ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti']) assert.ok(payload[name], name);
    assert.equal(payload.client_id, 'service');
    assert.equal(payload.sub, 'client:service');
    assert.equal(payload.scope, 'orders:read');
    assert.ok(Math.abs(payload.exp - payload.iat - got.expires_in) <= 1);
  }],
  ['an access token of a person names the person and the client', async (t) => {
    const { payload } = await verifyAccess(t, (await t.tokens()).access_token);
    assert.equal(payload.sub, 'user:alice');
    assert.equal(payload.client_id, 'web');
    assert.deepEqual(payload.scope.split(' ').sort(), ['openid', 'orders:read']);
    for (const name of ['email', 'name', 'nonce']) assert.ok(!(name in payload), `${name} in an access token`);
  }],
  ['an access token has one audience', async (t) => {
    const { payload } = await verifyAccess(t, (await t.tokens()).access_token);
    assert.equal([payload.aud].flat().length, 1);
  }],
  ['two tokens are never the same', async (t) => {
    const [one, two] = [await t.clientToken(), await t.clientToken()];
    assert.notEqual(parts(one.access_token)[1].jti, parts(two.access_token)[1].jti);
  }],
  ['a changed access token does not pass', async (t) => {
    const { access_token } = await t.clientToken();
    await verifyAccess(t, access_token);
    await assert.rejects(verifyAccess(t, tampered(access_token)));
    await assert.rejects(verifyAccess(t, tampered(access_token, 1)));
  }],
  ['an ID token says what OIDC Core 2 wants', async (t) => {
    const code = await t.code('web', { max_age: '10000' });
    const got = good(await t.redeem(code));
    const { payload } = await verifyId(t, got.id_token, 'web');
    for (const name of ['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time']) assert.ok(payload[name], name);
    assert.equal(payload.nonce, code.parameters.nonce);
    assert.ok(payload.exp > now() && payload.auth_time <= now());
    if ([payload.aud].flat().length > 1) assert.equal(payload.azp, 'web');
  }],
  ['at_hash is that of the access token beside it, by the hash of the signature', async (t) => {
    const [one, two] = [await t.tokens(), await t.tokens()];
    checkHash(one);
    checkHash(two);
    const [, { at_hash }] = parts(one.id_token);
    assert.notEqual(at_hash, parts(two.id_token)[1].at_hash);
    const { alg } = parts(one.id_token)[0];
    for (const hash of ['sha256', 'sha384', 'sha512']) if (hash !== HASHES[alg]) assert.notEqual(at_hash, half(hash, one.access_token), hash);
    const next = good(await t.refresh('web', one.refresh_token));
    if (next.id_token) checkHash(next);
  }],
  ['tokens are signed by the algorithm that the metadata names', async (t) => {
    const got = await t.tokens();
    for (const token of [got.id_token, got.access_token]) {
      assert.deepEqual(t.meta.id_token_signing_alg_values_supported, [parts(token)[0].alg]);
      await assert.rejects(jwtVerify(token, keysOf(t), { algorithms: ['ES256', 'EdDSA', 'RS256', 'PS256'].filter((one) => one !== parts(token)[0].alg) }));
    }
  }],
  ['an ID token has the nonce of its request or none, and says how somebody signed in', async (t) => {
    const [, without] = parts((await t.tokens('web', { nonce: undefined })).id_token);
    assert.ok(!('nonce' in without));
    assert.deepEqual(without.amr, ['pwd']);
    assert.ok(!('acr' in without), 'a class of authentication that nobody has agreed on');
    const [one, two] = [await t.code('web', { nonce: 'first' }), await t.code('web', { nonce: 'second' })];
    const nonceOf = async (code) => parts(good(await t.redeem(code)).id_token)[1].nonce;
    assert.deepEqual([await nonceOf(two), await nonceOf(one)], ['second', 'first']);
  }],
  ['the subject of the ID token is that of userinfo', async (t) => {
    const got = await t.tokens();
    assert.equal(good(await t.userinfo(got.access_token)).sub, parts(got.id_token)[1].sub);
  }],
  ['an ID token is no access token, by its type and its audience', async (t) => {
    const got = await t.tokens();
    assert.notEqual(decodeProtectedHeader(got.id_token).typ, 'at+jwt');
    await assert.rejects(verifyAccess(t, got.id_token));
    await assert.rejects(verifyId(t, got.access_token, 'web'));
  }],
  ['an ID token of a refresh keeps who, when and for whom (OIDC Core 12.2)', async (t) => {
    const first = good(await t.redeem(await t.code('web', { max_age: '10000' })));
    const second = good(await t.refresh('web', first.refresh_token));
    if (!second.id_token) return;
    const [, a] = parts(first.id_token);
    const [, b] = parts(second.id_token);
    for (const name of ['iss', 'sub', 'aud', 'auth_time']) assert.deepEqual(b[name], a[name], name);
    assert.ok(b.iat >= a.iat);
  }],
  ['without openid there is no ID token', async (t) => {
    const got = await t.tokens('web', { scope: 'orders:read', nonce: undefined });
    assert.ok(!('id_token' in got));
  }],
  ['a token of a device names the person', async (t) => {
    const device = await t.device();
    await t.answerDevice(device);
    const { payload } = await verifyAccess(t, good(await t.poll(device)).access_token);
    assert.deepEqual([payload.sub, payload.client_id], ['user:alice', 'tv']);
  }],
];
