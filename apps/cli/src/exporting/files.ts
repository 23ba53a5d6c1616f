/** Turns a certificate and its private key into the files that programs read, and puts these in place. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { flushFolder, writeNew, writeOver } from '@certbus/runtime/local';
import { CliError } from '../errors.ts';

/** In which form a certificate is exported. */
export const EXPORT_FORMATS = ['pem', 'pkcs12'] as const;

/** What is exported. */
export interface Exported {
  /** Leaf first, then its issuers. */
  readonly chain: readonly X509Certificate[];
  readonly key: KeyObject;
  /** Under which programs list it. */
  readonly name: string;
}

/** A file that is to be written, for this user only. */
export interface ExportFile {
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** The PEM files: chain and key in one, or the key in a file of its own. */
export function pemFiles(
  { chain, key }: Exported,
  { out, keyOut }: { readonly out: string; readonly keyOut: string | undefined },
): readonly ExportFile[] {
  const certificates = chain.map(String).join('');
  const privateKey = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  if (keyOut === undefined) return [{ path: out, content: `${certificates}${privateKey}` }];
  return [
    { path: keyOut, content: privateKey },
    { path: out, content: certificates },
  ];
}

/** The PKCS#12 file. Throws `CERTBUS_CLI_USAGE` for a password that programs read in different ways. */
export async function pkcs12File(exported: Exported, path: string, password: string): Promise<ExportFile> {
  const { encodePkcs12, isPkcs12Password } = await import('@certbus/client/pkcs12');
  if (isPkcs12Password(password)) return { path, content: await encodePkcs12(exported, password) };
  const what =
    'The password of a PKCS#12 file must be one character of ASCII or more: programs read others differently.';
  throw new CliError('CERTBUS_CLI_USAGE', what);
}

const isThere = ({ path }: ExportFile): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

const inTheWay = (path: string): CliError =>
  new CliError('CERTBUS_CLI_FILE_PROBLEM', `${path} is there already, and stays as it is. --force replaces it.`);

/**
 * Writes files with mode 0600, each whole or not at all. Throws `CERTBUS_CLI_FILE_PROBLEM` where one is a folder, or is there and `force` is not set, before
 * any is written, and the error of the system.
 */
export function writeExport(files: readonly ExportFile[], { force }: { readonly force: boolean }): void {
  const folder = files.find(({ path }) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
  if (folder) throw new CliError('CERTBUS_CLI_FILE_PROBLEM', `${folder.path}: it is a folder; name a file.`);
  const there = force ? undefined : files.find(isThere);
  if (there) throw inTheWay(there.path);
  for (const { path, content } of files) {
    if (force) writeOver(path, content);
    else if (!writeNew(path, content, { isSecret: true })) throw inTheWay(path);
  }
  for (const each of new Set(files.map(({ path }) => dirname(path)))) flushFolder(each);
}
