// Drives Debian's Chromium over the pages of the authorization server, without scripts where a person has none.
//   node people.mjs BASE APP_PORT [FOLDER]      one JSON line per case: {"name", "ok", "why"}; screenshots into FOLDER
import crypto from 'node:crypto';
import http from 'node:http';
import { chromium } from 'playwright-core';

const [base, appPort, shots] = process.argv.slice(2);
const app = `http://127.0.0.1:${appPort}`;
const verifier = 'v'.repeat(43);
const challenge = crypto.createHash('sha256').update(verifier).digest('base64url');
const totpKey = Buffer.from('12345678901234567890');
const seen = []; // Targets that the client was asked for.

// The client: its callback sends the browser on to another host, as real ones do.
const client = http.createServer((request, response) => {
  seen.push(request.url);
  if (request.url.startsWith('/cb')) response.writeHead(302, { location: `http://localhost:${appPort}/home` }).end();
  else if (request.url === '/frame') response.setHeader('content-type', 'text/html') && response.end(`<iframe src="${authorize()}"></iframe>`);
  else response.end('the client');
});

function authorize(more = {}) {
  const query = new URLSearchParams({ response_type: 'code', client_id: 'web', redirect_uri: `${app}/cb`, scope: 'openid orders:read', state: 'st',
    code_challenge: challenge, code_challenge_method: 'S256', ...more });
  return `${base}/authorize?${query}`;
}

