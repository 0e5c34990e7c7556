// Runs cases one after another and prints a JSON line for each: {"name", "ok", "why"}, and "skip" with a reason where the
// server does not have what the case is about.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Context, EXCHANGE } from './context.mjs';

const CASE_MS = 60_000;

function within(promise, name) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} took more than ${CASE_MS} ms`)), CASE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Skip extends Error {}

export function skip(reason) {
  throw new Skip(reason);
}

// What another server cannot know. Ours is told by the grant of RFC 8693, which oidc-provider does not have.
export function onlyOurs(t) {
  if (!t.meta.grant_types_supported?.includes(EXCHANGE)) skip('it is about our server alone');
}

async function outcome(name, run, context) {
  try {
    await within(run(context), name);
    return { name, ok: true, why: '' };
  } catch (error) {
    if (error instanceof Skip) return { name, ok: true, why: '', skip: error.message };
    const place = error.stack?.split('\n').find((line) => /oauth\/(?!lib)/.test(line))?.match(/([\w]+\.mjs:\d+)/)?.[1];
    return { name, ok: false, why: `${error.message}${place ? ` [${place}]` : ''}` };
  }
}

//     node PROGRAM BASE world.json [--section NAME] [--only TEXT] [--list]
export async function main(sections) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { section: { type: 'string' }, only: { type: 'string' }, list: { type: 'boolean' } },
  });
  if (values.list) {
    console.log(Object.keys(sections).join('\n'));
    return;
  }
  const [base, file] = positionals;
  const context = await Context.make(base.replace(/\/$/, ''), JSON.parse(readFileSync(file)));
  for (const [section, cases] of Object.entries(sections)) {
    if (values.section && values.section !== section) continue;
    for (const [name, run] of cases) {
      const full = `${section}: ${name}`;
      if (values.only && !full.includes(values.only)) continue;
      console.log(JSON.stringify(await outcome(full, run, context)));
    }
  }
  process.exit(0); // Idle connections would keep the program.
}
