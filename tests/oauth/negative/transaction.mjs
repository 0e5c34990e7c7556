// Transaction tokens over HTTP (draft-ietf-oauth-transaction-tokens, as a profile of RFC 8693): for workloads with a key,
// within one trust domain, and never wider than what they came from.
import assert from 'node:assert/strict';
import { EXCHANGE, TOKEN_TYPE, good } from '../lib/context.mjs';
import { forge, makeKey, now, parts, tampered } from '../lib/forge.mjs';
import { noStore, refused, tokenRefused } from '../lib/expect.mjs';
import { skip } from '../lib/suite.mjs';

const ACCESS = `${TOKEN_TYPE}access_token`;
const TXN = `${TOKEN_TYPE}txn_token`;
const SUBJECT = ['invalid_request', 'invalid_grant', 'invalid_target'];

const userToken = async (t, scope = 'openid orders:read') => (await t.tokens('web', { scope })).access_token;

async function ask(t, changes = {}, as = 'workload') {
  if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('the server does not have the grant of RFC 8693');
  const subject_token = 'subject_token' in changes ? changes.subject_token : await userToken(t);
  const fields = { grant_type: EXCHANGE, audience: t.world.trust_domain, scope: 'orders:read', requested_token_type: TXN, subject_token_type: ACCESS };
  return t.token(as, { ...fields, ...changes, subject_token });
}
const bad = (name, changes, error = SUBJECT, as = 'workload') => [`${name} is refused`, async (t) => {
  refused(await ask(t, typeof changes === 'function' ? await changes(t) : changes, as), error);
}];
const token = async (t, changes) => good(await ask(t, changes)).access_token;
// What the workload says itself, signed with its own key.
const own = (t, claims = {}, jwk = t.client('workload').key.private) => ({
  subject_token_type: `${TOKEN_TYPE}self_signed`,
  subject_token: forge({ alg: 'ES256', kid: 'workload-1' }, { iss: 'workload', sub: 'client:workload', aud: t.meta.issuer, exp: now() + 60, jti: crypto.randomUUID(), ...claims }, jwk),
});
const again = async (t, changes = {}) => ({ subject_token_type: TXN, subject_token: await token(t), ...changes });

