// What a trusted issuer says of somebody, as a grant (RFC 7523 2.1 and 3) and as the subject of an exchange: it names its
// own people only, and nothing of ours.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { BEARER_GRANT, EXCHANGE, TOKEN_TYPE, good } from '../lib/context.mjs';
import { defined, forge, makeKey, now, parts, pemOf, tampered } from '../lib/forge.mjs';
import { noStore, refused, tokenRefused } from '../lib/expect.mjs';
import { skip } from '../lib/suite.mjs';

const GRANT = ['invalid_grant', 'invalid_request'];

function statement(t, { claims = {}, header = {}, jwk, of = 'partner', ...how } = {}) {
  const { issuer, key } = t.world.issuers[of];
  const right = { iss: issuer, sub: 'carol', aud: t.meta.issuer, jti: randomUUID(), iat: now(), exp: now() + 60 };
  const head = { alg: 'ES256', kid: key.private.kid, typ: 'JWT' };
  return forge(defined({ ...head, ...header }), defined({ ...right, ...claims }), jwk ?? key.private, how);
}

async function show(t, assertion, { as = 'bridge', ...fields } = {}) {
  if (!t.meta.grant_types_supported?.includes(BEARER_GRANT)) skip('the server does not have the grant of RFC 7523');
  return t.token(as, { grant_type: BEARER_GRANT, assertion, ...fields });
}
const bad = (name, changes, fields = {}, error = GRANT) => [`${name} is refused`, async (t) => {
  const made = typeof changes === 'function' ? await changes(t) : changes;
  refused(await show(t, typeof made === 'object' ? statement(t, made) : made, fields), error);
}];

function exchange(t, subject_token, changes = {}, as = 'bridge') {
  if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('the server does not have the grant of RFC 8693');
  return t.token(as, { grant_type: EXCHANGE, subject_token, subject_token_type: `${TOKEN_TYPE}jwt`, resource: t.world.orders, ...changes });
}

