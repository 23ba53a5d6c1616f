/** Finds pairs in PEM files, whatever they are called: a private key belongs to the certificate that has its public half. */
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { orderChain } from '@certbus/acme';
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

/**
 * A public key as a text that is the same for equal keys; `undefined` for one that this Node does not know. DER has more than one form of a
 * point of a curve; where there is no JWK, it has to do.
 */
function textOfKey(read: () => KeyObject): string | undefined {
  try {
    const key = read();
    try {
      return JSON.stringify(key.export({ format: 'jwk' }));
    } catch {
      return key.export({ format: 'der', type: 'spki' }).toString('base64');
    }
  } catch {
    return undefined;
  }
}

/** A name as it is looked up. Node has `undefined` for one without parts, whatever its types say. */
const inLowerCase = (name: string | undefined): string => name?.toLowerCase() ?? '';

/** The certificates of CAs among files, each once, by their names. Two spellings of a name are one where they differ in capitals alone. */
function authoritiesIn(files: readonly Loaded[]): ReadonlyMap<string, readonly X509Certificate[]> {
  const all = files.flatMap(({ certificates }) => certificates).filter(({ ca }) => ca);
  const distinct = new Map(all.map((each) => [each.fingerprint256, each]));
  return Map.groupBy(distinct.values(), ({ subject }) => inLowerCase(subject));
}

/** What can lead from a leaf to its root, by its names: an order among all CAs of a folder takes too long where there are many. */
function aboveLeaf(leaf: X509Certificate, authorities: ReturnType<typeof authoritiesIn>): readonly X509Certificate[] {
  const above = new Set<X509Certificate>();
  let next: readonly X509Certificate[] = [leaf];
  while (next.length > 0) {
    const issuers = next.flatMap(({ issuer }) => authorities.get(inLowerCase(issuer)) ?? []);
    next = issuers.filter((each) => !above.has(each));
    for (const each of next) above.add(each);
  }
  return [...above];
}

/** What belongs to a leaf: what is next to it where it is alone in its file, and what leads to its root from anywhere else. */
function othersOf(
  leaf: X509Certificate,
  file: Loaded,
  authorities: ReturnType<typeof authoritiesIn>,
): readonly X509Certificate[] {
  const besides = file.certificates.filter((each) => each !== leaf);
  const { issuers } = orderChain(leaf, aboveLeaf(leaf, authorities));
  return besides.every(({ ca }) => ca) ? [...besides, ...issuers] : issuers;
}

/** Finds the pairs of some files. */
export async function findPairs(files: readonly PemFile[], passphrase: Passphrase): Promise<Reading> {
  const found = createCollector();
  const loaded: Loaded[] = [];
  for (const file of files) loaded.push(await load(file, passphrase, found));
  const keys = loaded.flatMap(({ source, keys: own }) =>
    own.map((key) => ({ source, key, text: textOfKey(() => createPublicKey(key)) })),
  );
  // The first of equal ones.
  const byText = new Map(keys.toReversed().map(({ text, key }) => [text, key]));
  const authorities = authoritiesIn(loaded);
  const used = new Set<string>();
  for (const file of loaded) {
    for (const leaf of file.certificates) {
      const text = textOfKey(() => leaf.publicKey);
      const match = text === undefined ? undefined : byText.get(text);
      if (!match && leaf.ca) continue;
      if (!match || text === undefined) {
        found.refuse(file.source, 'no private key here belongs to its certificate');
        continue;
      }
      used.add(text);
      const certificate = [leaf, ...othersOf(leaf, file, authorities)].map(String).join('');
      found.certificates.push({ source: file.source, certificate, key: pemOf(match), ca: {} });
    }
  }
  for (const { source, text } of keys)
    if (text === undefined || !used.has(text)) found.refuse(source, 'no certificate here belongs to its private key');
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