function totp(steps = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const sum = crypto.createHmac('sha1', totpKey).update(counter).digest();
  return String((sum.readUInt32BE(sum[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}

function check(condition, why) {
  if (!condition) throw new Error(why);
}

async function person(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(90_000); // However much else the machine has to do.
  const page = await context.newPage();
  const words = [], foreign = [];
  page.on('console', (message) => words.push(message.text()));
  page.on('pageerror', (error) => words.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (page.url().startsWith(base) && !url.startsWith(base) && request.resourceType() !== 'document') foreign.push(url);
  });
  return { context, page, words, foreign };
}

async function signIn(page, user = 'alice', password = 'hunter2') {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function arrived(page) {
  await page.waitForURL(`http://localhost:${appPort}/home`);
  return new URL(seen.findLast((target) => target.startsWith('/cb')), app).searchParams;
}

const cases = {
  async 'signs in and gives permission without scripts, by the keyboard, and is sent on by the client'({ browser }) {
    const { page, words, foreign } = await person(browser, { javaScriptEnabled: false });
    await page.goto(authorize());
    await page.locator('input[name=username]:focus').waitFor(); // The first field has it, a moment after the page is there.
    await page.keyboard.type('alice');
    await page.keyboard.press('Tab');
    await page.locator('input[name=password]:focus').waitFor();
    await page.keyboard.type('hunter2');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Web shop' }).waitFor();
    check((await page.content()).includes('See your orders'), 'the scope has its words');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    const answer = await arrived(page);
    check(answer.get('code') && answer.get('iss') === base && answer.get('state') === 'st', String(answer));
    check(words.length === 0, words.join('\n'));
    check(foreign.length === 0, foreign.join('\n'));
  },
  async 'is told what is wrong with a password, and the name stays'({ browser }) {
    const { page, words } = await person(browser);
    await page.goto(authorize());
    await signIn(page, 'alice', 'hunter3');
    const alert = page.getByRole('alert');
    check((await alert.textContent()) === 'The user name or the password is not right.', 'the alert');
    check((await page.getByLabel('User name').inputValue()) === 'alice', 'the name stays');
    check((await page.getByLabel('Password').inputValue()) === '', 'the password does not');
    check((await page.evaluate(() => document.activeElement.id)) === 'password', 'the empty field has the focus');
    check((await page.getByLabel('Password').getAttribute('aria-describedby')) === (await alert.getAttribute('id')), 'the field names its alert');
    // Chromium says of every page with a status of 4xx that a resource failed to load.
    check(words.every((one) => one.includes('403')), words.join('\n'));
  },
  async 'enters a second factor'({ browser }) {
    const { page } = await person(browser);
    await page.goto(authorize());
    await signIn(page, 'bob');
    const field = page.getByLabel('Six-digit code');
    check((await field.getAttribute('autocomplete')) === 'one-time-code', 'autocomplete');
    await field.fill('000000');
    await page.getByRole('button', { name: 'Continue' }).click();
    check((await page.getByRole('alert').textContent()).includes('not right'), 'a wrong code');
    await page.getByLabel('Six-digit code').fill(totp());
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Do not allow' }).click();
    check((await arrived(page)).get('error') === 'access_denied', 'refused');
  },
  async 'has cookies that no script and no other site sees'({ browser }) {
    const { page, context } = await person(browser);
    await page.goto(authorize());
    await signIn(page);
    await page.getByRole('button', { name: 'Allow', exact: true }).or(page.getByText('the client')).first().waitFor();
    const cookies = await context.cookies(base);
    check(cookies.map((one) => one.name).sort().join() === '__Host-keepgate-browser,__Host-keepgate-session', JSON.stringify(cookies));
    for (const one of cookies) check(one.httpOnly && one.secure && one.sameSite === 'Lax' && one.path === '/', JSON.stringify(one));
    await page.goto(authorize({ prompt: 'consent' }));
    check((await page.evaluate(() => document.cookie)) === '', 'document.cookie');
  },
  async 'signs out'({ browser }) {
    const { page, context } = await person(browser);
    await page.goto(authorize({ prompt: 'consent' }));
    await signIn(page);
    await page.getByRole('heading', { name: 'Web shop' }).waitFor();
    await page.goto(`${base}/end-session`);
    check((await page.textContent('main')).includes('alice'), 'who is signed in');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    check(!(await context.cookies(base)).some((one) => one.name.endsWith('session')), 'the cookie is gone');
    await page.goto(authorize());
    await page.getByLabel('Password').waitFor();
  },
  async 'cannot be shown in a frame'({ browser }) {
    const { page, words } = await person(browser);
    await page.goto(`${app}/frame`);
    await page.waitForFunction(() => document.querySelector('iframe'));
    for (let turns = 0; turns < 100 && !words.some((one) => one.includes('frame-ancestors')); ++turns) {
      await new Promise((resolve) => setTimeout(resolve, 50)); // Chromium tells of it a moment later.
    }
    check(words.some((one) => one.includes('frame-ancestors')), `refused: ${words.join('\n')}`);
  },
  async 'runs no script that got into a page'({ browser }) {
    const { page, words } = await person(browser);
    await page.goto(authorize());
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
    });
    check((await page.evaluate(() => window.ran)) === undefined, 'it ran');
    check(words.some((one) => one.includes('Content Security Policy')), words.join('\n'));
  },
  async 'sees every page whole on a small screen, in light and dark'({ browser }) {
    for (const width of [320, 375, 1280]) {
      for (const colorScheme of ['light', 'dark']) {
        const { page, context } = await person(browser, { viewport: { width, height: 700 }, colorScheme });
        const look = async (name) => {
          check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than ${width}`);
          const small = await page.evaluate(() => [...document.querySelectorAll('button, input:not([type=hidden])')]
            .filter((one) => one.getBoundingClientRect().height < 44).map((one) => one.name));
          check(small.length === 0, `${name}: too small to press: ${small}`);
          if (shots) await page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
        };
        await page.goto(authorize({ prompt: 'consent' }));
        await look('sign-in');
        await signIn(page, 'bob');
        await look('second-factor');
        await page.goto(authorize({ prompt: 'consent', scope: 'openid email orders:read orders:write' }));
        await signIn(page, 'carol');
        await page.getByRole('heading', { name: 'Web shop' }).waitFor();
        await look('consent');
        await page.goto(`${base}/device?user_code=WDJB-MJHT`);
        await look('device');
        await page.goto(`${base}/end-session`);
        await look('sign-out');
        await page.getByRole('button', { name: 'Sign out' }).click();
        await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
        await look('signed-out');
        await page.goto(authorize({ redirect_uri: 'https://evil.example/' }));
        await look('error');
        await context.close();
      }
    }
  },
};

client.listen(Number(appPort));
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
for (const [name, run] of Object.entries(cases)) {
  let why = '';
  try {
    await run({ browser });
  } catch (error) {
    why = String(error.stack);
  }
  console.log(JSON.stringify({ name, ok: why === '', why }));
}
await browser.close();
client.close();
client.closeAllConnections();