export default [
  ['a statement of a trusted issuer is good for a token, in the name that it has here', async (t) => {
    const answer = await show(t, statement(t), { scope: 'orders:read' });
    const got = good(answer);
    noStore(answer);
    const [, claims] = parts(got.access_token);
    assert.equal(claims.sub, 'partner:carol');
    assert.equal(claims.client_id, 'bridge');
    assert.equal(claims.iss, t.meta.issuer);
    assert.ok(!('refresh_token' in got), 'a refresh token (RFC 7521 4.1)');
  }],
  ['what else it says is not believed', async (t) => {
    const claims = { client_id: 'web', scope: 'orders:write openid', roles: ['admin'], amr: ['mfa'], auth_time: 1, cnf: { jkt: 'x' }, grant_id: 'x', txn: 'x' };
    const [, got] = parts(good(await show(t, statement(t, { claims }))).access_token);
    assert.equal(got.client_id, 'bridge');
    assert.equal(got.scope, 'orders:read');
    for (const name of ['roles', 'amr', 'auth_time', 'cnf', 'txn']) assert.ok(!(name in got), name);
    assert.notEqual(got.grant_id, 'x');
  }],
  ['a statement that was delegated already is refused', async (t) => {
    refused(await show(t, statement(t, { claims: { act: { sub: 'client:web' } } })), 'invalid_grant');
  }],
  ['a statement is good once', async (t) => {
    const once = statement(t);
    good(await show(t, once));
    refused(await show(t, once), 'invalid_grant');
  }],
  ['of one statement shown many times at the same moment one succeeds', async (t) => {
    const once = statement(t);
    const answers = await Promise.all(Array.from({ length: 8 }, () => show(t, once)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  }],
  ['a refused request does not use it up', async (t) => {
    const once = statement(t);
    refused(await show(t, once, { scope: 'everything' }), 'invalid_scope');
    good(await show(t, once));
  }],
  bad('a name with our namespace in it', { claims: { sub: 'user:alice' } }),
  bad('an empty name', { claims: { sub: '' } }),
  bad('no name', { claims: { sub: undefined } }),
  bad('a name with a line feed', { claims: { sub: 'carol\nX' } }),
  bad('another audience', { claims: { aud: 'https://other.example' } }),
  bad('an audience of two', (t) => ({ claims: { aud: [t.meta.issuer, 'https://other.example'] } })),
  bad('no audience', { claims: { aud: undefined } }),
  bad('an unknown issuer', { claims: { iss: 'https://unknown.example' } }),
  bad('an issuer with a slash more', (t) => ({ claims: { iss: `${t.world.partner.issuer}/` } })),
  bad('ourselves as the issuer', (t) => ({ claims: { iss: t.meta.issuer } })),
  bad('a list of issuers', (t) => ({ claims: { iss: [t.world.partner.issuer] } })),
  bad('no issuer', { claims: { iss: undefined } }),
  bad('an expired one', { claims: { iat: now() - 700, exp: now() - 600 } }),
  bad('one that lives a day', { claims: { exp: now() + 86_400 } }),
  bad('one that never expires', { claims: { exp: undefined } }),
  bad('one that is not valid yet', { claims: { nbf: now() + 600, exp: now() + 700 } }),
  bad('one that was issued in the future', { claims: { iat: now() + 60 } }),
  bad('one whose time of issue is text', { claims: { iat: 'now' } }),
  bad('one without jti', { claims: { jti: undefined } }),
  bad('one with an empty jti', { claims: { jti: '' } }),
  bad('one with a jti that is a number', { claims: { jti: 7 } }),
  bad('one with a jti of a kilobyte', { claims: { jti: 'j'.repeat(1024) } }),
  bad('one whose exp is text', { claims: { exp: String(now() + 60) } }),
  bad('one whose nbf is text', { claims: { nbf: 'now' } }),
  bad('another key', () => ({ jwk: makeKey().private })),
  bad('the key of a client of ours', (t) => ({ jwk: t.client('keyed').key.private, header: { kid: 'keyed-1' } })),
  bad('alg none', { header: { alg: 'none' } }),
  bad('HS256 with the public key', (t) => ({ header: { alg: 'HS256' }, secret: pemOf(t.world.partner.key.public) })),
  bad('a key of its own in the header', () => {
    const key = makeKey();
    return { header: { kid: undefined, jwk: key.public }, jwk: key.private };
  }),
  bad('an unknown crit', { header: { crit: ['x'], x: 1 } }),
  bad('a transaction token', { header: { typ: 'txntoken+jwt' } }),
  bad('a proof of possession', { header: { typ: 'dpop+jwt' } }),
  bad('a logout token', { header: { typ: 'logout+jwt' } }),
  bad('a security event', { header: { typ: 'secevent+jwt' } }),
  bad('the authentication of a client', { header: { typ: 'client-authentication+jwt' } }),
  bad('a type that is no text', { header: { typ: 1 } }),
  bad('a changed one', (t) => tampered(statement(t))),
  bad('an access token of ours', async (t) => (await t.clientToken()).access_token),
  bad('a missing one', undefined, { assertion: undefined }, 'invalid_request'),
  bad('garbage', 'x'),
  bad('a client without the grant', {}, { as: 'service' }, 'unauthorized_client'),
  bad('a public client', {}, { as: 'spa' }, ['unauthorized_client', 'invalid_client']),
  bad('a scope that the client does not have', {}, { scope: 'orders:write' }, 'invalid_scope'),
  bad('openid', {}, { scope: 'openid' }, 'invalid_scope'),
  bad('an unknown resource', {}, { resource: 'https://unknown.example' }, 'invalid_target'),
  ['a statement lives five minutes at the most', async (t) => {
    good(await show(t, statement(t, { claims: { exp: now() + 290 } })));
    refused(await show(t, statement(t, { claims: { exp: now() + 360 } })), 'invalid_grant');
  }],
  ['a statement of long ago that is still to expire is good, and one without a time of issue', async (t) => {
    good(await show(t, statement(t, { claims: { iat: now() - 86_400 } })));
    good(await show(t, statement(t, { claims: { iat: undefined } })));
  }],
  ['people of one name at two issuers are two', async (t) => {
    assert.equal(parts(good(await show(t, statement(t, { of: 'ally' }), { as: 'diplomat' })).access_token)[1].sub, 'ally:carol');
    refused(await show(t, statement(t, { of: 'ally' })), 'invalid_grant');
    refused(await show(t, statement(t), { as: 'diplomat' }), 'invalid_grant');
    refused(await show(t, statement(t, { of: 'ally', claims: { sub: 'carola' } }), { as: 'diplomat' }), 'invalid_grant');
  }],
  ['no issuer speaks for another', async (t) => {
    const { ally, partner } = t.world.issuers;
    refused(await show(t, statement(t, { of: 'ally', jwk: partner.key.private }), { as: 'diplomat' }), 'invalid_grant');
    refused(await show(t, statement(t, { of: 'ally', jwk: partner.key.private, header: { kid: 'partner-1' } }), { as: 'diplomat' }), 'invalid_grant');
    refused(await show(t, statement(t, { claims: { iss: ally.issuer } }), { as: 'diplomat' }), 'invalid_grant');
  }],
  ['the id of a statement is its issuer\'s own: another may use the same, and each passes once', async (t) => {
    const claims = { jti: randomUUID() };
    good(await show(t, statement(t, { claims })));
    good(await show(t, statement(t, { of: 'ally', claims }), { as: 'diplomat' }));
    refused(await show(t, statement(t, { claims })), 'invalid_grant');
    refused(await show(t, statement(t, { of: 'ally', claims }), { as: 'diplomat' }), 'invalid_grant');
  }],
  ['where an issuer names people of ours they have to be there', async (t) => {
    const named = (sub) => statement(t, { of: 'staff', claims: { sub } });
    assert.equal(parts(good(await show(t, named('alice'), { as: 'diplomat' })).access_token)[1].sub, 'user:alice');
    refused(await show(t, named('mallory'), { as: 'diplomat' }), 'invalid_grant');
    refused(await show(t, named('Alice'), { as: 'diplomat' }), 'invalid_grant');
    refused(await show(t, named('user:alice'), { as: 'diplomat' }), 'invalid_grant');
    refused(await show(t, named('alice')), 'invalid_grant'); // Bridge may not bring people of ours.
    const scoped = (sub) => statement(t, { of: 'staff', claims: { sub, scope: 'orders:read' } });
    good(await exchange(t, scoped('alice'), {}, 'diplomat'));
    refused(await exchange(t, scoped('mallory'), {}, 'diplomat'), GRANT);
  }],
  ['what an issuer says of a person of ours is not what the person said here', async (t) => {
    const { access_token, id_token } = good(await show(t, statement(t, { of: 'staff', claims: { sub: 'alice' } }), { as: 'diplomat' }));
    assert.equal(id_token, undefined);
    tokenRefused(await t.userinfo(access_token), 'insufficient_scope', 403);
  }],
  ['exchanged, the subject keeps the name that it has here, and the caller acts', async (t) => {
    const answer = await exchange(t, statement(t, { claims: { scope: 'orders:read' } }), { scope: 'orders:read' });
    const [, claims] = parts(good(answer).access_token);
    assert.equal(claims.sub, 'partner:carol');
    assert.equal(claims.act.sub, 'client:bridge');
    assert.ok(claims.exp <= now() + 61, 'it lives longer than the statement');
  }],
  ['exchanged, it gives no scope that the issuer did not give', async (t) => {
    const answer = await exchange(t, statement(t, { claims: { scope: 'other' } }), { scope: 'orders:read' });
    refused(answer, ['invalid_scope', ...GRANT]);
  }],
  ['exchanged, a statement for somebody else is refused', async (t) => {
    refused(await exchange(t, statement(t, { claims: { scope: 'orders:read', aud: 'https://other.example' } })), ['invalid_target', ...GRANT]);
  }],
];
