/** What the agent wrote into a folder: the list by which it knows its own files, and whether they are as it left them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import * as v from 'valibot';
import type { Pair } from '../../pairs/pair.ts';

/** The list's name in its folder. It holds no secret: a hash of a private key's file says nothing about the key. */
export const MANIFEST = '.certbus-agent.json';

const HashSchema = v.pipe(v.string(), v.regex(/^[\w-]{43}$/));
/** A path that stays below its folder. */
const PathSchema = v.pipe(v.string(), v.regex(/^(?!.*(?:^|\/)\.\.(?:\/|$))[^/\0].*$/));
const FilesSchema = v.record(PathSchema, HashSchema);

const ManifestSchema = v.object({
  version: v.literal(1),
  /** How files were named, encoded and given away. */
  form: v.string(),
  defaultId: v.optional(v.string()),
  /** Files that belong to no single certificate, such as HAProxy's list. */
  shared: FilesSchema,
  certificates: v.record(
    v.string(),
    v.object({
      name: v.string(),
      names: v.array(v.string()),
      /** ISO 8601. */
      notAfter: v.string(),
      leafHash: HashSchema,
      /** SHA-1 of the leaf's DER, upper-case hexadecimal: how HAProxy names a certificate. */
      leafSha1: v.pipe(v.string(), v.regex(/^[0-9A-F]{40}$/)),
      files: FilesSchema,
    }),
  ),
});

/** The list. Paths are below the folder; values are SHA-256 of the files' contents, base64url. */
export type Manifest = v.InferOutput<typeof ManifestSchema>;

/** The entry of a pair, without its files. */
export function entryOf(pair: Pair, name: string): Omit<ManifestEntry, 'files'> {
  const { names, leafHash, chain, notAfter } = pair;
  const leafSha1 = chain[0]?.fingerprint.replaceAll(':', '') ?? '';
  return { name, names: [...names], notAfter: notAfter.toISOString(), leafHash, leafSha1 };
}

/** The files of one certificate. */
export type ManifestEntry = Manifest['certificates'][string];

/** The list of an empty folder. */
export const EMPTY: Manifest = { version: 1, form: '', shared: {}, certificates: {} };

/** A list in the form that is written: a list that was read has the same one. */
export const formatManifest = ({ version, form, defaultId, shared, certificates }: Manifest): string =>
  `${JSON.stringify({ version, form, defaultId, shared, certificates })}\n`;

/** Whether a file has the content of this hash. */
async function isIntact(path: string, hash: string): Promise<boolean> {
  try {
    return sha256(await readFile(path)) === hash;
  } catch {
    return false;
  }
}

async function areIntact(folder: string, files: Readonly<Record<string, string>>): Promise<boolean> {
  for (const [path, hash] of Object.entries(files)) if (!(await isIntact(join(folder, path), hash))) return false;
  return true;
}

/** Reads the list of a folder as it was written; that of an empty one where there is none that can be read. */
export async function readManifest(folder: string): Promise<Manifest> {
  try {
    const parsed = v.safeParse(ManifestSchema, JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')));
    return parsed.success ? parsed.output : EMPTY;
  } catch {
    // Nothing there, or not written by an agent: whatever is listed is written.
    return EMPTY;
  }
}

/**
 * The list without the certificates and shared files that somebody changed or removed since it was written; an empty one where they were
 * written in another form than the one that is wanted now.
 */
export async function intactPart(folder: string, manifest: Manifest, form: string): Promise<Manifest> {
  if (manifest.form !== form) return { ...EMPTY, form };
  const certificates: Record<string, ManifestEntry> = {};
  for (const [id, entry] of Object.entries(manifest.certificates))
    if (await areIntact(folder, entry.files)) certificates[id] = entry;
  const shared = (await areIntact(folder, manifest.shared)) ? manifest.shared : {};
  return { ...manifest, shared, certificates };
}
