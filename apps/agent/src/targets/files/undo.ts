/** Takes back what a balancer did not accept: with files that it refuses, its next start would fail. */
import { readFile } from 'node:fs/promises';
import type { CertificateFolder, NextContents, SettledFiles, WrittenCertificate } from './certificate-folder.ts';
import { isSecretFile } from './layouts.ts';

/** Ids of the certificates whose files are not those that were settled last. */
export async function changedIds(folder: CertificateFolder): Promise<ReadonlySet<string>> {
  const { certificates } = await folder.known();
  const { manifest } = await folder.settled();
  const ids = new Set([...Object.keys(certificates), ...Object.keys(manifest.certificates)]);
  const filesOf = (entry: (typeof certificates)[string] | undefined) => JSON.stringify(entry?.files);
  return new Set([...ids].filter((id) => filesOf(certificates[id]) !== filesOf(manifest.certificates[id])));
}

async function* read({ manifest, pathOf }: SettledFiles, ids: Iterable<string>): AsyncIterable<WrittenCertificate> {
  for (const certificateId of ids) {
    const entry = manifest.certificates[certificateId];
    if (!entry) continue;
    const files = await Promise.all(
      Object.keys(entry.files).map(async (path) => {
        const content = await readFile(pathOf(path)).catch(() => undefined);
        return content && { path, content, isSecret: isSecretFile(path, content) };
      }),
    );
    // What somebody removed cannot be had back: the certificate is written again at the next pass.
    if (files.every((file) => file !== undefined)) yield { certificateId, entry, files };
  }
}

/** Makes some certificates what they were when the folder was settled; those that were not there go away. */
export async function takeBack(
  folder: CertificateFolder,
  ids: Iterable<string>,
  shared: NextContents['shared'],
): Promise<void> {
  const { certificates, defaultId: now } = await folder.known();
  const settled = await folder.settled();
  const { defaultId: before } = settled.manifest;
  const back = new Set(ids);
  // A default certificate has files under that name as well: where one of the two is taken back, both are.
  const isOfDefault = now !== before && [now, before].some((id) => id !== undefined && back.has(id));
  if (isOfDefault) for (const id of [now, before]) if (id !== undefined) back.add(id);
  const kept = Object.fromEntries(Object.entries(certificates).filter(([id]) => !back.has(id)));
  const defaultId = isOfDefault ? before : now;
  await folder.write({ defaultId, kept, written: read(settled, back), shared });
}
