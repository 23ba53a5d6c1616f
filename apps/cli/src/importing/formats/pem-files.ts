/** Finds pairs in PEM files, whatever they are called: a private key belongs to the certificate that has its public half. */
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { orderChain } from '@certbus/acme';
import { isPair } from '@certbus/manager';
import { blocksOf, type Passphrase, readCertificates, readPrivateKey } from '../pem.ts';
import { type Collector, createCollector, type Reading } from '../reading.ts';
import { type Tree, walk } from '../tree.ts';

/** A text and where it was read. */
export interface PemFile {
  readonly source: string;
  readonly text: string;
}

interface Loaded {
  readonly source: string;
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}

async function load({ source, text }: PemFile, passphrase: Passphrase, found: Collector): Promise<Loaded> {
  const blocks = blocksOf(text);
  const certificates = readCertificates(blocks.certificates);
  if (!certificates) found.refuse(source, 'a certificate in it does not parse');
  const keys: KeyObject[] = [];
  for (const pem of blocks.keys) {
    const read = await readPrivateKey(pem, passphrase);
    if ('key' in read) keys.push(read.key);
    else found.refuse(source, read.why);
  }
  return { source, certificates: certificates ?? [], keys };
}

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** What belongs to a leaf: what is next to it where it is alone in its file, and what leads to its root from anywhere else. */
function othersOf(leaf: X509Certificate, file: Loaded, files: readonly Loaded[]): readonly X509Certificate[] {
  const besides = file.certificates.filter((each) => each !== leaf);
  const authorities = files.flatMap(({ certificates }) => certificates).filter(({ ca }) => ca);
  const { issuers } = orderChain(leaf, authorities);
  return besides.every(({ ca }) => ca) ? [...besides, ...issuers] : issuers;
}

/** Finds the pairs of some files. */
export async function findPairs(files: readonly PemFile[], passphrase: Passphrase): Promise<Reading> {
  const found = createCollector();
  const loaded: Loaded[] = [];
  for (const file of files) loaded.push(await load(file, passphrase, found));
  const keys = loaded.flatMap(({ source, keys: own }) => own.map((key) => ({ source, key })));
  const used = new Set<KeyObject>();
  for (const file of loaded) {
    for (const leaf of file.certificates) {
      const match = keys.find(({ key }) => isPair(leaf, key));
      if (!match && leaf.ca) continue;
      if (!match) {
        found.refuse(file.source, 'no private key here belongs to its certificate');
        continue;
      }
      for (const { key } of keys) if (createPublicKey(key).equals(createPublicKey(match.key))) used.add(key);
      const certificate = [leaf, ...othersOf(leaf, file, loaded)].map(String).join('');
      found.certificates.push({ source: file.source, certificate, key: pemOf(match.key), ca: {} });
    }
  }
  for (const { source, key } of keys)
    if (!used.has(key)) found.refuse(source, 'no certificate here belongs to its private key');
  return found;
}

const IS_PEM = /\.(?:pem|crt|cer|cert|key|chain|ca-bundle)$/i;
const DEPTH = 6;

/** Finds the pairs in the PEM files below a folder, by how those files end. */
export async function readPemFolder(tree: Tree, passphrase: Passphrase): Promise<Reading> {
  const found = createCollector();
  const files: PemFile[] = [];
  for (const { path, kind } of walk(tree, '', DEPTH)) {
    if (kind === 'file' && !IS_PEM.test(path)) continue;
    const read = tree.read(path);
    if ('text' in read) files.push({ source: path, text: read.text });
    else if (IS_PEM.test(path)) found.refuse(path, read.why);
    else found.skip(path, read.why);
  }
  const pairs = await findPairs(files, passphrase);
  return { ...pairs, notTaken: [...found.notTaken, ...pairs.notTaken] };
}
