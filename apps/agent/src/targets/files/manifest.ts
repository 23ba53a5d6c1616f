/** What the agent wrote into a folder: the list by which it knows its own files, and whether they are as it left them. */
import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { sha256 } from '@certbus/events';
import * as v from 'valibot';
import type { Pair } from '../../pairs/pair.ts';
import { type Access, isAsGiven } from './access.ts';
import { isSecretFile } from './layouts.ts';

/** The list's name in its folder. It holds no secret: a hash of a private key's file says nothing about the key. */
export const MANIFEST = '.certbus-agent.json';

const HashSchema = v.pipe(v.string(), v.regex(/^[\w-]{43}$/));
/** A path that stays below its folder. */
const PathSchema = v.pipe(v.string(), v.regex(/^(?!.*(?:^|\/)\.\.(?:\/|$))[^/\0].*$/));
const FilesSchema = v.record(PathSchema, HashSchema);

const EntrySchema = v.object({
  name: v.string(),
  names: v.array(v.string()),
  /** ISO 8601. */
  notAfter: v.string(),
  leafHash: HashSchema,
  /** SHA-1 of the leaf's DER, upper-case hexadecimal: how HAProxy names a certificate. */
  leafSha1: v.pipe(v.string(), v.regex(/^[0-9A-F]{40}$/)),
  files: FilesSchema,
  /** The form of the files where it is another one than that of the list: they could not be written again since. */
  form: v.optional(v.string()),
});

/** The files of one certificate. */
export type ManifestEntry = v.InferOutput<typeof EntrySchema>;

/** Looks at the entries without a copy of them: there may be thousands. */
const isEntries = (input: unknown): input is Record<string, ManifestEntry> =>
  typeof input === 'object' && input !== null && Object.values(input).every((entry) => v.is(EntrySchema, entry));

const ManifestSchema = v.object({
  version: v.literal(1),
  /** How files were named, encoded and given away. */
  form: v.string(),
  defaultId: v.optional(v.string()),
  /** Files that belong to no single certificate, such as HAProxy's list. */
  shared: FilesSchema,
  certificates: v.custom<Record<string, ManifestEntry>>(isEntries),
});

/** The list. Paths are below the folder; values are SHA-256 of the files' contents, base64url. */
export type Manifest = v.InferOutput<typeof ManifestSchema>;

/** The entry of a pair, without its files. */
export function entryOf(pair: Pair, name: string): Omit<ManifestEntry, 'files'> {
  const { names, leafHash, chain, notAfter } = pair;
  const leafSha1 = createHash('sha1')
    .update(chain[0] ?? '')
    .digest('hex')
    .toUpperCase();
  return { name, names: [...names], notAfter: notAfter.toISOString(), leafHash, leafSha1 };
}

/** The entries of a list with their ids. Unlike `Object.entries` it makes one pair at a time: there may be thousands. */
export function* entriesIn(
  certificates: Manifest['certificates'],
): Iterable<readonly [id: string, entry: ManifestEntry]> {
  for (const id of Object.keys(certificates)) {
    const entry = certificates[id];
    if (entry) yield [id, entry];
  }
}

/** The list of an empty folder. */
export const EMPTY: Manifest = { version: 1, form: '', shared: {}, certificates: {} };

/** A list in the form that is written: a list that was read has the same one. */
export const formatManifest = ({ version, form, defaultId, shared, certificates }: Manifest): string =>
  `${JSON.stringify({ version, form, defaultId, shared, certificates })}\n`;

const buffer = Buffer.allocUnsafe(65_536);

/** A file whose owner, group or mode somebody changed. */
export interface AstrayFile {
  /** Below the folder. */
  readonly path: string;
  readonly isSecret: boolean;
}

/** How files are looked at. */
interface LookOptions {
  /** Whose they are; `undefined`: that is not looked at. */
  readonly access?: Access | undefined;
  /** Takes each whose content is right, and whose access is not. */
  readonly onAstray?: (file: AstrayFile) => void;
}

/** SHA-256 of what is left of an open file, base64url, and whether it holds a private key. */
function contentOf(file: number, path: string): { readonly hash: string; readonly isSecret: boolean } {
  const first = readSync(file, buffer);
  const content = buffer.subarray(0, first);
  const isSecret = isSecretFile(path, content);
  // The file of a certificate fits.
  if (first < buffer.length) return { hash: hash('sha256', content, 'base64url'), isSecret };
  const all = createHash('sha256');
  for (let length = first; length > 0; length = readSync(file, buffer)) all.update(buffer.subarray(0, length));
  return { hash: all.digest('base64url'), isSecret };
}

