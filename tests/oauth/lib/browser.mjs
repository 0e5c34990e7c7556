// A browser without scripts: cookies of one server, forms, redirects; and a person who uses it.
import { filled, formsOf } from './forms.mjs';
import { encode, post, send } from './http.mjs';

const STEPS_MAX = 15;
const REFUSING = /\b(deny|denied|refuse|reject|cancel|abort|decline|no|back|use another)\b/i;

export class Browser {
  constructor(base) {
    this.origin = new URL(base).origin;
    this.cookies = new Map();
  }

  keep(answer, address) {
    for (const line of answer.all('set-cookie')) {
      const [pair, ...options] = line.split(';').map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const option = (wanted) => options.find((text) => text.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const path = option('path') ?? new URL(address).pathname.replace(/\/[^/]*$/, '');
      const gone = value === '' || option('max-age') === '0' || (option('expires') && Date.parse(option('expires')) < Date.now());
      if (gone) this.cookies.delete(`${name};${path}`);
      else this.cookies.set(`${name};${path}`, { name, value, path, line });
    }
    answer.address = address;
    return answer;
  }

  cookieFor(address) {
    const { pathname } = new URL(address);
    const inside = ({ path }) => path === '/' || pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
    const matching = [...this.cookies.values()].filter(inside);
    return matching.length ? { Cookie: matching.map(({ name, value }) => `${name}=${value}`).join('; ') } : {};
  }

  async get(address, headers = {}) {
    return this.keep(await send(address, { headers: { ...this.cookieFor(address), ...headers } }), address);
  }

  // A form of one of its pages: a browser says where it comes from.
  async post(address, fields, headers = {}) {
    return this.keep(await post(address, fields, { headers: { Origin: this.origin, ...this.cookieFor(address), ...headers } }), address);
  }

  async submit(form, values, button) {
    const pairs = filled(form, values, button);
    if (form.method === 'POST') return this.post(form.action, pairs);
    return this.get(`${form.action.split('?')[0]}?${encode(pairs)}`);
  }

  // Redirects within the server. One that leaves it is what it answers with: `answer.left` is where it leads.
  async follow(answer) {
    let last = answer;
    for (let step = 0; step < STEPS_MAX; step += 1) {
      if (last.status < 300 || last.status > 399 || !last.headers.location) return last;
      const next = new URL(last.headers.location, last.address);
      if (next.origin !== this.origin) {
        last.left = next.href;
        return last;
      }
      last = await this.get(next.href);
    }
    throw new Error(`redirected ${STEPS_MAX} times`);
  }
}

const isText = ({ type }) => ['text', 'email', 'username'].includes(type);

// Fills one page as the person would. `person`: { name, password, refuses, userCode }.
async function fillPage(browser, answer, person) {
  const forms = formsOf(answer.text, answer.address);
  const form = forms.find((one) => one.fields.some(({ type }) => type === 'password'))
    ?? forms.find((one) => one.fields.some((field) => isText(field) || /code/i.test(field.name ?? ''))) ?? forms[0];
  if (!form) throw new Error(`a page without a form (${answer.status} ${answer.address}): ${answer.text.slice(0, 600)}`);
  const values = {};
  const asksPassword = form.fields.some(({ type }) => type === 'password');
  for (const field of form.fields) {
    if (field.type === 'password') values[field.name] = person.password;
    else if (isText(field)) values[field.name] = asksPassword ? person.name : person.userCode ?? field.value;
  }
  if (asksPassword) person.typed = (person.typed ?? 0) + 1;
  if (person.typed > 2) throw new Error(`the password is asked for again: ${answer.text.slice(0, 1500)}`);
  const says = ({ name, value, text, id, class: kind }) => [name, value, text, id, kind].join(' ');
  const denies = (button) => REFUSING.test(says(button));
  if (asksPassword || !person.refuses) return browser.submit(form, values, form.buttons.find((button) => !denies(button)));
  for (const other of [form, ...forms]) {
    const button = other.buttons.find(denies);
    person.done = Boolean(button);
    if (button) return browser.submit(other, values, button);
  }
  const away = answer.text.match(/<a[^>]*href="([^"]*abort[^"]*)"/i); // oidc-provider refuses by a link.
  person.done = Boolean(away);
  if (away) return browser.get(new URL(away[1], answer.address).href);
  return browser.submit(form, values, form.buttons[0]); // A step between two pages.
}

// Goes through sign-in and consent until the server sends the browser away, or nothing is left to fill in.
export async function useAs(browser, address, person) {
  return goOn(browser, await browser.get(address), person);
}

export async function goOn(browser, first, person) {
  const someone = { ...person };
  let answer = await browser.follow(first);
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const isOver = step > 0 && answer.status >= 400; // The first may be a page that asks once more.
    if (answer.left || isOver || !formsOf(answer.text, answer.address).length) return answer;
    answer = await browser.follow(await fillPage(browser, answer, someone));
    if (someone.done) return answer;
  }
  throw new Error(`more than ${STEPS_MAX} pages: ${answer.address}`);
}
