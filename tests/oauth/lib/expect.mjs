// What a refusal has to look like: its status and error, and the fields that the RFCs want beside them.
import assert from 'node:assert/strict';
import { formsOf } from './forms.mjs';

const one = (wanted, value) => [wanted].flat().includes(value);
const brief = (answer) => `${answer.status} ${JSON.stringify(answer.headers['www-authenticate'] ?? '')} ${answer.text.slice(0, 400)}`;

export function noStore(answer) {
  assert.match(answer.headers['cache-control'] ?? '', /\bno-store\b/, `no Cache-Control: no-store (RFC 6749 5.1): ${brief(answer)}`);
}

// An error as JSON (RFC 6749 5.2). `status` and `error`: one or several that will do.
export function refused(answer, error, status = 400) {
  assert.ok(one(status, answer.status), `status ${[status].flat()} expected, got ${brief(answer)}`);
  assert.match(answer.headers['content-type'] ?? '', /^application\/json\b/, `an error is JSON: ${brief(answer)}`);
  assert.ok(answer.json, `no JSON: ${brief(answer)}`);
  assert.ok(one(error, answer.json.error), `error ${[error].flat()} expected, got ${brief(answer)}`);
  // %x20-21 / %x23-5B / %x5D-7E: no quotes, no backslashes, ASCII.
  for (const name of ['error', 'error_description']) assert.match(answer.json[name] ?? '', /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/, `${name}: ${brief(answer)}`);
  for (const name of ['access_token', 'refresh_token', 'id_token', 'code']) assert.ok(!(name in answer.json), `an error with ${name}`);
}

// A client that is not who it says. Where it used the Authorization field, 401 with the same scheme is a must (RFC 6749 5.2).
export function notTheClient(answer, { byHeader = false, also = [] } = {}) {
  refused(answer, ['invalid_client', ...also], byHeader ? [401, ...(also.length ? [400] : [])] : [400, 401]);
  if (byHeader && answer.status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Basic\b/i);
}

// Anything but success, whatever it is called: where RFCs leave the answer open but not the outcome.
export function notServed(answer, status = [400, 401, 403, 404, 405, 411, 413, 414, 415, 431]) {
  assert.ok(one(status, answer.status), `status ${status} expected, got ${brief(answer)}`);
  assert.doesNotMatch(answer.text, /"(access_token|refresh_token|id_token)"/);
}

export function wrongMethod(answer) {
  assert.ok(one([405, 404, 400], answer.status), `405 expected, got ${brief(answer)}`);
  if (answer.status === 405) assert.ok(answer.headers.allow, 'a 405 without Allow (RFC 9110 15.5.6)');
  assert.doesNotMatch(answer.text, /"(access_token|active|request_uri|device_code)"/);
}

// The browser was sent back to the client with an error (RFC 6749 4.1.2.1), with its state and our name (RFC 9207).
export function sentBack(answer, context, start, error) {
  const where = answer.left ?? answer.headers.location;
  assert.ok(where, `no redirect to the client, but ${brief(answer)}`);
  assert.ok(one([302, 303], answer.status), `302 or 303 expected, got ${answer.status}`);
  const target = new URL(where);
  const registered = new URL(start.parameters.redirect_uri);
  assert.equal(target.origin + target.pathname, registered.origin + registered.pathname);
  // An error of a response type that comes in the fragment may come there, too (RFC 6749 4.2.2.1).
  const query = target.hash ? new URLSearchParams(target.hash.slice(1)) : target.searchParams;
  assert.ok(one(error, query.get('error')), `error ${[error].flat()} expected, got ${where}`);
  assert.equal(query.get('state'), start.parameters.state ?? null, 'state');
  assert.equal(query.get('iss'), context.meta.issuer, 'iss (RFC 9207 2)');
  assert.equal(query.get('code'), null, 'an error with a code');
  return query;
}

// The request cannot be answered to the client: a page for the person, and no redirect anywhere (RFC 6749 4.1.2.1).
export function shownOnly(answer, attacker) {
  assert.ok(answer.status >= 400 && answer.status < 500, `a page with 4xx expected, got ${brief(answer)}`);
  assert.equal(answer.headers.location, undefined, `redirected to ${answer.headers.location}`);
  assert.equal(answer.left, undefined, `redirected to ${answer.left}`);
  if (attacker) assert.ok(!new RegExp(`(href|action|content|src)="[^"]*${attacker}`, 'i').test(answer.text), 'a link to it');
  noStore(answer);
}

export function isPage(answer) {
  assert.equal(answer.status, 200, brief(answer));
  assert.match(answer.headers['content-type'] ?? '', /^text\/html\b/);
  assert.ok(formsOf(answer.text, answer.address).length, `a page with a form expected: ${answer.text.slice(0, 300)}`);
}

// A resource refuses a token (RFC 6750 3): the scheme, and the error where there is one.
export function tokenRefused(answer, error, status = 401, scheme = 'Bearer') {
  assert.ok(one(status, answer.status), `status ${status} expected, got ${brief(answer)}`);
  const challenge = answer.all('www-authenticate').join(', ');
  assert.match(challenge, new RegExp(`\\b${scheme}\\b`, 'i'), `no ${scheme} challenge: ${brief(answer)}`);
  const found = challenge.match(/\berror="?([\w]+)/)?.[1];
  if (error === null) assert.equal(found, undefined, 'an error code where no token was sent (RFC 6750 3.1)');
  else assert.ok(one(error, found), `error ${[error].flat()} expected in ${challenge}`);
}
