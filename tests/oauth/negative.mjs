// One request for each rule that an authorization server must refuse by, with the answer that the RFCs want. Beside most of
// them stands a sibling that is accepted: what is refused differs from it in one thing.
//     node negative.mjs BASE world.json [--section NAME] [--only TEXT] [--list]
import { main } from './lib/suite.mjs';
import assertions from './negative/assertions.mjs';
import authorize from './negative/authorize.mjs';
import bearer from './negative/bearer.mjs';
import chains from './negative/chains.mjs';
import clients from './negative/clients.mjs';
import codes from './negative/codes.mjs';
import device from './negative/device.mjs';
import dpop from './negative/dpop.mjs';
import exchange from './negative/exchange.mjs';
import introspection from './negative/introspection.mjs';
import logout from './negative/logout.mjs';
import metadata from './negative/metadata.mjs';
import pages from './negative/pages.mjs';
import par from './negative/par.mjs';
import redirects from './negative/redirects.mjs';
import refresh from './negative/refresh.mjs';
import revocation from './negative/revocation.mjs';
import token from './negative/token.mjs';
import transaction from './negative/transaction.mjs';
import userinfo from './negative/userinfo.mjs';

await main({
  metadata, clients, assertions, token, redirects, authorize, codes, refresh, par, introspection, revocation, userinfo, dpop,
  exchange, chains, transaction, bearer, device, logout, pages,
});
