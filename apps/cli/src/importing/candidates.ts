/** Parses what was found, so that a manager can check it. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type AccountCandidate, type ImportCandidate, isPair } from '@certbus/manager';
import { blocksOf, type Passphrase, readCertificates, readPrivateKey } from './pem.ts';
import type { FoundAccount, FoundCertificate, NotTaken, Reading } from './reading.ts';

/** What a manager is asked to import. */
export interface Candidates {
  readonly certificates: readonly ImportCandidate[];
  readonly accounts: readonly AccountCandidate[];
  readonly notTaken: readonly NotTaken[];
}

async function parseCertificate(
  { source, certificate, key, ca }: FoundCertificate,
  passphrase: Passphrase,
): Promise<ImportCandidate | NotTaken> {
  const refuse = (why: string): NotTaken => ({ source, outcome: 'refused', why });
  const chain = readCertificates(blocksOf(certificate).certificates);
  if (!chain) return refuse('a certificate in it does not parse');
  const [first] = chain;
  if (!first) return refuse('it has no certificate');
  const [pem] = blocksOf(key).keys;
  if (pem === undefined) return refuse('there is no private key for it');
  const read = await readPrivateKey(pem, passphrase);
  if ('why' in read) return refuse(read.why);
  const leaf = chain.find((each) => isPair(each, read.key)) ?? first;
  return { source, leaf, others: chain.filter((each) => each !== leaf), key: read.key, ca };
}

function parseDer(base64: string): KeyObject | undefined {
  const key = Buffer.from(base64, 'base64');
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
    try {
      return createPrivateKey({ key, format: 'der', type });
    } catch {
      // One of the others, perhaps.
    }
  }
  return undefined;
}

async function parseAccountKey({ key }: FoundAccount, passphrase: Passphrase): Promise<KeyObject | undefined> {
  if ('der' in key) return parseDer(key.der);
  if ('pem' in key) {
    const [pem] = blocksOf(key.pem).keys;
    const read = pem === undefined ? undefined : await readPrivateKey(pem, passphrase);
    return read && 'key' in read ? read.key : undefined;
  }
  try {
    return createPrivateKey({ key: key.jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** Parses all that was found; what does not parse is among what is not taken. */
export async function toCandidates(reading: Reading, passphrase: Passphrase): Promise<Candidates> {
  const certificates: ImportCandidate[] = [];
  const accounts: AccountCandidate[] = [];
  const notTaken = [...reading.notTaken];
  for (const found of reading.certificates) {
    const parsed = await parseCertificate(found, passphrase);
    if ('outcome' in parsed) notTaken.push(parsed);
    else certificates.push(parsed);
  }
  for (const found of reading.accounts) {
    const key = await parseAccountKey(found, passphrase);
    const { source, ca } = found;
    if (key) accounts.push({ source, ca, key });
    else notTaken.push({ source, outcome: 'refused', why: 'its account key does not parse' });
  }
  return { certificates, accounts, notTaken };
}
