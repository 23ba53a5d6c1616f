/** The folder in which a server keeps its keys, accounts and certificates over restarts. */
import { appendFileSync, truncateSync } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord } from '../base64url.ts';
import {
  createHierarchyMaterial,
  createTlsMaterial,
  type HierarchyMaterial,
  type HierarchyOptions,
} from '../hierarchy.ts';
import { type Account, createRecords, type IssuedCertificate, type Records } from '../records.ts';
import { accountLine, certificateLine, readLine } from './kept-records.ts';

/** The keys of a server: of what it issues, and of its own HTTPS address. */
export interface ServerKeys {
  readonly issuing: HierarchyMaterial;
  readonly tls: HierarchyMaterial;
}

/** What a server begins with, and what writes down the changes. */
export interface ServerState {
  readonly keys: ServerKeys;
  readonly records: Records;
  keepAccount(account: Account): void;
  keepCertificate(certificate: IssuedCertificate): void;
}

const KEYS = 'keys.json';
const RECORDS = 'records.jsonl';
const MODE = { encoding: 'utf8', mode: 0o600 } as const;

async function createKeys(options: HierarchyOptions): Promise<ServerKeys> {
  return { issuing: await createHierarchyMaterial(options), tls: await createTlsMaterial() };
}

/** A state that is gone with the process. */
export async function createState(options: HierarchyOptions): Promise<ServerState> {
  return { keys: await createKeys(options), records: createRecords(), keepAccount() {}, keepCertificate() {} };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function damaged(path: string, why: string): Error {
  return new Error(`${path} cannot be read: ${why}. Remove its folder to begin with new keys and without accounts.`);
}

/** Others must not read the keys: a CA that somebody trusts for a test is a CA. */
async function openPrivately(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mode = (await stat(folder)).mode & 0o777;
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  const octal = mode.toString(8).padStart(4, '0');
  throw new Error(
    `${folder} has mode ${octal} and would hold private keys: run chmod 700 on it, or choose another folder.`,
  );
}

async function openKeys(folder: string, options: HierarchyOptions): Promise<ServerKeys> {
  const path = join(folder, KEYS);
  const text = await readIfThere(path);
  if (text === undefined) {
    const keys = await createKeys(options);
    // One name for all attempts, so that one that was killed leaves nothing behind for long.
    await writeFile(`${path}.new`, JSON.stringify(keys), MODE);
    await rename(`${path}.new`, path);
    return keys;
  }
  const keys = parseKeys(text, path);
  checkOptions(keys, options, folder);
  return keys;
}

function isMaterial(value: unknown): boolean {
  if (!isRecord(value) || typeof value['issuingKey'] !== 'string') return false;
  const { roots, tails } = value;
  return [roots, tails].every((each) => Array.isArray(each) && each.length > 0);
}

function parseKeys(text: string, path: string): ServerKeys {
  try {
    const keys = JSON.parse(text) as ServerKeys;
    if (isMaterial(keys.issuing) && isMaterial(keys.tls)) return keys;
  } catch {
    // The same as keys of another shape.
  }
  throw damaged(path, 'it does not hold the keys of a server');
}

function checkOptions(
  { issuing }: ServerKeys,
  { keyAlgorithm, roots, intermediates }: HierarchyOptions,
  folder: string,
) {
  const kept = [issuing.keyAlgorithm, issuing.roots.length, issuing.tails[0]?.match(/BEGIN CERTIFICATE/g)?.length];
  const wanted = [keyAlgorithm, roots, intermediates];
  if (kept.every((value, index) => value === wanted[index])) return;
  const text = (values: readonly unknown[]) => `${values[0]} with ${values[1]} roots and ${values[2]} intermediates`;
  throw new TypeError(
    `The keys in ${folder} are ${text(kept)}, and ${text(wanted)} is asked for: choose another folder.`,
  );
}

async function openRecords(path: string): Promise<Records> {
  const records = createRecords();
  const text = (await readIfThere(path)) ?? '';
  const end = text.lastIndexOf('\n') + 1;
  for (const [index, line] of text.slice(0, end).split('\n').slice(0, -1).entries()) {
    try {
      readLine(line, records);
    } catch (error) {
      throw damaged(path, `line ${index + 1}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  // A line that was cut off belongs to an answer that never went out.
  if (end < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, end)));
  return records;
}

/**
 * Opens a folder, and makes it with mode 0700 and with new keys where it is missing. Every change is written before the answer to its request
 * goes out. Rejects with an `Error` where others can read the folder or a file is damaged, and with `TypeError` where the keys are not as the
 * options want them. One server at a time may use a folder.
 */
export async function openStateFolder(folder: string, options: HierarchyOptions): Promise<ServerState> {
  await openPrivately(folder);
  const path = join(folder, RECORDS);
  return {
    keys: await openKeys(folder, options),
    records: await openRecords(path),
    keepAccount: (account) => appendFileSync(path, accountLine(account), MODE),
    keepCertificate: (certificate) => appendFileSync(path, certificateLine(certificate), MODE),
  };
}
