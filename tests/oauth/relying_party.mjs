// A person at a real web server (Apache with mod_auth_openidc) that signs people in by the authorization server, in Debian's
// Chromium. A JSON line for each step, as tests/oauth/lib/suite.mjs prints them; the steps build on one another.
//     node relying_party.mjs APPLICATION SERVER world.json
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const STEP_MS = 60_000; // However much else the machine has to do.
const [application, server, file] = process.argv.slice(2);
const world = JSON.parse(readFileSync(file));
const REFUSING = /deny|refuse|reject|cancel|abort|decline|\bno\b/i;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
const complaints = [];

async function person() {
  const context = await browser.newContext();
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  page.on('console', (message) => /Content.Security.Policy/i.test(message.text()) && complaints.push(message.text()));
  return page;
}

const at = (page, origin) => new URL(page.url()).origin === origin;
const isHere = (page) => at(page, new URL(application).origin);
const isThere = (page) => at(page, new URL(server).origin);

// Presses the first button that agrees (or refuses); the page that comes is waited for.
async function press(page, refuses) {
  const buttons = await page.locator('button[type=submit], button:not([type]), input[type=submit]').all();
  for (const button of buttons) {
    const text = `${await button.textContent()} ${await button.getAttribute('value')} ${await button.getAttribute('name')}`;
    if (REFUSING.test(text) === Boolean(refuses)) return Promise.all([page.waitForNavigation(), button.click()]);
  }
  const links = await page.locator('a').all();
  for (const link of links) if (refuses && REFUSING.test(await link.textContent())) return Promise.all([page.waitForNavigation(), link.click()]);
  throw new Error(`no button: ${(await page.content()).slice(0, 800)}`);
}

// Everything the server asks, until it sends the person back.
async function answer(page, { name = 'alice', refuses = false } = {}) {
  for (let step = 0; step < 6 && isThere(page); step += 1) {
    const password = page.locator('input[type=password]');
    const asks = await password.count();
    if (asks) {
      await page.locator('input[type=text], input[type=email], input:not([type])').first().fill(name);
      await password.fill(world.users[name].password);
    }
    await press(page, refuses && !asks);
  }
  assert.ok(isHere(page), `still at ${page.url()}`);
}

const page = await person();
let first;
const steps = [
  ['without a session nobody sees the application', async () => {
    const reply = await page.request.get(`${application}/private/`, { maxRedirects: 0 });
    assert.equal(reply.status(), 302);
    assert.ok(reply.headers().location.startsWith(server), reply.headers().location);
  }],
  ['a person is sent to the server, signs in, agrees and comes back', async () => {
    await page.goto(`${application}/private/`);
    assert.ok(isThere(page), page.url());
    await answer(page);
    assert.match(await page.content(), /the private page/);
    assert.ok(page.url().startsWith(`${application}/private/`), page.url());
  }],
  ['the application knows who it is', async () => {
    first = (await page.request.get(`${application}/private/`)).headers();
    assert.match(first['x-sub'], /alice/);
    assert.equal(first['x-email'], 'alice@example.com');
  }],
  ['the next visit needs no sign-in', async () => {
    await page.goto(`${application}/private/`);
    assert.match(await page.content(), /the private page/);
  }],
  ['a new session of the application needs no new sign-in at the server', async () => {
    await page.context().clearCookies({ name: 'mod_auth_openidc_session' });
    await page.goto(`${application}/private/`);
    assert.equal(await page.locator('input[type=password]').count(), 0, page.url());
    await answer(page); // oidc-provider asks native clients for agreement each time.
    assert.match(await page.content(), /the private page/);
  }],
  ['the application refreshes its access token', async () => {
    const before = (await page.request.get(`${application}/private/`)).headers()['x-token'];
    assert.ok(before);
    const query = new URLSearchParams({ refresh: `${application}/private/`, access_token: before });
    const reply = await page.request.get(`${application}/redirect_uri?${query}`);
    assert.equal(reply.status(), 200);
    assert.ok(!reply.url().includes('error_code'), reply.url());
    const after = (await page.request.get(`${application}/private/`)).headers()['x-token'];
    assert.notEqual(after, before);
  }],
  ['an answer that the application did not ask for signs nobody in', async () => {
    const stranger = await person();
    const reply = await stranger.goto(`${application}/redirect_uri?code=x&state=y&iss=${encodeURIComponent(server)}`);
    assert.ok(reply.status() >= 400, String(reply.status()));
    assert.doesNotMatch(await stranger.content(), /the private page/);
  }],
  ['a person who refuses does not see the application', async () => {
    const stranger = await person();
    await stranger.goto(`${application}/private/`);
    await answer(stranger, { name: 'bob', refuses: true });
    assert.doesNotMatch(await stranger.content(), /the private page/);
  }],
  ['somebody else is somebody else', async () => {
    const other = await person();
    await other.goto(`${application}/private/`);
    await answer(other, { name: 'bob' });
    assert.notEqual((await other.request.get(`${application}/private/`)).headers()['x-sub'], first['x-sub']);
  }],
  ['signing out at the application ends the session at the server', async () => {
    await page.goto(`${application}/redirect_uri?logout=${encodeURIComponent(`${application}/goodbye`)}`);
    for (let step = 0; step < 3 && isThere(page); step += 1) await press(page, false);
    assert.ok(page.url().startsWith(`${application}/goodbye`), page.url());
    await page.goto(`${application}/private/`);
    assert.ok(isThere(page) && await page.locator('input[type=password]').count(), page.url());
  }],
  ['no page broke its own content security policy', async () => assert.deepEqual(complaints, [])],
];

for (const [name, run] of steps) {
  try {
    await run();
    console.log(JSON.stringify({ name: `relying party: ${name}`, ok: true, why: '' }));
  } catch (error) {
    console.log(JSON.stringify({ name: `relying party: ${name}`, ok: false, why: `${error.message}`.slice(0, 1500) }));
  }
}
await browser.close();
