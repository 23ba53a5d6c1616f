/** Reads acme.sh's folder, `~/.acme.sh`: a folder for each certificate, and `ca` with the accounts. */
import { createCollector, type Reading } from '../reading.ts';
import { type FileRead, type Tree, walk } from '../tree.ts';

const ACCOUNT_KEY = /^ca\/(.+)\/account\.key$/;
const DEPTH = 6;

/** A value of a file of shell variables, as acme.sh writes them. */
function variable(read: FileRead, name: string): string | undefined {
  const text = 'text' in read ? read.text : '';
  return new RegExp(`^${name}=['"]?([^'"\\n]+)`, 'm').exec(text)?.[1];
}

/** The certificate of a folder, by its own name: those of elliptic curves have `_ecc` behind it. */
const stemOf = (folder: string): string => `${folder}/${folder.replace(/_ecc$/, '')}`;

const certificateFolders = (tree: Tree): string[] =>
  tree
    .list('')
    .filter(({ name, kind }) => kind === 'folder' && tree.has(`${stemOf(name)}.conf`))
    .map(({ name }) => name);

/** Whether a folder is acme.sh's. */
export const isAcmeSh = (tree: Tree): boolean => tree.has('account.conf') || certificateFolders(tree).length > 0;

/** Reads certificates and accounts. */
export function readAcmeSh(tree: Tree): Reading {
  const found = createCollector();
  for (const folder of certificateFolders(tree)) {
    const stem = stemOf(folder);
    const ca = { directory: variable(tree.read(`${stem}.conf`), 'Le_API') };
    found.addPair(tree, { certificate: `${folder}/fullchain.cer`, key: `${stem}.key` }, ca);
  }
  for (const { path } of walk(tree, 'ca', DEPTH)) {
    const [, place] = ACCOUNT_KEY.exec(path) ?? [];
    if (place === undefined) continue;
    const read = tree.read(path);
    const accountUrl = variable(tree.read(`ca/${place}/ca.conf`), 'ACCOUNT_URL');
    const ca = accountUrl === undefined ? { directory: `https://${place}` } : { url: accountUrl };
    if ('why' in read) found.refuse(path, read.why);
    else found.accounts.push({ source: path, key: { pem: read.text }, ca });
  }
  return found;
}
