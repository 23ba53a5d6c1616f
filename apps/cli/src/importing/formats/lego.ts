/** Reads lego's folder, `.lego`: `certificates` and `accounts`. */
import { createCollector, fieldsOf, type Reading, recordOf, textOf } from '../reading.ts';
import { type Tree, walk } from '../tree.ts';

const CERTIFICATE = /(?<!\.issuer)\.crt$/;
const ACCOUNT_KEY = /^(accounts\/([^/]+)\/[^/]+)\/keys\/[^/]+\.key$/;
const DEPTH = 4;

/** Whether a folder is lego's. */
export const isLego = (tree: Tree): boolean =>
  tree.list('certificates').some(({ name, kind }) => kind === 'file' && name.endsWith('.issuer.crt')) ||
  [...walk(tree, 'accounts', DEPTH)].some(({ path }) => ACCOUNT_KEY.test(path));

/** Reads certificates and accounts. */
export function readLego(tree: Tree): Reading {
  const found = createCollector();
  for (const { name, kind } of tree.list('certificates')) {
    if (kind === 'folder' || !CERTIFICATE.test(name)) continue;
    const path = `certificates/${name.slice(0, -'.crt'.length)}`;
    const { certStableUrl, certUrl } = fieldsOf(tree.read(`${path}.json`));
    const ca = { url: textOf(certStableUrl) ?? textOf(certUrl) };
    found.addPair(tree, { certificate: `${path}.crt`, key: `${path}.key` }, ca);
  }
  for (const { path } of walk(tree, 'accounts', DEPTH)) {
    const [, folder, host = ''] = ACCOUNT_KEY.exec(path) ?? [];
    if (folder === undefined) continue;
    const read = tree.read(path);
    const { registration } = fieldsOf(tree.read(`${folder}/account.json`));
    // The folder has the host with its port, and `_` for what file systems refuse.
    const url = textOf(recordOf(registration)['uri']) ?? `https://${host.replace(/_(?=\d+$)/, ':')}/`;
    if ('why' in read) found.refuse(path, read.why);
    else found.accounts.push({ source: path, key: { pem: read.text }, ca: { url } });
  }
  return found;
}