export default [
  ['a workload gets one for a person', async (t) => {
    const answer = await ask(t, { request_details: '{"order":"4711"}', request_context: '{"req_ip":"192.0.2.1"}' });
    const got = good(answer);
    noStore(answer);
    assert.equal(got.token_type, 'N_A');
    assert.equal(got.issued_token_type, TXN);
    assert.ok(!('refresh_token' in got));
    const [header, claims] = parts(got.access_token);
    assert.equal(header.typ, 'txntoken+jwt');
    assert.ok(header.kid && header.alg !== 'none');
    assert.equal(claims.aud, t.world.trust_domain);
    assert.equal(claims.sub, 'user:alice');
    assert.equal(claims.scope, 'orders:read');
    assert.equal(claims.req_wl, 'workload');
    assert.equal(claims.tctx.order, '4711');
    assert.equal(claims.rctx.req_ip, '192.0.2.1');
    assert.ok(claims.txn && claims.exp - claims.iat <= 600 && claims.exp > now());
  }],
  ['it says of which grant it is, so that guards refuse what was taken back', async (t) => {
    const subject_token = await userToken(t);
    const [, claims] = parts(await token(t, { subject_token }));
    assert.ok(parts(subject_token)[1].grant_id);
    assert.equal(claims.tctx.grant_id, parts(subject_token)[1].grant_id);
    assert.equal(claims.tctx.grant_iss, t.meta.issuer);
  }],
  ['two transactions are two', async (t) => assert.notEqual(parts(await token(t))[1].txn, parts(await token(t))[1].txn)],
  bad('a client with a secret', {}, 'unauthorized_client', 'exchanger'),
  bad('a client without the grant', {}, 'unauthorized_client', 'keyed'),
  bad('another trust domain', { audience: 'other.internal' }, 'invalid_target'),
  bad('no trust domain', { audience: undefined }, ['invalid_target', 'invalid_request']),
  bad('two of them', (t) => ({ audience: [t.world.trust_domain, 'other.internal'] }), ['invalid_target', 'invalid_request']),
  bad('an audience of access tokens', (t) => ({ audience: t.world.orders }), 'invalid_target'),
  bad('no scope', { scope: undefined }, ['invalid_scope', 'invalid_request']),
  bad('an unknown scope', { scope: 'everything' }, 'invalid_scope'),
  bad('an unknown scope beside a known one', { scope: 'orders:read everything' }, 'invalid_scope'),
  bad('a scope that the subject does not have', { scope: 'orders:read orders:write' }, 'invalid_scope'),
  bad('a scope that the workload does not have',
    async (t) => ({ scope: 'orders:write', subject_token: await userToken(t, 'openid orders:read orders:write') }), 'invalid_scope'),
  bad('a refresh token as the subject', async (t) => ({ subject_token: (await t.tokens()).refresh_token, subject_token_type: `${TOKEN_TYPE}refresh_token` })),
  bad('a subject that the workload may not exchange', async (t) => ({ subject_token: (await t.clientToken('poster')).access_token })),
  bad('a changed subject', async (t) => ({ subject_token: tampered(await userToken(t)) })),
  bad('garbage as the subject', { subject_token: 'x' }),
  bad('a missing subject', { subject_token: undefined }),
  bad('a revoked subject', async (t) => {
    const subject_token = await userToken(t);
    good(await t.call('revocation', 'web', { token: subject_token }));
    return { subject_token };
  }),
  bad('an actor token', { actor_token: 'x', actor_token_type: ACCESS }, 'invalid_request'),
  bad('an actor token without its type', { actor_token: 'x' }, 'invalid_request'),
  bad('details that are no JSON', { request_details: 'x' }, 'invalid_request'),
  bad('details that are no object', { request_details: '[]' }, 'invalid_request'),
  bad('details that say who it is', { request_details: '{"customer":"bob"}' }, 'invalid_request'),
  bad('details that say of which grant it is', { request_details: '{"grant_id":"another"}' }, 'invalid_request'),
  bad('details that say of whose grant it is', { request_details: '{"grant_iss":"https://other.example"}' }, 'invalid_request'),
  bad('details with a name twice', { request_details: '{"a":1,"a":2}' }, 'invalid_request'),
  bad('details of ten kilobytes', { request_details: JSON.stringify({ a: 'x'.repeat(10_000) }) }, 'invalid_request'),
  bad('details that are a hundred deep', { request_details: `${'{"a":'.repeat(100)}1${'}'.repeat(100)}` }, 'invalid_request'),
  bad('a context that is no object', { request_context: '5' }, 'invalid_request'),
  bad('a statement of the workload about somebody that it may not speak for',
    { subject_token_type: `${TOKEN_TYPE}unsigned_json`, subject_token: '{"sub":"client:poster"}' }),
  bad('a statement about a person who is not there',
    { subject_token_type: `${TOKEN_TYPE}unsigned_json`, subject_token: '{"sub":"user:alice"}' }),
  bad('a signed statement about a person', (t) => own(t, { sub: 'user:alice' })),
  bad('a statement that lives for an hour', (t) => own(t, { exp: now() + 3600 })),
  bad('a statement without an id', (t) => own(t, { jti: undefined })),
  bad('a statement that is used again', async (t) => {
    const statement = own(t);
    await token(t, statement);
    return statement;
  }),
  bad('a context that says how somebody signed in', { request_context: '{"authn":"mtls"}' }, 'invalid_request'),
  bad('a statement about nobody', { subject_token_type: `${TOKEN_TYPE}unsigned_json`, subject_token: '{}' }),
  bad('a statement that another key signed',
    (t) => own(t, {}, makeKey().private)),
  bad('a statement for another server',
    (t) => own(t, { aud: 'https://other.example' })),
  bad('a statement that has expired',
    (t) => own(t, { exp: now() - 600 })),
  ['a workload begins a transaction by itself', async (t) => {
    const [, claims] = parts(await token(t, own(t)));
    assert.equal(claims.sub, 'client:workload');
  }],
  ['a replacement keeps who and what', async (t) => {
    const first = await token(t, { request_details: '{"order":"4711"}' });
    const second = await token(t, { subject_token_type: TXN, subject_token: first });
    const [one, two] = [parts(first)[1], parts(second)[1]];
    for (const name of ['txn', 'sub', 'aud', 'scope', 'tctx']) assert.deepEqual(two[name], one[name], name);
    assert.ok(two.exp <= one.exp, 'a replacement lives longer');
    assert.ok(two.req_wl.startsWith(one.req_wl) && two.req_wl.length > one.req_wl.length, two.req_wl);
  }],
  bad('a wider replacement', (t) => again(t, { scope: 'orders:read orders:write' }), 'invalid_scope'),
  bad('a replacement about something else', (t) => again(t, { request_details: '{"order":"4712"}' })),
  bad('a changed one to be replaced', async (t) => again(t, { subject_token: tampered(await token(t)) })),
  bad('an access token that is called a transaction token', async (t) => ({ subject_token_type: TXN, subject_token: await userToken(t) })),
  ['a transaction token that is called an access token is refused', async (t) => refused(await ask(t, { subject_token: await token(t) }), SUBJECT)],
  ['one for a token that was for somebody whom the operator has named', async (t) => {
    assert.equal(parts(good(await ask(t, {}, 'relay')).access_token)[1].req_wl, 'relay');
  }],
  bad('a token for somebody whom the operator has not named', {}, SUBJECT, 'narrow'),
  bad('a token for somebody else where the operator has named nobody', {}, SUBJECT, 'strict'),
  ['what was revoked is not replaced', async (t) => {
    const tokens = await t.tokens('web', { scope: 'openid orders:read' });
    const one = await token(t, { subject_token: tokens.access_token });
    const replaced = () => ask(t, { subject_token_type: TXN, subject_token: one });
    good(await replaced());
    good(await t.call('revocation', 'web', { token: tokens.refresh_token }));
    refused(await replaced(), SUBJECT);
  }],
  ['replacements have an end', async (t) => {
    let one = await token(t);
    for (let step = 0; step < 20; step += 1) {
      const answer = await ask(t, { subject_token_type: TXN, subject_token: one });
      if (answer.status !== 200) return refused(answer, SUBJECT);
      one = answer.json.access_token;
    }
    return assert.fail('twenty replacements of one token');
  }],
  ['a transaction token is no credential at the server', async (t) => {
    const one = await token(t);
    tokenRefused(await t.userinfo(one), 'invalid_token');
    assert.deepEqual(await t.introspect(one), { active: false });
  }],
  ['an ordinary exchange takes no transaction token', async (t) => {
    const one = await token(t);
    const fields = { grant_type: EXCHANGE, subject_token: one, subject_token_type: ACCESS, resource: t.world.orders };
    refused(await t.token('workload', fields), SUBJECT);
  }],
];
