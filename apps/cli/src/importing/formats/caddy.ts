/** Reads Caddy's storage: `certificates/CA/NAME/NAME.crt` and `acme/CA/users/EMAIL`. */
import { createCollector, fieldsOf, type Reading, recordOf, textOf } from '../reading.ts';
import { type Tree, walk } from '../tree.ts';

const CERTIFICATE = /^(certificates\/([^/]+)\/[^/]+\/[^/]+)\.crt$/;
const ACCOUNT_KEY = /^(acme\/[^/]+\/users\/[^/]+\/[^/]+)\.key$/;
const DEPTH = 4;
/** Caddy's own CA. */
const INTERNAL = 'local';

/** Whether a folder is Caddy's. */
export const isCaddy = (tree: Tree): boolean =>
  [...walk(tree, 'certificates', DEPTH)].some(({ path }) => CERTIFICATE.test(path));

/** Reads certificates and accounts. */
export function readCaddy(tree: Tree): Reading {
  const found = createCollector();
  for (const { path } of walk(tree, 'certificates', DEPTH)) {
    const [, stem, issuer] = CERTIFICATE.exec(path) ?? [];
    if (stem === undefined) continue;
    if (issuer === INTERNAL) {
      found.skip(path, "it is of Caddy's own CA, which lasts hours and which Caddy alone renews");
      continue;
    }
    const issuerData = recordOf(fieldsOf(tree.read(`${stem}.json`))['issuer_data']);
    const ca = { directory: textOf(issuerData['ca']), url: textOf(issuerData['url']) };
    found.addPair(tree, { certificate: path, key: `${stem}.key` }, ca);
  }
  for (const { path } of walk(tree, 'acme', DEPTH)) {
    const [, stem] = ACCOUNT_KEY.exec(path) ?? [];
    if (stem === undefined) continue;
    const read = tree.read(path);
    const url = textOf(fieldsOf(tree.read(`${stem}.json`))['location']);
    if ('why' in read) found.refuse(path, read.why);
    else found.accounts.push({ source: path, key: { pem: read.text }, ca: { url } });
  }
  return found;
}
