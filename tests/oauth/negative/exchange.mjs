// Exchanging one token for another: never for more. RFC 8693; the profile of transaction tokens where the server has it.
import assert from 'node:assert/strict';
import { EXCHANGE, TOKEN_TYPE, good } from '../lib/context.mjs';
import { forge, imitation, now, parts, tampered } from '../lib/forge.mjs';
import { noStore, refused } from '../lib/expect.mjs';
import { skip } from '../lib/suite.mjs';

const ACCESS = `${TOKEN_TYPE}access_token`;
const GRANT = ['invalid_grant', 'invalid_request'];

async function subjectOf(t, who = 'user', scope = 'openid orders:read') {
  if (who === 'service') return (await t.clientToken('service', { scope: 'orders:read' })).access_token;
  return (await t.tokens('web', { scope }, 'alice')).access_token;
}

async function exchange(t, changes = {}, { as = 'exchanger', subject } = {}) {
  if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('the server does not have the grant of RFC 8693');
  const subject_token = changes.subject_token ?? subject ?? await subjectOf(t);
  const fields = { grant_type: EXCHANGE, subject_token, subject_token_type: ACCESS, resource: t.world.invoices, scope: 'orders:read' };
  return t.token(as, { ...fields, ...changes });
}
const bad = (name, changes, error = GRANT, options = {}) => [`${name} is refused`, async (t) => {
  const made = typeof changes === 'function' ? await changes(t) : changes;
  refused(await exchange(t, made, options), error, error.includes?.('invalid_client') ? [400, 401] : 400);
}];
const OF = ['invalid_target', 'invalid_grant', 'unauthorized_client', 'invalid_request'];

