/** Reads certbot's folder, `/etc/letsencrypt`: `live`, `renewal` and `accounts`. */
import type { CaHint } from '@certbus/manager';
import { createCollector, fieldsOf, type Reading } from '../reading.ts';
import { type FileRead, type Tree, walk } from '../tree.ts';

/** What certbot renews a certificate with. */
interface Renewal {
  readonly server: string | undefined;
  /** Name of the account's folder. */
  readonly account: string | undefined;
}

function parseRenewal(read: FileRead): Renewal {
  const text = 'text' in read ? read.text : '';
  const value = (name: string) => new RegExp(`^${name}\\s*=\\s*(\\S+)`, 'm').exec(text)?.[1];
  return { server: value('server'), account: value('account') };
}

/** Whether a folder is certbot's. */
export const isCertbot = (tree: Tree): boolean => tree.has('live') && tree.has('renewal');

const ACCOUNT = /^accounts\/(.+)\/([^/]+)\/private_key\.json$/;
const DEPTH = 8;

/** The accounts, those that most certificates use first. */
function* accountsOf(tree: Tree, renewals: readonly Renewal[]) {
  const uses = (id: string) => renewals.filter(({ account }) => account === id).length;
  const found = [...walk(tree, 'accounts', DEPTH)].flatMap(({ path }) => {
    const [, place = '', id = ''] = ACCOUNT.exec(path) ?? [];
    const named = renewals.find(({ account, server }) => account === id && server !== undefined)?.server;
    return id === '' ? [] : [{ path, id, directory: named ?? `https://${place}` }];
  });
  yield* found.sort((one, other) => uses(other.id) - uses(one.id));
}

/** Reads certificates and accounts. */
export function readCertbot(tree: Tree): Reading {
  const found = createCollector();
  const renewals: Renewal[] = [];
  for (const { name, kind } of tree.list('live')) {
    if (kind === 'file') continue;
    const renewal = parseRenewal(tree.read(`renewal/${name}.conf`));
    renewals.push(renewal);
    const ca: CaHint = { directory: renewal.server };
    found.addPair(tree, { certificate: `live/${name}/fullchain.pem`, key: `live/${name}/privkey.pem` }, ca);
  }
  for (const { path, directory } of accountsOf(tree, renewals)) {
    const read = tree.read(path);
    if ('why' in read) found.refuse(path, read.why);
    else found.accounts.push({ source: path, key: { jwk: fieldsOf(read) }, ca: { directory } });
  }
  return found;
}
