/** Brings the files of a folder to what a change says. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Change, Wanted } from '../target.ts';
import type { Access } from './access.ts';
import type { CertificateFolder, NextContents, WrittenCertificate } from './certificate-folder.ts';
import {
  type CertificateFile,
  DEFAULT_NAME,
  type FileForm,
  fileNames,
  filesOf,
  isOfDefault,
  isSecretFile,
  pathOfDefault,
} from './layouts.ts';
import { entryOf, type Manifest, type ManifestEntry } from './manifest.ts';
import { markOf } from './password.ts';

/** Everything on which the files depend besides the certificates. */
export const formOf = ({ layout, keyEncoding, password, access }: FileForm & { readonly access: Access }): string =>
  JSON.stringify([layout, keyEncoding, access, ...(password === undefined ? [] : [markOf(password)])]);

/** What a change writes; what cannot be opened is noted as refused. */
async function* writtenOf(
  toWrite: readonly Wanted[],
  defaultId: string | undefined,
  {
    names,
    refused,
    ...form
  }: FileForm & {
    readonly names: ReadonlyMap<string, string>;
    readonly refused: Map<string, Error>;
  },
): AsyncIterable<WrittenCertificate> {
  for (const { certificateId, open } of toWrite) {
    try {
      const pair = await open();
      const name = names.get(certificateId) ?? certificateId;
      const all = certificateId === defaultId ? [name, DEFAULT_NAME] : [name];
      const files = await Promise.all(all.map((each) => filesOf(pair, { ...form, name: each })));
      yield { certificateId, entry: entryOf(pair, name), files: files.flat() };
    } catch (error) {
      refused.set(certificateId, error as Error);
    }
  }
}

/** Without the files under the name of the default certificate. */
const withoutDefault = (entry: ManifestEntry): ManifestEntry => ({
  ...entry,
  files: Object.fromEntries(Object.entries(entry.files).filter(([path]) => !isOfDefault(path))),
});

/** A certificate that is there and becomes the default one: its files get that name as well, also where it cannot be opened any more. */
async function asDefault(
  folder: CertificateFolder,
  certificateId: string,
  entry: ManifestEntry,
): Promise<WrittenCertificate> {
  const own = await Promise.all(
    Object.keys(entry.files).map(async (path): Promise<CertificateFile> => {
      const content = await readFile(join(folder.path, path));
      return { path, content, isSecret: isSecretFile(path, content) };
    }),
  );
  const copies = own.map((file) => ({ ...file, path: pathOfDefault(file.path, entry.name) }));
  return { certificateId, entry, files: [...own, ...copies] };
}

const namesIn = ({ certificates }: Pick<Manifest, 'certificates'>): Map<string, string> =>
  new Map(Object.entries(certificates).map(([id, { name }]) => [id, name]));

const without = <T>(record: Readonly<Record<string, T>>, ids: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([id]) => !ids.includes(id)));

/**
 * Writes what is put and removes what is removed; where that is nothing, only a folder that was never written is, and files of all certificates
 * together that would be other ones now. Returns which certificates could not be opened, and why; what was there of them stays.
 *
 * @param shared makes files of all certificates together; default none.
 */
export async function changeFiles(
  folder: CertificateFolder,
  change: Change,
  { shared = () => [], ...form }: FileForm & { readonly shared?: NextContents['shared'] },
): Promise<ReadonlyMap<string, Error>> {
  const refused = new Map<string, Error>();
  const { put, remove, wanted, defaultId } = change;
  await folder.restoreAccess();
  const { certificates, defaultId: before } = await folder.known();
  const kept = without(certificates, remove);
  const old = before === undefined ? undefined : kept[before];
  if (before !== undefined && before !== defaultId && old) kept[before] = withoutDefault(old);
  const isSame = put.length + remove.length === 0 && before === defaultId && folder.isBegun();
  if (isSame && (await folder.hasShared(shared))) return refused;
  const names = fileNames(wanted, namesIn({ certificates: kept }));
  async function* written() {
    yield* writtenOf(put, defaultId, { ...form, names, refused });
    if (defaultId === undefined || defaultId === before) return;
    const isWritten = put.some(({ certificateId: id }) => id === defaultId) && !refused.has(defaultId);
    const there = isWritten ? undefined : kept[defaultId];
    if (there) yield asDefault(folder, defaultId, withoutDefault(there));
  }
  await folder.write({ defaultId, kept, written: written(), shared });
  return refused;
}
