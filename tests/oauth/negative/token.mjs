// The token endpoint: how it may be asked. RFC 6749 3.2, 4.4, 5; RFC 8707.
import assert from 'node:assert/strict';
import { ASSERTION, good } from '../lib/context.mjs';
import { noStore, notServed, refused, wrongMethod } from '../lib/expect.mjs';
import { b64, forge } from '../lib/forge.mjs';
import { encode, post, send } from '../lib/http.mjs';

const grant = { grant_type: 'client_credentials' };
const ask = (t, fields, options) => t.token('service', fields, options);
// The body as text, word for word.
async function askText(t, body, options = {}) {
  const { headers } = t.credentials('service');
  return send(t.meta.token_endpoint, {
    method: 'POST', body, headers: { ...headers, 'Content-Type': 'application/x-www-form-urlencoded', ...options.headers },
  });
}
const method = async (t, name) => send(`${t.meta.token_endpoint}?${encode(grant)}`, { method: name, headers: t.credentials('service').headers });
const twice = (name, value) => [`${name} twice is refused`, async (t) => {
  refused(await askText(t, `${encode({ ...grant, [name]: value })}&${encode({ [name]: value })}`), ['invalid_request', 'invalid_client'], [400, 401]);
}];

export default [
  ['a good request gets what RFC 6749 5.1 says', async (t) => {
    const answer = await ask(t, { ...grant, scope: 'orders:read' });
    const { access_token, token_type, expires_in } = good(answer);
    noStore(answer);
    assert.match(answer.headers['content-type'], /^application\/json\b/);
    assert.ok(access_token);
    assert.equal(token_type.toLowerCase(), 'bearer');
    assert.ok(Number.isInteger(expires_in) && expires_in > 0);
    assert.ok(!('refresh_token' in answer.json), 'a refresh token for a client alone (RFC 6749 4.4.3)');
  }],
  ['GET is refused', async (t) => wrongMethod(await method(t, 'GET'))],
  ['PUT is refused', async (t) => wrongMethod(await method(t, 'PUT'))],
  ['DELETE is refused', async (t) => wrongMethod(await method(t, 'DELETE'))],
  ['a body of JSON is refused', async (t) => {
    const { headers } = t.credentials('service');
    refused(await post(t.meta.token_endpoint, JSON.stringify(grant), { headers, type: 'application/json' }), 'invalid_request', [400, 415]);
  }],
  ['a body of another content type is refused', async (t) => refused(await ask(t, grant, { type: 'text/plain' }), 'invalid_request', [400, 415])],
  ['a body without a content type is refused', async (t) => refused(await ask(t, grant, { type: null }), 'invalid_request', [400, 415])],
  ['parameters in the address do not count', async (t) => {
    const { headers } = t.credentials('service');
    const url = `${t.meta.token_endpoint}?${encode(grant)}`;
    refused(await send(url, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }, body: '' }), 'invalid_request');
  }],
  ['a body of a megabyte is refused', async (t) => notServed(await ask(t, { ...grant, x: 'x'.repeat(1 << 20) }), [400, 413])],
  ['ten thousand parameters are refused', async (t) => notServed(await askText(t, `${encode(grant)}${'&a=1'.repeat(10_000)}`), [400, 413])],
  ['a missing grant_type is refused', async (t) => refused(await ask(t, {}), 'invalid_request')],
  ['an empty grant_type is as if it were missing', async (t) => refused(await ask(t, { grant_type: '' }), 'invalid_request')],
  ['an unknown grant_type is refused', async (t) => refused(await ask(t, { grant_type: 'magic' }), 'unsupported_grant_type')],
  ['a grant_type in other letters is unknown', async (t) => refused(await ask(t, { grant_type: 'Client_Credentials' }), 'unsupported_grant_type')],
  ['a grant_type with a blank is unknown', async (t) => refused(await ask(t, { grant_type: 'client_credentials ' }), 'unsupported_grant_type')],
  ['the password grant is refused (RFC 9700 2.4)', async (t) => {
    refused(await ask(t, { grant_type: 'password', username: 'alice', password: t.person('alice').password }), 'unsupported_grant_type');
  }],
  ['the implicit grant is refused', async (t) => refused(await ask(t, { grant_type: 'implicit' }), 'unsupported_grant_type')],
  twice('grant_type', 'client_credentials'),
  twice('scope', 'orders:read'),
  twice('client_id', 'service'),
  ['an unknown parameter does no harm', async (t) => good(await ask(t, { ...grant, foo: 'bar' }))],
  ['a broken percent-encoding is refused', async (t) => notServed(await askText(t, 'grant_type=client_credentials&scope=%zz'), [400])],
  ['bytes that are no UTF-8 are refused', async (t) => notServed(await askText(t, 'grant_type=client_credentials&scope=%ff%fe'), [400])],
  ['a NUL in a value is refused', async (t) => notServed(await askText(t, 'grant_type=client_credentials&scope=orders%3Aread%00'), [400])],
  ['an unknown scope is refused', async (t) => refused(await ask(t, { ...grant, scope: 'everything' }), 'invalid_scope')],
  ['a scope that the client does not have is refused', async (t) => {
    refused(await t.token('reader', { ...grant, resource: t.world.orders, scope: 'orders:read orders:write' }), 'invalid_scope');
  }],
  ['a scope with a quote is refused', async (t) => refused(await ask(t, { ...grant, scope: 'orders:read"' }), 'invalid_scope')],
  ['a scope in other letters is refused', async (t) => refused(await ask(t, { ...grant, scope: 'ORDERS:READ' }), 'invalid_scope')],
  ['openid means nothing without a person', async (t) => {
    const answer = await ask(t, { ...grant, scope: 'openid' });
    if (answer.status === 200) assert.ok(!answer.json.id_token);
    else refused(answer, 'invalid_scope');
  }],
  ['the scope that is given is told when it is not the one that was asked for', async (t) => assert.ok(good(await ask(t, grant)).scope ?? true)],
  ['an unknown resource is refused (RFC 8707 2)', async (t) => refused(await ask(t, { ...grant, resource: 'https://unknown.example' }), 'invalid_target')],
  ['a resource of other clients is refused', async (t) => refused(await ask(t, { ...grant, resource: t.world.invoices }), 'invalid_target')],
  ['a resource that is no address is refused', async (t) => refused(await ask(t, { ...grant, resource: '/orders' }), 'invalid_target')],
  ['a resource with a fragment is refused', async (t) => refused(await ask(t, { ...grant, resource: `${t.world.orders}#x` }), 'invalid_target')],
  ['a resource that only begins like ours is refused', async (t) => refused(await ask(t, { ...grant, resource: `${t.world.orders}.evil.example` }), 'invalid_target')],
  ['one good and one unknown resource are refused', async (t) => {
    refused(await ask(t, { ...grant, resource: [t.world.orders, 'https://unknown.example'] }), 'invalid_target');
  }],
  ['a resource that is chosen is the only audience', async (t) => {
    const { access_token } = good(await t.token('reader', { ...grant, resource: t.world.invoices, scope: 'orders:read' }));
    assert.equal([(await t.introspect(access_token)).aud].flat().join(), t.world.invoices);
  }],
  ['where a client has several audiences one has to be named', async (t) => {
    const answer = await t.token('reader', { ...grant, scope: 'orders:read' });
    if (answer.status !== 200) refused(answer, ['invalid_target', 'invalid_request']);
    else assert.ok([(await t.introspect(answer.json.access_token)).aud ?? []].flat().length <= 1, 'a token for everything');
  }],
  ['no message holds a quote or a backslash, whatever was sent (RFC 6749 5.2)', async (t) => {
    const twice = [['grant_type', 'client_credentials'], ['a"b\\c', '1'], ['a"b\\c', '2']];
    const { headers } = t.credentials('service');
    const answer = await post(t.meta.token_endpoint, twice, { headers });
    if (answer.status !== 200) refused(answer, 'invalid_request'); // Parameters that are not known may come twice elsewhere.
    const alg = forge({ alg: 'none' }, { iss: 'keyed' }).replace(/^[^.]*/, b64('{"alg":"a\\"b\\\\c"}'));
    refused(await t.call('token', null, { grant_type: 'client_credentials', client_assertion_type: ASSERTION, client_assertion: `${alg}AAAA` }),
      ['invalid_client', 'invalid_request'], [400, 401]);
  }],
];
