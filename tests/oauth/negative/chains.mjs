// Whatever is exchanged for whatever, again and again: no chain gets more scope, another subject, a longer life or an
// audience that its last caller may not ask for. Random, from a seed that a failure names; KEEPGATE_SEED repeats it.
import assert from 'node:assert/strict';
import { EXCHANGE, TOKEN_TYPE } from '../lib/context.mjs';
import { parts } from '../lib/forge.mjs';
import { skip } from '../lib/suite.mjs';

const CALLERS = ['exchanger', 'workload', 'bridge', 'service', 'web'];
const STEPS = 250;
const DEPTH_MAX = 4;

// A small generator of numbers (mulberry32): the same seed, the same walk.
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words = (text) => (text ?? '').split(' ').filter(Boolean);
const actorsOf = (claims) => {
  const found = [];
  for (let act = claims.act; act; act = act.act) found.push(act.sub);
  return found;
};

// What came out, held against what went in and against what its caller may have.
function check(t, caller, before, after) {
  const client = t.client(caller);
  assert.ok(client.exchange, `${caller} may exchange nothing`);
  assert.equal(after.sub, before.sub, 'another subject');
  assert.equal(after.client_id, caller);
  const gained = words(after.scope).filter((one) => !words(before.scope).includes(one));
  assert.deepEqual(gained, [], 'a scope that the subject token did not have');
  assert.deepEqual(words(after.scope).filter((one) => !client.scopes.includes(one)), [], 'a scope that the caller does not have');
  assert.ok(after.exp <= before.exp, 'a longer life');
  assert.ok(client.exchange.audiences.includes(after.aud), `an audience that is not the caller's: ${after.aud}`);
  const fits = client.exchange.subjects.some((one) => one === before.sub || (one.endsWith(':*') && before.sub.startsWith(one.slice(0, -1))));
  assert.ok(fits, `a subject that is not on the caller's list: ${before.sub}`);
  assert.deepEqual(actorsOf(after), [`client:${caller}`, ...actorsOf(before)], 'hands are missing');
  assert.ok(actorsOf(after).length <= DEPTH_MAX, 'more hands than four');
}

async function walk(t, random) {
  const one = (list) => list[Math.floor(random() * list.length)];
  const some = (list) => list.filter(() => random() < 0.5);
  const tokens = [];
  for (const scope of ['openid orders:read', 'openid orders:read orders:write', 'openid profile']) tokens.push((await t.tokens('web', { scope })).access_token);
  for (const client of ['service', 'poster', 'workload']) tokens.push((await t.clientToken(client)).access_token);
  let given = 0;
  for (let step = 0; step < STEPS; step += 1) {
    // The youngest more often: chains are to become long.
    const subject_token = random() < 0.5 ? tokens.at(-1) : one(tokens);
    const caller = random() < 0.8 ? one(CALLERS.slice(0, 2)) : one(CALLERS);
    const fields = {
      grant_type: EXCHANGE, subject_token, subject_token_type: `${TOKEN_TYPE}${one(['access_token', 'access_token', 'jwt', 'id_token'])}`,
      resource: one([t.world.orders, t.world.invoices, undefined, 'https://unknown.example']),
      scope: one([undefined, some(['orders:read', 'orders:write', 'openid', 'everything']).join(' ') || undefined, 'orders:read']),
      requested_token_type: one([undefined, undefined, `${TOKEN_TYPE}access_token`, `${TOKEN_TYPE}jwt`, `${TOKEN_TYPE}refresh_token`]),
    };
    const answer = await t.token(caller, fields);
    assert.ok(answer.status === 200 || answer.status === 400, `${answer.status}: ${answer.text.slice(0, 200)}`);
    if (answer.status !== 200) continue;
    assert.ok(!('refresh_token' in answer.json) && !('id_token' in answer.json));
    check(t, caller, parts(subject_token)[1], parts(answer.json.access_token)[1]);
    tokens.push(answer.json.access_token);
    given += 1;
  }
  assert.ok(given >= 10, `only ${given} exchanges succeeded: nothing was tested`);
}

export default [
  ['no chain of exchanges widens anything', async (t) => {
    if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('the server does not have the grant of RFC 8693');
    const seed = Number(process.env.KEEPGATE_SEED ?? Math.floor(Math.random() * 2 ** 32));
    await walk(t, numbers(seed)).catch((error) => {
      throw new Error(`${error.message} (KEEPGATE_SEED=${seed})`);
    });
  }],
];
