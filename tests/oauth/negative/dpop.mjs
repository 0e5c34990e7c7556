// Tokens bound to a key, and the proof of it: RFC 9449.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { useAs } from '../lib/browser.mjs';
import { DEVICE, good } from '../lib/context.mjs';
import { notServed, refused, tokenRefused } from '../lib/expect.mjs';
import { encode, send } from '../lib/http.mjs';
import { makeKey, now, parts, proof, tampered, thumbprint } from '../lib/forge.mjs';

const grant = { grant_type: 'client_credentials' };
const PROOF = 'invalid_dpop_proof';

// Sends a proof, and once more with the nonce that the server asks for.
async function withProof(t, make, as = 'service', fields = grant) {
  const ask = async (nonce) => t.token(as, fields, { headers: { DPoP: await make(nonce) } });
  const answer = await ask(undefined);
  return answer.json?.error === 'use_dpop_nonce' ? ask(answer.headers['dpop-nonce']) : answer;
}
const make = (t, key, changes = {}) => (nonce) => proof(key, 'POST', t.meta.token_endpoint, { nonce, ...changes });
const bad = (name, changes) => [`${name} is refused`, async (t) => {
  const key = makeKey();
  const made = typeof changes === 'function' ? changes(t, key) : changes;
  refused(await withProof(t, typeof made === 'function' ? made : make(t, key, made)), [PROOF, 'invalid_grant', 'invalid_request']);
}];

async function bound(t, key, id = 'web') {
  const code = await t.code(id);
  const fields = { grant_type: 'authorization_code', code: code.code, redirect_uri: code.redirect_uri, code_verifier: code.verifier };
  return good(await withProof(t, make(t, key), id, fields));
}

// At the resource: with the nonce it asks for.
async function use(t, token, key, changes = {}, scheme = 'DPoP') {
  const ask = (nonce) => t.userinfo(token, { scheme, headers: { DPoP: proof(key, 'GET', t.meta.userinfo_endpoint, { token, nonce, ...changes }) } });
  const answer = await ask();
  return /use_dpop_nonce/.test(answer.all('www-authenticate').join()) ? ask(answer.headers['dpop-nonce']) : answer;
}
const misused = (name, changes, scheme) => [`at the resource, ${name} is refused`, async (t) => {
  const key = makeKey();
  const { access_token } = await bound(t, key);
  const made = typeof changes === 'function' ? changes(t, access_token) : changes;
  const also = scheme ? ['invalid_request', 'use_dpop_nonce'] : [];
  tokenRefused(await use(t, access_token, made.key ?? key, made, scheme), [PROOF, 'invalid_token', ...also], scheme ? [400, 401] : 401, 'DPoP');
}];