/** Whether a file has the content of this hash. Read at once: of thousands of small files, most of the time and memory would go into waiting. */
function isIntact(
  { folder, path, wanted }: { readonly folder: string; readonly path: string; readonly wanted: string },
  { access, onAstray }: LookOptions,
): boolean {
  try {
    // A pipe that somebody put there is not waited for.
    const file = openSync(join(folder, path), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { hash: found, isSecret } = contentOf(file, path);
      if (found !== wanted) return false;
      if (access && !isAsGiven(fstatSync(file), { access, isSecret })) onAstray?.({ path, isSecret });
      return true;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}

const areIntact = (folder: string, files: Readonly<Record<string, string>>, options: LookOptions): boolean =>
  Object.entries(files).every(([path, wanted]) => isIntact({ folder, path, wanted }, options));

function parseManifest(text: Buffer): Manifest {
  const parsed = v.safeParse(ManifestSchema, JSON.parse(String(text)));
  return parsed.success ? parsed.output : EMPTY;
}

/** What knows the list of a folder: it is compared every minute and read before each change, and may have thousands of entries. */
export interface ManifestReader {
  /** The list as it was written; that of an empty folder where there is none that can be read. One that has not changed is not parsed again. */
  read(folder: string): Promise<Manifest>;
  /** Notes what was written there as the list. */
  wrote(text: string, manifest: Manifest): void;
}

/** Makes what knows the list of a folder. */
export function createManifestReader(): ManifestReader {
  let last: { readonly hash: string; readonly manifest: Manifest } | undefined;
  return {
    async read(folder) {
      try {
        const text = await readFile(join(folder, MANIFEST));
        const own = sha256(text);
        if (last?.hash !== own) last = { hash: own, manifest: parseManifest(text) };
        return last.manifest;
      } catch {
        // Nothing there, or not written by an agent: whatever is listed is written.
        return EMPTY;
      }
    },
    wrote(text, manifest) {
      last = { hash: hash('sha256', text, 'base64url'), manifest };
    },
  };
}

/** Reads the list of a folder once. */
export const readManifest = (folder: string): Promise<Manifest> => createManifestReader().read(folder);

/** Certificates whose files are read before others get their turn. */
const TOGETHER = 64;

/** An entry in a list of a form: it names its own form where that is another one. */
function entryIn(form: string, { form: own, ...entry }: ManifestEntry, written: string): ManifestEntry {
  const formOfFiles = own ?? written;
  return formOfFiles === form ? entry : { ...entry, form: formOfFiles };
}

/** A list as one of another form: its certificates name the form that they have, and files of all together are to be made in the new one. */
export function inForm(form: string, manifest: Manifest): Manifest {
  if (manifest.form === form) return manifest;
  const certificates: Record<string, ManifestEntry> = {};
  for (const [id, entry] of entriesIn(manifest.certificates)) certificates[id] = entryIn(form, entry, manifest.form);
  return { ...manifest, form, shared: {}, certificates };
}

/** Ids of the certificates whose files have another form than their list. */
export function outdatedIn({ certificates }: Pick<Manifest, 'certificates'>): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const [id, { form }] of entriesIn(certificates)) if (form !== undefined) ids.add(id);
  return ids;
}

/** The list, in the form that is wanted now, without the certificates and shared files that somebody changed or removed since it was written. */
export async function intactPart(
  folder: string,
  listed: Manifest,
  { form, ...options }: LookOptions & { readonly form: string },
): Promise<Manifest> {
  const manifest = inForm(form, listed);
  const certificates: Record<string, ManifestEntry> = {};
  let looked = 0;
  for (const [id, entry] of entriesIn(manifest.certificates)) {
    // What is of another form keeps the access of that.
    const look = entry.form === undefined ? options : {};
    if (areIntact(folder, entry.files, look)) certificates[id] = entry;
    looked += 1;
    if (looked % TOGETHER === 0) await setImmediate();
  }
  const shared = areIntact(folder, manifest.shared, options) ? manifest.shared : {};
  return { ...manifest, shared, certificates };
}
