// Where an answer may go: redirect_uri is compared byte by byte, and a wrong one is shown to the person, never followed.
// RFC 6749 3.1.2 and 4.1.2.1, RFC 8252 7.3, RFC 9700 2.1 and 4.1.
import assert from 'node:assert/strict';
import { Browser } from '../lib/browser.mjs';
import { isPage, shownOnly } from '../lib/expect.mjs';
import { send } from '../lib/http.mjs';

const open = async (t, id, changes) => new Browser(t.base).get(t.authorization(id, changes).url);
const wrong = (what, redirect_uri, id = 'web') => [`${what} is not the registered one`, async (t) => shownOnly(await open(t, id, { redirect_uri }))];
const right = (what, redirect_uri, id) => [`${what} is the registered one`, async (t) => {
  const browser = new Browser(t.base);
  isPage(await browser.follow(await browser.get(t.authorization(id, { redirect_uri }).url)));
}];

export default [
  right('the very same text', 'https://web.example/cb', 'web'),
  wrong('another host', 'https://evil.example/cb'),
  wrong('a longer host', 'https://web.example.evil.example/cb'),
  wrong('a host within the registered one', 'https://example/cb'),
  wrong('a subdomain', 'https://a.web.example/cb'),
  wrong('another scheme', 'http://web.example/cb'),
  wrong('another port', 'https://web.example:8443/cb'),
  wrong('the default port, spelled out', 'https://web.example:443/cb'),
  wrong('a slash more', 'https://web.example/cb/'),
  wrong('a path in other letters', 'https://web.example/CB'),
  wrong('a host in other letters', 'https://WEB.example/cb'),
  wrong('a scheme in other letters', 'HTTPS://web.example/cb'),
  wrong('a longer path', 'https://web.example/cb/more'),
  wrong('a path that begins the same', 'https://web.example/cbx'),
  wrong('a path that climbs out', 'https://web.example/cb/../evil'),
  wrong('a path that climbs and comes back', 'https://web.example/x/../cb'),
  wrong('an encoded letter', 'https://web.example/%63b'),
  wrong('a query', 'https://web.example/cb?a=1'),
  wrong('an empty query', 'https://web.example/cb?'),
  wrong('a fragment', 'https://web.example/cb#a'),
  wrong('an empty fragment', 'https://web.example/cb#'),
  wrong('a name before the host', 'https://user@web.example/cb'),
  wrong('the registered host as a name', 'https://web.example@evil.example/cb'),
  wrong('a backslash', 'https://web.example\\@evil.example/cb'),
  wrong('a blank behind it', 'https://web.example/cb '),
  wrong('a line feed behind it', 'https://web.example/cb\n'),
  wrong('a NUL behind it', 'https://web.example/cb\0'),
  wrong('a host with a dot behind it', 'https://web.example./cb'),
  wrong('a wildcard', 'https://web.example/*'),
  wrong('a script', 'javascript:alert(1)'),
  wrong('data', 'data:text/html,x'),
  wrong('a relative address', '/cb'),
  wrong('an address without a scheme', '//web.example/cb'),
  wrong('an empty text', ''),
  wrong('the address of another client', 'https://other.example/cb'),
  right('a loopback address with another port', 'http://127.0.0.1:49152/cb', 'native'),
  wrong('a loopback address with another path', 'http://127.0.0.1:49152/cb/x', 'native'),
  wrong('localhost', 'http://localhost/cb', 'native'),
  wrong('another loopback address', 'http://127.0.0.2/cb', 'native'),
  wrong('the loopback address of IPv6', 'http://[::1]/cb', 'native'),
  wrong('a loopback address with another scheme', 'https://127.0.0.1/cb', 'native'),
  wrong('a loopback address in one number', 'http://2130706433/cb', 'native'),
  wrong('a name that begins like a loopback address', 'http://127.0.0.1.evil.example/cb', 'native'),
  wrong('a loopback address as a name', 'http://127.0.0.1:80@evil.example/cb', 'native'),
  wrong('a loopback port that is none', 'http://127.0.0.1:99999/cb', 'native'),
  ['a missing redirect_uri is shown where openid is asked for (OIDC Core 3.1.2.1)', async (t) => shownOnly(await open(t, 'web', { redirect_uri: undefined }))],
  ['two of them are shown', async (t) => shownOnly(await open(t, 'web', { redirect_uri: ['https://web.example/cb', 'https://evil.example/cb'] }), 'evil')],
  ['two equal ones are shown', async (t) => shownOnly(await open(t, 'web', { redirect_uri: ['https://web.example/cb', 'https://web.example/cb'] }))],
  ['an unknown client is shown', async (t) => shownOnly(await open(t, 'web', { client_id: 'nobody' }))],
  ['a missing client is shown', async (t) => shownOnly(await open(t, 'web', { client_id: undefined }))],
  ['an empty client is shown', async (t) => shownOnly(await open(t, 'web', { client_id: '' }))],
  ['two clients are shown', async (t) => shownOnly(await open(t, 'web', { client_id: ['web', 'other'] }))],
  ['a client without the code grant is not sent anywhere', async (t) => {
    const start = t.authorization('web', { client_id: 'service' });
    shownOnly(await new Browser(t.base).get(start.url));
  }],
  ['a wrong redirect_uri is shown even where other things are wrong, too', async (t) => {
    shownOnly(await open(t, 'web', { redirect_uri: 'https://evil.example/cb', response_type: 'token', prompt: 'none' }), 'evil');
  }],
  ['what the page shows of a request is text', async (t) => {
    const answer = await open(t, 'web', { client_id: '"><script>alert(1)</script>', redirect_uri: "javascript:alert('x')", state: '<img src=x>' });
    shownOnly(answer, 'javascript');
    assert.doesNotMatch(answer.text, /<script>alert|<img src=x/);
  }],
  ['a signed-in person is not sent to a wrong address either', async (t) => {
    const browser = await t.browserOf();
    shownOnly(await browser.get(t.authorization('web', { redirect_uri: 'https://evil.example/cb', prompt: 'none' }).url), 'evil');
  }],
  ['a dot segment in the path of the request does not change which endpoint it is', async (t) => {
    const { origin } = new URL(t.base);
    const answer = await send(`${origin}/x/../${new URL(t.meta.authorization_endpoint).pathname.slice(1)}?redirect_uri=https://evil.example`);
    assert.equal(answer.headers.location?.startsWith('https://evil') ?? false, false);
  }],
];
