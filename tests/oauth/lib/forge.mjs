// Tokens of any content, good and bad: what libraries refuse to make is made by hand.
import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign as rawSign } from 'node:crypto';

export const now = () => Math.floor(Date.now() / 1000);
export const b64 = (data) => Buffer.from(typeof data === 'object' && !Buffer.isBuffer(data) ? JSON.stringify(data) : data).toString('base64url');
export const hashOf = (text) => createHash('sha256').update(text).digest('base64url');
export const parts = (token) => token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));

export function makeKey() {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { private: pair.privateKey.export({ format: 'jwk' }), public: pair.publicKey.export({ format: 'jwk' }) };
}

// `jwk` signs by the header's alg, which it need not fit: HS256 takes `secret`, none signs nothing.
export function forge(header, payload, jwk, { secret, der = false } = {}) {
  const input = `${b64(header)}.${b64(payload)}`;
  if (String(header.alg).toLowerCase() === 'none') return `${input}.`;
  if (header.alg === 'HS256') return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const options = header.alg === 'RS256' ? { key } : { key, dsaEncoding: der ? 'der' : 'ieee-p1363' };
  return `${input}.${rawSign('sha256', Buffer.from(input), options).toString('base64url')}`;
}

export const pemOf = (jwk) => createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });

// Without the members that are undefined.
export const defined = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

// A client's assertion (RFC 7523 3). What `claims` and `header` say replaces what is right; undefined takes a member away.
export function assertion(id, client, audience, { claims = {}, header = {}, jwk = client.key.private, ...how } = {}) {
  const good = { iss: id, sub: id, aud: audience, jti: randomUUID(), iat: now(), exp: now() + 60 };
  const head = { alg: client.key.private.alg, kid: client.key.private.kid, typ: 'JWT' };
  return forge(defined({ ...head, ...header }), defined({ ...good, ...claims }), jwk, how);
}

// A proof of possession (RFC 9449 4.2).
export function proof(key, method, address, { claims = {}, header = {}, token, nonce, ...how } = {}) {
  const good = { jti: randomUUID(), htm: method, htu: address, iat: now(), nonce, ath: token && hashOf(token) };
  const head = { typ: 'dpop+jwt', alg: 'ES256', jwk: key.public };
  return forge(defined({ ...head, ...header }), defined({ ...good, ...claims }), key.private, how);
}

export function thumbprint({ crv, kty, x, y }) {
  return hashOf(JSON.stringify({ crv, kty, x, y }));
}

// An access token as the server would make it, but not made by it.
export function imitation(t, { claims = {}, header = {} } = {}, jwk = makeKey().private) {
  const likely = { iss: t.meta.issuer, sub: 'user:alice', client_id: 'web', aud: t.world.orders, scope: 'openid orders:read', jti: randomUUID() };
  return forge({ alg: 'ES256', typ: 'at+jwt', kid: 'x', ...header }, { ...likely, iat: now(), exp: now() + 60, ...claims }, jwk);
}

// The same token with one character of a part changed, never to one that decodes to the same bytes.
export function tampered(token, part = -1) {
  const pieces = token.split('.');
  const at = part < 0 ? pieces.length - 1 : part;
  const middle = Math.floor(pieces[at].length / 2);
  const other = pieces[at][middle] === 'A' ? 'B' : 'A';
  pieces[at] = pieces[at].slice(0, middle) + other + pieces[at].slice(middle + 1);
  return pieces.join('.');
}
