// What a person sees, and what a page of somebody else cannot do in their name: sign-in, sessions, forms.
// RFC 9700 4.2.4, 4.16; RFC 6749 10.12, 10.13; OIDC Core 3.1.2.3; RFC 6265.
import assert from 'node:assert/strict';
import { Browser, goOn, useAs } from '../lib/browser.mjs';
import { formsOf, filled } from '../lib/forms.mjs';
import { noStore } from '../lib/expect.mjs';
import { post } from '../lib/http.mjs';

const hasPassword = ({ fields }) => fields.some(({ type }) => type === 'password');
async function signInPage(t, changes) {
  const browser = new Browser(t.base);
  const start = t.authorization('web', changes);
  const page = await browser.follow(await browser.get(start.url));
  const form = formsOf(page.text, page.address).find(hasPassword);
  assert.ok(form, page.text.slice(0, 400));
  return { browser, start, page, form };
}
function credentials(form, name, password) {
  const values = {};
  for (const field of form.fields) {
    if (field.type === 'password') values[field.name] = password;
    else if (['text', 'email'].includes(field.type)) values[field.name] = name;
  }
  return values;
}
const isSignedOut = (answer) => !answer.left && answer.status < 500;
const cookiesOf = (browser) => [...browser.cookies.values()];

export default [
  ['a wrong password is refused, and the right one accepted', async (t) => {
    const { browser, form } = await signInPage(t);
    const wrong = await browser.follow(await browser.submit(form, credentials(form, 'alice', 'wrong'), form.buttons[0]));
    assert.ok(isSignedOut(wrong) && formsOf(wrong.text, wrong.address).some(hasPassword), `${wrong.status} ${wrong.left}`);
    const answer = await goOn(browser, wrong, t.person('alice'));
    assert.ok(new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['an empty password is refused', async (t) => {
    const { browser, form } = await signInPage(t);
    assert.ok(isSignedOut(await browser.follow(await browser.submit(form, credentials(form, 'alice', ''), form.buttons[0]))));
  }],
  ['the password of somebody else is refused', async (t) => {
    const { browser, form } = await signInPage(t);
    const answer = await browser.follow(await browser.submit(form, credentials(form, 'alice', t.person('bob').password), form.buttons[0]));
    assert.ok(formsOf(answer.text, answer.address).some(hasPassword), answer.address);
  }],
  ['an unknown person and a wrong password are answered alike (OWASP ASVS 2.2)', async (t) => {
    const answers = [];
    for (const name of ['alice', 'nobody']) {
      const { browser, form } = await signInPage(t);
      answers.push(await browser.follow(await browser.submit(form, credentials(form, name, 'wrong'), form.buttons[0])));
    }
    const plain = ({ text }) => text.replace(/alice|nobody/g, '').replace(/<[^>]*>/g, '').replace(/\s+/g, ' ');
    assert.deepEqual(answers.map(({ status }) => status), [answers[0].status, answers[0].status]);
    assert.equal(plain(answers[0]), plain(answers[1]));
  }],
  ['a name that is a script is text', async (t) => {
    const { browser, form } = await signInPage(t);
    const answer = await browser.follow(await browser.submit(form, credentials(form, '"><script>alert(1)</script>', 'wrong'), form.buttons[0]));
    assert.doesNotMatch(answer.text, /<script>alert/);
  }],
  ['a login_hint that is a script is text', async (t) => {
    const { page } = await signInPage(t, { login_hint: '"><script>alert(1)</script>' });
    assert.doesNotMatch(page.text, /<script>alert/);
  }],
  ['the sign-in form without the cookie of the page signs nobody in (login CSRF)', async (t) => {
    const { form } = await signInPage(t);
    const stranger = new Browser(t.base);
    const answer = await stranger.follow(await stranger.submit(form, credentials(form, 'alice', t.person('alice').password), form.buttons[0]));
    assert.ok(!answer.left, answer.left);
    const later = await stranger.get(t.authorization('web', { prompt: 'none' }).url);
    assert.match(later.headers.location ?? '', /error=login_required/);
  }],
  ['the sign-in form of one browser is not for another', async (t) => {
    const [one, two] = [await signInPage(t), await signInPage(t)];
    const answer = await two.browser.follow(await two.browser.submit(one.form, credentials(one.form, 'alice', t.person('alice').password), one.form.buttons[0]));
    assert.ok(!answer.left, answer.left);
  }],
  ['a sign-in form with a changed hidden field signs nobody in', async (t) => {
    const { browser, form } = await signInPage(t);
    const hidden = form.fields.filter(({ type, value }) => type === 'hidden' && value?.length > 15);
    assert.ok(hidden.length, 'no hidden field that could not be guessed');
    for (const field of hidden) {
      const last = field.value.at(-2) === 'A' ? 'B' : 'A';
      const values = { ...credentials(form, 'alice', t.person('alice').password), [field.name]: `${field.value.slice(0, -2)}${last}${field.value.at(-1)}` };
      const answer = await browser.follow(await browser.submit(form, values, form.buttons[0]));
      assert.ok(!answer.left, answer.left);
    }
    const later = await browser.get(t.authorization('web', { prompt: 'none' }).url);
    assert.match(later.headers.location ?? '', /error=login_required/);
  }],
  ['a form that a page of another origin sent is refused', async (t) => {
    const { browser, form } = await signInPage(t);
    const pairs = filled(form, credentials(form, 'alice', t.person('alice').password), form.buttons[0]);
    const answer = await browser.follow(await browser.post(form.action, pairs, { Origin: 'https://evil.example' }));
    assert.ok(!answer.left, answer.left);
    const later = await browser.get(t.authorization('web', { prompt: 'none' }).url);
    assert.match(later.headers.location ?? '', /error=login_required/);
  }],
  ['agreement needs its form: a page of somebody else cannot give it', async (t) => {
    const browser = await t.browserOf('alice');
    const start = t.authorization('web', { prompt: 'consent' });
    const page = await browser.follow(await browser.get(start.url));
    const form = formsOf(page.text, page.address)[0];
    const visible = filled(form, {}, form.buttons[0]).filter(([name]) => !form.fields.some((field) => field.name === name && field.type === 'hidden' && field.value.length > 15));
    const answer = await browser.follow(await browser.post(form.action, visible, { Origin: 'https://evil.example' }));
    assert.ok(!answer.left || !new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['the page of agreement of one person is not for another', async (t) => {
    const [alice, bob] = [await t.browserOf('alice'), await t.browserOf('bob')];
    const page = await alice.follow(await alice.get(t.authorization('web', { prompt: 'consent' }).url));
    const form = formsOf(page.text, page.address)[0];
    const answer = await bob.follow(await bob.submit(form, {}, form.buttons[0]));
    assert.ok(!answer.left || !new URL(answer.left).searchParams.get('code'), answer.left);
  }],
  ['a session begins with a new id at sign-in (session fixation)', async (t) => {
    const { browser, page } = await signInPage(t);
    const before = new Set(cookiesOf(browser).map(({ value }) => value));
    await goOn(browser, page, t.person('alice'));
    const fresh = cookiesOf(browser).filter(({ value }) => !before.has(value));
    assert.ok(fresh.length, 'no cookie changed at sign-in');
  }],
  ['a cookie that was planted before is no session afterwards', async (t) => {
    const { browser, page } = await signInPage(t);
    const planted = new Browser(t.base);
    planted.cookies = new Map(browser.cookies);
    await goOn(browser, page, t.person('alice'));
    const answer = await planted.get(t.authorization('web', { prompt: 'none' }).url);
    assert.match(answer.headers.location ?? '', /error=login_required/);
  }],
  ['cookies are not for scripts, other sites and other paths', async (t) => {
    const browser = new Browser(t.base);
    await useAs(browser, t.authorization('web').url, t.person('alice'));
    assert.ok(browser.cookies.size);
    for (const { line } of cookiesOf(browser)) {
      assert.match(line, /;\s*HttpOnly/i, line);
      assert.match(line, /;\s*SameSite=(Lax|Strict)/i, line);
      assert.match(line, /;\s*Secure/i, line);
      assert.match(line, /^__Host-/, line);
      assert.doesNotMatch(line, /;\s*Domain=/i, line);
    }
  }],
  ['a made-up session is none', async (t) => {
    const browser = new Browser(t.base);
    const known = await t.browserOf('alice');
    for (const [key, cookie] of known.cookies) browser.cookies.set(key, { ...cookie, value: `${cookie.value.slice(0, -3)}AAA` });
    const answer = await browser.get(t.authorization('web', { prompt: 'none' }).url);
    assert.match(answer.headers.location ?? '', /error=login_required/);
  }],
  ['pages are not kept, not framed and tell nobody where they were', async (t) => {
    const { page } = await signInPage(t);
    noStore(page);
    assert.match(page.headers['content-security-policy'] ?? '', /frame-ancestors 'none'/);
    assert.match(page.headers['content-security-policy'] ?? '', /default-src 'none'/);
    assert.match(page.headers['x-frame-options'] ?? '', /^DENY$/i);
    assert.equal(page.headers['referrer-policy'], 'no-referrer');
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
  }],
  ['pages hold no script and load nothing from elsewhere', async (t) => {
    const { page } = await signInPage(t);
    assert.doesNotMatch(page.text, /<script|\son\w+\s*=|javascript:|https?:\/\/(?!127\.0\.0\.1)/i);
  }],
  ['an error page has the same fields', async (t) => {
    const answer = await new Browser(t.base).get(t.authorization('web', { client_id: 'nobody' }).url);
    noStore(answer);
    assert.match(answer.headers['content-security-policy'] ?? '', /frame-ancestors 'none'/);
    assert.equal(answer.headers['referrer-policy'], 'no-referrer');
  }],
  ['after a form comes 303, never 307 (RFC 9700 4.12)', async (t) => {
    const { browser, form } = await signInPage(t);
    const answer = await browser.submit(form, credentials(form, 'alice', t.person('alice').password), form.buttons[0]);
    assert.ok(answer.status === 303 || answer.status === 302 || answer.status === 200, String(answer.status));
  }],
  ['the password is in no address', async (t) => {
    const { browser, page } = await signInPage(t);
    const seen = [];
    const { get } = browser;
    browser.get = (address, ...rest) => {
      seen.push(address);
      return get.call(browser, address, ...rest);
    };
    const answer = await goOn(browser, page, t.person('alice'));
    const secret = encodeURIComponent(t.person('alice').password);
    assert.ok(![...seen, answer.left].some((address) => address.includes(secret)));
  }],
  ['a form of a megabyte is refused', async (t) => {
    const { form } = await signInPage(t);
    const answer = await post(form.action, { a: 'x'.repeat(1 << 20) });
    assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
  }],
  ['guesses at a password are slowed down, and the right one does not help while they are', async (t) => {
    // Last, for this address is known from here on. NIST SP 800-63B 5.2.2: no more than 100 in a row.
    let refusedAt;
    for (let attempt = 0; attempt < 60 && refusedAt === undefined; attempt += 1) {
      const { browser, form } = await signInPage(t);
      const answer = await browser.follow(await browser.submit(form, credentials(form, 'carol', `guess ${attempt}`), form.buttons[0]));
      if (answer.status === 429) refusedAt = attempt;
    }
    assert.ok(refusedAt !== undefined, 'sixty guesses were looked at');
  }],
];
