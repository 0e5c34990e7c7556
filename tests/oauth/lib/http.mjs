// One HTTP request as it is written here and nothing added: fields may come twice, redirects are not followed.
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';

const TIMEOUT_MS = 20_000;
const BODY_MAX = 4 << 20;

class Answer {
  constructor(message, text) {
    this.status = message.statusCode;
    this.headers = message.headers;
    this.raw = message.rawHeaders;
    this.text = text;
  }

  // All values of a field; Node joins or drops some in `headers`.
  all(name) {
    const found = [];
    for (let at = 0; at < this.raw.length; at += 2) if (this.raw[at].toLowerCase() === name) found.push(this.raw[at + 1]);
    return found;
  }

  get json() {
    try {
      return JSON.parse(this.text);
    } catch {
      return undefined;
    }
  }
}

// `headers`: an object, or a list of [name, value] where one name may come twice. `tls`: options of node:https.
export function send(url, { method = 'GET', headers = {}, body, tls } = {}) {
  const target = new URL(url);
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  const flat = pairs.flat();
  if (!pairs.some(([name]) => name.toLowerCase() === 'host')) flat.push('Host', target.host);
  if (body !== undefined) flat.push('Content-Length', String(Buffer.byteLength(body)));
  return new Promise((resolve, reject) => {
    const make = target.protocol === 'https:' ? secure : plain;
    // What a URL object would tidy up (dots, say) goes out as it was written.
    const path = String(url).slice(target.origin.length).replace(/#.*$/, '') || '/';
    const outgoing = make({ host: target.hostname, port: target.port, method, path, headers: flat, timeout: TIMEOUT_MS, ...tls }, (message) => {
      const parts = [];
      let size = 0;
      message.on('data', (part) => {
        size += part.length;
        if (size > BODY_MAX) outgoing.destroy(new Error('the answer has no end'));
        parts.push(part);
      });
      message.on('end', () => resolve(new Answer(message, Buffer.concat(parts).toString())));
      message.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms: ${method} ${url}`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

// A form, encoded: an object whose values may be lists, a list of pairs, or text as it is. Undefined values are left out.
export function encode(fields) {
  if (typeof fields === 'string') return fields;
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return new URLSearchParams(pairs.filter(([, value]) => value !== undefined)).toString();
}

export function post(url, fields, { headers = {}, type = 'application/x-www-form-urlencoded', ...more } = {}) {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  const typed = type === null ? pairs : [['Content-Type', type], ...pairs];
  return send(url, { method: 'POST', headers: typed, body: encode(fields), ...more });
}

// HTTP Basic as OAuth wants it: both parts form-urlencoded first (RFC 6749 2.3.1).
export function basic(id, secret) {
  const part = (text) => new URLSearchParams([['', text]]).toString().slice(1);
  return `Basic ${Buffer.from(`${part(id)}:${part(secret)}`).toString('base64')}`;
}
