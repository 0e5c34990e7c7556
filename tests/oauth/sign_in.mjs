// Signs somebody in at a client, so often as there are scopes, and prints the answers of the token endpoint, one a line.
//     node sign_in.mjs BASE world.json CLIENT SCOPE…
import { readFileSync } from 'node:fs';
import { Context } from './lib/context.mjs';

const [base, file, client, ...scopes] = process.argv.slice(2);
const context = await Context.make(base, JSON.parse(readFileSync(file)));
for (const scope of scopes) console.log(JSON.stringify(await context.tokens(client, { scope })));
process.exit(0); // Idle connections would keep the program.
