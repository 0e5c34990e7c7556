// Makes and signs with npm jose: one JSON request a line in, one JSON answer a line out.
import { createInterface } from 'node:readline';
import { CompactEncrypt, CompactSign, SignJWT, compactDecrypt, calculateJwkThumbprint, exportJWK, generateKeyPair, generateSecret, importJWK, compactVerify } from 'jose';

const operations = {
  async generate({ alg, kid, options }) {
    if (/^(A\d+(GCM)?KW|A\d+GCM|A\d+CBC-HS\d+)$/.test(alg)) {
      const bits = Number(alg.split('-HS')[1] ?? alg.match(/\d+/)[0]);
      const k = Buffer.from(crypto.getRandomValues(new Uint8Array(bits / 8))).toString('base64url');
      const jwk = { kty: 'oct', k, alg, kid, use: 'enc' };
      return { private: jwk, public: jwk };
    }
    if (alg.startsWith('HS')) {
      const jwk = { ...(await exportJWK(await generateSecret(alg, { extractable: true }))), alg, kid };
      return { private: jwk, public: jwk };
    }
    const pair = await generateKeyPair(alg, { extractable: true, ...options });
    const use = alg.startsWith('RSA-OAEP') ? 'enc' : 'sig';
    const secret = { ...(await exportJWK(pair.privateKey)), alg, kid, ...(use === 'enc' && { use }) };
    const open = { ...(await exportJWK(pair.publicKey)), alg, kid, use };
    return { private: secret, public: open };
  },
  async sign({ header, payload, jwk }) {
    const key = await importJWK(jwk, header.alg);
    const bytes = new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload));
    return new CompactSign(bytes).setProtectedHeader(header).sign(key);
  },
  async jwt({ header, claims, jwk }) {
    return new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(jwk, header.alg));
  },
  async verify({ token, jwk, alg }) {
    const { payload, protectedHeader } = await compactVerify(token, await importJWK(jwk, alg));
    return { header: protectedHeader, payload: new TextDecoder().decode(payload) };
  },
  async encrypt({ header, plaintext, jwk }) {
    const bytes = new TextEncoder().encode(typeof plaintext === 'string' ? plaintext : JSON.stringify(plaintext));
    return new CompactEncrypt(bytes).setProtectedHeader(header).encrypt(await importJWK(jwk, header.alg));
  },
  async decrypt({ token, jwk, alg }) {
    const { plaintext, protectedHeader } = await compactDecrypt(token, await importJWK(jwk, alg));
    return { header: protectedHeader, plaintext: new TextDecoder().decode(plaintext) };
  },
  async thumbprint({ jwk }) {
    return calculateJwkThumbprint(jwk);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { result: await operations[request.op](request) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
