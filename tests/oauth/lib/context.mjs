// What a case is given: the server by its metadata, the clients of world.mjs, and the ways to get a good token, from which
// a bad request differs in one thing.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Browser, goOn, useAs } from './browser.mjs';
import { assertion, hashOf } from './forge.mjs';
import { basic, encode, post, send } from './http.mjs';

export const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const BEARER_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
export const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
export const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';

export const verifierOf = () => randomBytes(32).toString('base64url');
export const random = () => randomBytes(9).toString('base64url');

// A JSON answer that must have succeeded.
export function good(answer, status = 200) {
  assert.equal(answer.status, status, `${answer.status}: ${answer.text.slice(0, 300)}`);
  return answer.json;
}

export class Context {
  static async make(base, world) {
    const answer = await send(`${base}/.well-known/openid-configuration`);
    const context = new Context();
    return Object.assign(context, { base, world, meta: good(answer), metaAnswer: answer, people: {} });
  }

  client(id) {
    return { id, ...this.world.clients[id] };
  }

  // Fields and headers by which a client says who it is.
  credentials(id) {
    const client = this.world.clients[id];
    switch (client.auth) {
      case 'client_secret_basic': return { headers: { Authorization: basic(id, client.secret) }, fields: {} };
      case 'client_secret_post': return { headers: {}, fields: { client_id: id, client_secret: client.secret } };
      case 'private_key_jwt':
        return { headers: {}, fields: { client_assertion_type: ASSERTION, client_assertion: assertion(id, client, this.meta.issuer) } };
      default: return { headers: {}, fields: { client_id: id } };
    }
  }

  // A POST to an endpoint, as a client. `as: null` sends no credentials.
  async call(endpoint, as, fields, { headers = {}, ...more } = {}) {
    assert.ok(!Array.isArray(headers), 'a list of fields is for post() and send(): here it would be lost');
    const mine = as ? this.credentials(as) : { headers: {}, fields: {} };
    return post(this.meta[`${endpoint}_endpoint`], { ...mine.fields, ...fields }, { headers: { ...mine.headers, ...headers }, ...more });
  }

  token(as, fields, options) {
    return this.call('token', as, fields, options);
  }

  async clientToken(as = 'service', fields = {}) {
    return good(await this.token(as, { grant_type: 'client_credentials', ...fields }));
  }

  // The address that starts a sign-in, and what belongs to it.
  authorization(id, changes = {}) {
    const verifier = verifierOf();
    const parameters = {
      response_type: 'code', client_id: id, redirect_uri: this.world.clients[id].redirect_uris[0], scope: 'openid orders:read',
      state: random(), nonce: random(), code_challenge: hashOf(verifier), code_challenge_method: 'S256', ...changes,
    };
    return { verifier, parameters, url: `${this.meta.authorization_endpoint}?${encode(parameters)}` };
  }

  person(name) {
    return { name, password: this.world.users[name].password };
  }

  // A browser in which somebody is signed in and has agreed once; kept for all cases.
  async browserOf(name = 'alice') {
    if (!this.people[name]) {
      const browser = new Browser(this.base);
      this.people[name] = browser;
      await this.code('web', {}, name);
    }
    return this.people[name];
  }

  // Through sign-in and consent to a code.
  async code(id = 'web', changes = {}, name = 'alice') {
    const start = this.authorization(id, changes);
    const answer = await useAs(await this.browserOf(name), start.url, this.person(name));
    assert.ok(answer.left, `no redirect to the client: ${answer.status} ${answer.text?.slice(0, 1000)}`);
    const query = Object.fromEntries(new URL(answer.left).searchParams);
    assert.ok(query.code, `no code: ${answer.left}`);
    return { ...start, id, query, code: query.code, redirect_uri: start.parameters.redirect_uri, left: answer.left };
  }

  redeem(code, changes = {}, options = {}) {
    const { as = code.id, ...more } = options;
    const fields = { grant_type: 'authorization_code', code: code.code, redirect_uri: code.redirect_uri, code_verifier: code.verifier };
    return this.token(as, { ...fields, ...changes }, more);
  }

  // { access_token, refresh_token, id_token, … } of a person at a client.
  async tokens(id = 'web', changes = {}, name = 'alice') {
    return good(await this.redeem(await this.code(id, changes, name)));
  }

  refresh(as, refreshToken, fields = {}, options = {}) {
    return this.token(as, { grant_type: 'refresh_token', refresh_token: refreshToken, ...fields }, options);
  }

  // What the server says of a token to whoever may ask.
  async introspect(token, as = 'gateway') {
    return good(await this.call('introspection', as, { token }));
  }

  async isActive(token) {
    return (await this.introspect(token)).active;
  }

  // A device code, and the page where a person answers it.
  async device(id = 'tv', fields = { scope: 'openid orders:read' }) {
    return good(await this.call('device_authorization', id, fields));
  }

  poll(device, as = 'tv', fields = {}) {
    return this.token(as, { grant_type: DEVICE, device_code: device.device_code, ...fields });
  }

  async answerDevice(device, { refuses = false, name = 'alice' } = {}) {
    const browser = await this.browserOf(name);
    const person = { ...this.person(name), userCode: device.user_code, refuses };
    if (!refuses) return useAs(browser, device.verification_uri_complete ?? device.verification_uri, person);
    return goOn(browser, await browser.get(device.verification_uri_complete ?? device.verification_uri), person);
  }

  userinfo(token, { scheme = 'Bearer', ...more } = {}) {
    const headers = { ...(token && { Authorization: `${scheme} ${token}` }), ...more.headers };
    return send(this.meta.userinfo_endpoint, { ...more, headers });
  }
}
