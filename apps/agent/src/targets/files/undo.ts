/** Takes back what a balancer did not accept: with files that it refuses, its next start would fail. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFolder, NextContents, WrittenCertificate } from './certificate-folder.ts';
import { isSecretFile } from './layouts.ts';

/** What certificates were in a folder, by id. */
export type Before = ReadonlyMap<string, WrittenCertificate>;

/** What a folder was before a change. */
export interface Undo extends Pick<NextContents, 'shared'> {
  readonly before: Before;
  readonly defaultId: string | undefined;
}

/** Reads what some certificates are in a folder now, as far as they are there. */
export async function remember(folder: CertificateFolder, ids: Iterable<string>): Promise<Before> {
  const { certificates } = await folder.known();
  const found = new Map<string, WrittenCertificate>();
  for (const certificateId of ids) {
    const entry = certificates[certificateId];
    if (!entry) continue;
    const paths = Object.keys(entry.files);
    const files = await Promise.all(
      paths.map(async (path) => {
        const content = await readFile(join(folder.path, path));
        return { path, content, isSecret: isSecretFile(path, content) };
      }),
    );
    found.set(certificateId, { certificateId, entry, files });
  }
  return found;
}

/** Makes some certificates what they were, and those that were not there go away. */
export async function takeBack(
  folder: CertificateFolder,
  ids: Iterable<string>,
  { before, defaultId, shared }: Undo,
): Promise<void> {
  const { certificates } = await folder.known();
  const back = new Set(ids);
  const kept = Object.fromEntries(Object.entries(certificates).filter(([id]) => !back.has(id)));
  await folder.write({ defaultId, kept, written: [...back].flatMap((id) => before.get(id) ?? []), shared });
}