export default [
  ['a token of a person is exchanged for one with a narrower audience', async (t) => {
    const subject = await subjectOf(t);
    const answer = await exchange(t, {}, { subject });
    const got = good(answer);
    noStore(answer);
    assert.equal(got.issued_token_type, ACCESS);
    assert.match(got.token_type, /^Bearer$/i);
    assert.ok(!('refresh_token' in got), 'a refresh token came of an exchange');
    const [, claims] = parts(got.access_token);
    const [, before] = parts(subject);
    assert.equal(claims.sub, before.sub);
    assert.equal([claims.aud].flat().join(), t.world.invoices);
    assert.ok(claims.exp <= before.exp, 'it lives longer than what it came from');
    assert.equal(claims.act?.sub, 'client:exchanger');
    assert.deepEqual(claims.scope.split(' '), ['orders:read']);
  }],
  ['a token of a client that may be exchanged is', async (t) => {
    good(await exchange(t, {}, { subject: t.meta.grant_types_supported?.includes(EXCHANGE) && await subjectOf(t, 'service') }));
  }],
  bad('a client without the grant', {}, ['unauthorized_client'], { as: 'service' }),
  bad('a public client', {}, ['unauthorized_client', 'invalid_client'], { as: 'spa' }),
  bad('a subject that the client may not exchange', async (t) => ({ subject_token: (await t.clientToken('poster', { scope: 'orders:read' })).access_token }), OF),
  bad('an audience that the client may not ask for', (t) => ({ resource: t.world.orders }), OF),
  bad('an unknown audience', { resource: 'https://unknown.example' }, ['invalid_target']),
  bad('an unknown audience by name', { resource: undefined, audience: 'unknown' }, ['invalid_target']),
  bad('two audiences', (t) => ({ resource: [t.world.invoices, t.world.orders] }), ['invalid_target', 'invalid_request']),
  ['a wider scope than that of the subject is not given', async (t) => {
    const answer = await exchange(t, { scope: 'orders:read orders:write' });
    if (answer.status !== 200) return refused(answer, 'invalid_scope');
    // A narrower one than was asked for has to be told (RFC 8693 2.2.1).
    assert.equal(answer.json.scope, 'orders:read');
    return assert.equal(parts(answer.json.access_token)[1].scope, 'orders:read');
  }],
  bad('a scope that the subject has and the client not',
    async (t) => ({ scope: 'orders:write', subject_token: await subjectOf(t, 'user', 'openid orders:read orders:write') }), ['invalid_scope']),
  bad('an unknown scope', { scope: 'everything' }, ['invalid_scope']),
  bad('openid', { scope: 'openid' }, ['invalid_scope']),
  bad('a missing subject',
    { subject_token: undefined, subject_token_type: ACCESS, scope: undefined, resource: undefined, grant_type: EXCHANGE, actor_token: 'x' }, GRANT),
  bad('a missing type of the subject', { subject_token_type: undefined }, ['invalid_request']),
  bad('an unknown type of the subject', { subject_token_type: `${TOKEN_TYPE}pigeon` }, ['invalid_request']),
  bad('SAML', { subject_token_type: `${TOKEN_TYPE}saml2`, subject_token: 'PHg+' }, GRANT),
  bad('a refresh token as the subject', async (t) => ({ subject_token: (await t.tokens()).refresh_token, subject_token_type: `${TOKEN_TYPE}refresh_token` })),
  bad('a refresh token that is called an access token', async (t) => ({ subject_token: (await t.tokens()).refresh_token })),
  bad('an ID token that is called an access token', async (t) => ({ subject_token: (await t.tokens()).id_token })),
  bad('a code as the subject', async (t) => ({ subject_token: (await t.code()).code })),
  bad('an unknown type that is asked for', { requested_token_type: `${TOKEN_TYPE}pigeon` }, ['invalid_request']),
  bad('a refresh token that is asked for', { requested_token_type: `${TOKEN_TYPE}refresh_token` }, ['invalid_request', 'unauthorized_client']),
  bad('an ID token that is asked for', { requested_token_type: `${TOKEN_TYPE}id_token` }, ['invalid_request', 'unauthorized_client']),
  bad('a changed subject', async (t) => ({ subject_token: tampered(await subjectOf(t)) })),
  bad('a subject of another key',
    (t) => ({ subject_token: imitation(t) })),
  bad('an unsigned subject',
    (t) => ({ subject_token: imitation(t, { header: { alg: 'none' } }) })),
  bad('a subject of an unknown issuer',
    (t) => ({ subject_token: imitation(t, { claims: { iss: 'https://other.example' } }) })),
  bad('a revoked subject', async (t) => {
    const { access_token } = await t.tokens('web', { scope: 'openid orders:read' });
    good(await t.call('revocation', 'web', { token: access_token }));
    return { subject_token: access_token };
  }),
  bad('an actor that is somebody else', async (t) => ({ actor_token: (await t.clientToken('service')).access_token, actor_token_type: ACCESS })),
  bad('a person as the actor', async (t) => ({ actor_token: (await t.tokens('web', {}, 'bob')).access_token, actor_token_type: ACCESS })),
  bad('an actor without its type', async (t) => ({ actor_token: (await t.clientToken('service')).access_token }), ['invalid_request']),
  bad('a type of an actor without one (RFC 8693 2.1)', { actor_token_type: ACCESS }, ['invalid_request']),
  bad('garbage as the actor', { actor_token: 'x', actor_token_type: ACCESS }),
  bad('two subjects', { subject_token: ['a', 'b'] }, ['invalid_request']),
  bad('two scopes', { scope: ['orders:read', 'orders:read'] }, ['invalid_request']),
  ['a token that was for somebody whom the operator has named is exchanged', async (t) => {
    const [, claims] = parts(good(await exchange(t, {}, { as: 'relay' })).access_token);
    assert.deepEqual([claims.sub, claims.aud, claims.act.sub], ['user:alice', t.world.invoices, 'client:relay']);
  }],
  bad('a token for somebody whom the operator has not named', {}, OF, { as: 'narrow' }), // Its own audience is not enough then.
  bad('a token for somebody else where the operator has named nobody', {}, OF, { as: 'strict' }),
  ['a token for the very client that exchanges it is, and for no other', async (t) => {
    if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('the server does not have the grant of RFC 8693');
    const { access_token } = await t.clientToken('caller', { scope: 'orders:read' });
    const ask = (as) => exchange(t, { subject_token: access_token }, { as });
    assert.equal(parts(good(await ask('strict')).access_token)[1].sub, 'client:caller');
    for (const as of ['relay', 'narrow']) refused(await ask(as), OF);
  }],
  ['what was exchanged is for the next, who may take it, and not for the one before', async (t) => {
    const { access_token } = good(await exchange(t)); // For the invoices, by the exchanger's hand.
    for (const as of ['relay', 'narrow', 'strict']) refused(await exchange(t, { subject_token: access_token }, { as }), OF);
  }],
  ['a trusted issuer\'s token for somebody whom the operator has named is not for us', async (t) => {
    const { issuer, key } = t.world.partner;
    const claims = { iss: issuer, sub: 'carol', scope: 'orders:read', exp: now() + 60, iat: now() };
    const made = (aud) => forge({ alg: 'ES256', kid: 'partner-1', typ: 'JWT' }, { ...claims, aud }, key.private);
    const subject_token_type = `${TOKEN_TYPE}jwt`;
    good(await exchange(t, { subject_token: made(t.meta.issuer), subject_token_type }, { as: 'relay' }));
    refused(await exchange(t, { subject_token: made(t.world.orders), subject_token_type }, { as: 'relay' }), OF);
    refused(await exchange(t, { subject_token: made('relay'), subject_token_type }, { as: 'relay' }), OF);
  }],
  ['a chain of exchanges only narrows', async (t) => {
    const first = good(await exchange(t)).access_token;
    const answer = await exchange(t, { subject_token: first });
    if (answer.status !== 200) return refused(answer, OF);
    const [, one] = parts(first);
    const [, two] = parts(answer.json.access_token);
    assert.equal(two.sub, one.sub);
    assert.ok(two.exp <= one.exp);
    return assert.equal(two.act.sub, 'client:exchanger');
  }],
  ['a chain of exchanges has an end', async (t) => {
    let token = good(await exchange(t)).access_token;
    for (let step = 0; step < 8; step += 1) {
      const answer = await exchange(t, { subject_token: token });
      if (answer.status !== 200) return refused(answer, OF);
      token = answer.json.access_token;
    }
    return assert.fail('eight exchanges of one token');
  }],
];
