// The good flows, driven by the libraries that applications use: openid-client and oauth4webapi; what comes out is checked
// by jose against the published keys.
//     node flows.mjs BASE world.json [--section NAME] [--only TEXT] [--list]
import { main } from './lib/suite.mjs';
import openid from './flows/openid_client.mjs';
import webapi from './flows/oauth4webapi.mjs';
import tokens from './flows/tokens.mjs';
import conformance from './flows/conformance.mjs';
import logout from './flows/logout.mjs';
import fapi from './flows/fapi.mjs';

await main({ openid, webapi, tokens, conformance, logout, fapi });
