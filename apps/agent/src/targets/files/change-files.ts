/** Brings the files of a folder to what a change says. */
import type { Change, Wanted } from '../target.ts';
import type { Access } from './access.ts';
import type { CertificateFolder, NextContents, WrittenCertificate } from './certificate-folder.ts';
import { DEFAULT_NAME, type FileForm, fileNames, filesOf } from './layouts.ts';
import { entryOf, type Manifest } from './manifest.ts';
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

/** What is written: what is put, and where the default is another one, both certificates that this concerns. */
function toWrite({ put, wanted, defaultId }: Change, before: string | undefined): readonly Wanted[] {
  const ids = new Set(put.map(({ certificateId }) => certificateId));
  const moved =
    defaultId === before ? [] : [before, defaultId].flatMap((id) => (id === undefined || ids.has(id) ? [] : [id]));
  return [...put, ...moved.flatMap((id) => wanted.get(id) ?? [])];
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
  const { certificates, defaultId } = await folder.known();
  const written = toWrite(change, defaultId);
  const isSame = written.length + change.remove.length === 0 && folder.isBegun();
  if (isSame && (await folder.hasShared(shared))) return refused;
  const kept = without(certificates, change.remove);
  await folder.write({
    defaultId: change.defaultId,
    kept,
    written: writtenOf(written, change.defaultId, {
      ...form,
      names: fileNames(change.wanted, namesIn({ certificates: kept })),
      refused,
    }),
    shared,
  });
  return refused;
}