export default [
  ['a token that is asked for with a proof is bound to its key', async (t) => {
    const key = makeKey();
    const got = good(await withProof(t, make(t, key)));
    assert.equal(got.token_type, 'DPoP');
    assert.equal((await t.introspect(got.access_token)).cnf?.jkt, thumbprint(key.public));
  }],
  ['a token without a proof is not bound', async (t) => assert.match((await t.clientToken()).token_type, /^Bearer$/i)],
  bad('another method', { claims: { htm: 'GET' } }),
  bad('a method in other letters', { claims: { htm: 'post' } }),
  bad('no method', { claims: { htm: undefined } }),
  bad('another address', { claims: { htu: 'https://other.example/token' } }),
  bad('the address of another endpoint', (t) => ({ claims: { htu: t.meta.introspection_endpoint } })),
  bad('no address', { claims: { htu: undefined } }),
  bad('an address that is no text', { claims: { htu: 5 } }),
  bad('no jti', { claims: { jti: undefined } }),
  bad('an empty jti', { claims: { jti: '' } }),
  bad('no iat', { claims: { iat: undefined } }),
  bad('an iat as text', { claims: { iat: String(now()) } }),
  ...[['an old iat', -3600], ['an iat in the future', 3600]].map(([name, by]) => [`${name} is refused, or a nonce is asked for (RFC 9449 11.1)`, async (t) => {
    const old = proof(makeKey(), 'POST', t.meta.token_endpoint, { claims: { iat: now() + by } });
    refused(await t.token('service', grant, { headers: { DPoP: old } }), [PROOF, 'use_dpop_nonce']);
  }]),
  bad('another typ', { header: { typ: 'JWT' } }),
  bad('no typ', { header: { typ: undefined } }),
  bad('alg none', { header: { alg: 'none' } }),
  bad('HS256', { header: { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }, secret: Buffer.alloc(3) }),
  bad('no key', { header: { jwk: undefined } }),
  bad('a private key within', (t, key) => ({ header: { jwk: key.private } })),
  bad('the key of somebody else', { header: { jwk: makeKey().public } }),
  bad('a key off the curve', (t, key) => ({ header: { jwk: { ...key.public, x: key.public.y } } })),
  bad('an unknown crit', { header: { crit: ['x'], x: 1 } }),
  bad('a changed signature', (t, key) => (nonce) => tampered(make(t, key)(nonce))),
  bad('a signature in DER', { der: true }),
  bad('garbage', () => () => 'x'),
  ['two proofs are refused', async (t) => {
    const key = makeKey();
    const { headers } = t.credentials('service');
    const proofs = [make(t, key)(), make(t, key)()].map((one) => ['DPoP', one]);
    const pairs = [...Object.entries(headers), ['Content-Type', 'application/x-www-form-urlencoded'], ...proofs];
    refused(await send(t.meta.token_endpoint, { method: 'POST', headers: pairs, body: encode(grant) }), [PROOF, 'invalid_request']);
  }],
  ['a proof is good once', async (t) => {
    const key = makeKey();
    let used;
    good(await withProof(t, (nonce) => {
      used = make(t, key)(nonce);
      return used;
    }));
    refused(await t.token('service', grant, { headers: { DPoP: used } }), [PROOF, 'invalid_grant', 'use_dpop_nonce']);
  }],
  ['the jti of a proof is good once, whatever else changes', async (t) => {
    const key = makeKey();
    const jti = randomUUID();
    good(await withProof(t, make(t, key, { claims: { jti } })));
    refused(await withProof(t, make(t, key, { claims: { jti, iat: now() - 1 } })), [PROOF, 'invalid_grant']);
  }],
  ['a nonce that is not of the server is answered with one that is (RFC 9449 8)', async (t) => {
    const answer = await t.token('service', grant, { headers: { DPoP: proof(makeKey(), 'POST', t.meta.token_endpoint, { nonce: 'made-up' }) } });
    refused(answer, 'use_dpop_nonce');
    assert.ok(answer.headers['dpop-nonce'], 'no DPoP-Nonce');
  }],
  ['a request whose proof is refused uses nothing up', async (t) => {
    const code = await t.code();
    const fields = { grant_type: 'authorization_code', code: code.code, redirect_uri: code.redirect_uri, code_verifier: code.verifier };
    refused(await withProof(t, make(t, makeKey(), { claims: { htm: 'GET' } }), 'web', fields), [PROOF, 'invalid_request']);
    good(await t.redeem(code));
  }],
  ['a code that was asked for with dpop_jkt is bound to that key (RFC 9449 10)', async (t) => {
    const key = makeKey();
    const ask = async (with_key) => {
      const code = await t.code('web', { dpop_jkt: thumbprint(key.public) });
      const fields = { grant_type: 'authorization_code', code: code.code, redirect_uri: code.redirect_uri, code_verifier: code.verifier };
      return with_key ? withProof(t, make(t, with_key), 'web', fields) : t.token('web', fields);
    };
    assert.equal(good(await ask(key)).token_type, 'DPoP');
    refused(await ask(makeKey()), ['invalid_grant', PROOF]);
    refused(await ask(null), ['invalid_grant', PROOF, 'invalid_request']);
  }],
  ['a pushed request that came with a proof binds its code to that key (RFC 9449 10.1)', async (t) => {
    const [key, other] = [makeKey(), makeKey()];
    const push = async (changes = {}) => {
      const start = t.authorization('web', changes);
      const ask = (nonce) => t.call('pushed_authorization_request', 'web', start.parameters, {
        headers: { DPoP: proof(key, 'POST', t.meta.pushed_authorization_request_endpoint, { nonce }) },
      });
      const answer = await ask();
      return { start, answer: answer.json?.error === 'use_dpop_nonce' ? await ask(answer.headers['dpop-nonce']) : answer };
    };
    const redeem = async (shown) => {
      const { start, answer } = await push();
      const query = encode({ client_id: 'web', request_uri: good(answer, 201).request_uri });
      const done = await useAs(await t.browserOf(), `${t.meta.authorization_endpoint}?${query}`, t.person('alice'));
      const code = new URL(done.left).searchParams.get('code');
      const fields = { grant_type: 'authorization_code', code, redirect_uri: start.parameters.redirect_uri, code_verifier: start.verifier };
      return shown ? withProof(t, make(t, shown), 'web', fields) : t.token('web', fields);
    };
    assert.equal(good(await redeem(key)).token_type, 'DPoP');
    refused(await redeem(other), ['invalid_grant', PROOF]);
    refused(await redeem(null), ['invalid_grant', PROOF, 'invalid_request']);
    refused((await push({ dpop_jkt: thumbprint(other.public) })).answer, ['invalid_request', PROOF]);
  }],
  ['the refresh token of a public client is bound to the key, too (RFC 9449 5)', async (t) => {
    const key = makeKey();
    const { refresh_token } = await bound(t, key, 'spa');
    const fields = { grant_type: 'refresh_token', refresh_token };
    refused(await withProof(t, make(t, makeKey()), 'spa', fields), ['invalid_grant', PROOF]);
    refused(await t.token('spa', fields), ['invalid_grant', PROOF, 'invalid_request']);
    good(await withProof(t, make(t, key), 'spa', fields));
  }],
  ['so is that of a device', async (t) => {
    const key = makeKey();
    const device = await t.device();
    await t.answerDevice(device);
    const got = good(await withProof(t, make(t, key), 'tv', { grant_type: DEVICE, device_code: device.device_code }));
    assert.equal(got.token_type, 'DPoP');
    const fields = { grant_type: 'refresh_token', refresh_token: got.refresh_token };
    refused(await withProof(t, make(t, makeKey()), 'tv', fields), ['invalid_grant', PROOF]);
    refused(await t.token('tv', fields), ['invalid_grant', PROOF, 'invalid_request']);
    good(await withProof(t, make(t, key), 'tv', fields));
  }],
  ['at the resource, a good proof is accepted', async (t) => {
    const key = makeKey();
    const { access_token } = await bound(t, key);
    assert.ok(good(await use(t, access_token, key)).sub);
  }],
  ['at the resource, a bound token without a proof is refused', async (t) => {
    const { access_token } = await bound(t, makeKey());
    tokenRefused(await t.userinfo(access_token, { scheme: 'DPoP' }), [PROOF, 'invalid_token', 'invalid_request', 'use_dpop_nonce'], [400, 401], 'DPoP');
  }],
  ['at the resource, a bound token as a Bearer token is refused (RFC 9449 7.2)', async (t) => {
    const { access_token } = await bound(t, makeKey());
    tokenRefused(await t.userinfo(access_token), 'invalid_token', 401, '(Bearer|DPoP)');
  }],
  ['at the resource, an unbound token with a proof is refused', async (t) => {
    const { access_token } = await t.tokens();
    notServed(await use(t, access_token, makeKey()), [400, 401]);
  }],
  misused('a bound token as Bearer, with its proof,', {}, 'Bearer'),
  misused('no ath', { claims: { ath: undefined } }),
  misused('the ath of another token', { claims: { ath: 'x'.repeat(43) } }),
  misused('another key', () => ({ key: makeKey() })),
  misused('another method', { claims: { htm: 'POST' } }),
  misused('another address', (t) => ({ claims: { htu: t.meta.token_endpoint } })),
  ['at the resource, a proof is good once', async (t) => {
    const key = makeKey();
    const { access_token } = await bound(t, key);
    const jti = randomUUID();
    good(await use(t, access_token, key, { claims: { jti } }));
    tokenRefused(await use(t, access_token, key, { claims: { jti } }), [PROOF, 'invalid_token'], 401, 'DPoP');
  }],
  ['a bound JWT says to which key', async (t) => {
    const key = makeKey();
    const { access_token } = await bound(t, key);
    if (access_token.split('.').length === 3) assert.equal(parts(access_token)[1].cnf.jkt, thumbprint(key.public));
  }],
];
