/** The target HAProxy: files for its next start, and its runtime API for now. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AgentError } from '../../errors.ts';
import type { KeyEncoding } from '../../pairs/encodings.ts';
import type { Access } from '../files/access.ts';
import { type NextContents, openFolderInPlace } from '../files/certificate-folder.ts';
import { changeFiles, formOf } from '../files/change-files.ts';
import type { FileForm } from '../files/layouts.ts';
import { DEFAULT_NAME } from '../files/layouts.ts';
import type { Manifest, ManifestEntry } from '../files/manifest.ts';
import { folderProblems } from '../files/problems.ts';
import { remember, takeBack } from '../files/undo.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Held, Target } from '../target.ts';
import { type CertificateStore, createCertificateStore } from './certificate-store.ts';
import { openRuntimeApi } from './runtime-api.ts';

/** A HAProxy of this machine. */
export interface HaproxySettings {
  readonly name: string;
  /** Its admin socket, `stats socket PATH level admin`. */
  readonly socket: string;
  /** Where its certificates and the list `crt-list.txt` are written. */
  readonly folder: string;
  /** The same folder as HAProxy knows it, where that is another path. */
  readonly balancerFolder: string;
  readonly keyEncoding: KeyEncoding;
  readonly access: Access;
  /** `tune.bufsize`, bytes. */
  readonly bufferSize: number;
  /** Where it listens for TLS, `HOST:PORT`: what it shows there is compared. `undefined`: fingerprints in its memory are. */
  readonly address: string | undefined;
}

/** The list's file: what `crt-list` of a `bind` line names. */
const LIST = 'crt-list.txt';

/** A certificate file, as HAProxy is to hold it. */
interface Entry {
  readonly id: string;
  /** Where the file is here. */
  readonly file: string;
  /** The path that HAProxy knows it by. */
  readonly path: string;
  /** Whether the list offers it; that of the default certificate is in the `bind` line. */
  readonly isListed: boolean;
  readonly leafSha1: string;
}

/** Where HAProxy's memory differs from the files. */
interface Lag {
  readonly behind: readonly Entry[];
  /** Paths in the folder that no file has any more. */
  readonly left: readonly string[];
}

const fileOf = (name: string): string => `${name}.pem`;

const DEFAULT_FILE = fileOf(DEFAULT_NAME);

/** What HAProxy refused, by certificate. */
type Refused = Map<string, Error>;

/** Opens the target. */
export function createHaproxyTarget(settings: HaproxySettings): Target {
  const { name, socket, balancerFolder, keyEncoding, access, bufferSize, address } = settings;
  const form: FileForm = { layout: 'combined', keyEncoding };
  const folder = openFolderInPlace(settings.folder, { access, form: formOf({ ...form, access }) });
  const list = join(balancerFolder, LIST);
  let lag: Lag = { behind: [], left: [] };
  /** The last default certificate, while there is none: without the file that its `bind` line names, HAProxy does not start. */
  let lastDefault: string | undefined;

  const shared: NextContents['shared'] = ({ certificates }) => {
    const paths = Object.values(certificates).map((entry) => join(balancerFolder, fileOf(entry.name)));
    const files = [{ path: LIST, content: paths.map((path) => `${path}\n`).join(''), isSecret: false }];
    return lastDefault === undefined ? files : [...files, { path: DEFAULT_FILE, content: lastDefault, isSecret: true }];
  };
  const entriesOf = (id: string, { files, leafSha1, name: own }: ManifestEntry): Entry[] =>
    Object.keys(files).map((path) => ({
      id,
      file: join(settings.folder, path),
      path: join(balancerFolder, path),
      isListed: path === fileOf(own),
      leafSha1,
    }));
  const allEntries = ({ certificates }: Manifest): Entry[] =>
    Object.entries(certificates).flatMap(([id, entry]) => entriesOf(id, entry));

  async function withStore<T>(signal: AbortSignal, use: (store: CertificateStore) => Promise<T>): Promise<T> {
    const api = await openRuntimeApi(socket, signal);
    try {
      return await use(createCertificateStore(api, { list, bufferSize }));
    } finally {
      api.close();
    }
  }

  async function compare(store: CertificateStore, manifest: Manifest): Promise<Lag> {
    const [held, offered] = [await store.paths(), await store.offered()];
    const entries = allEntries(manifest);
    const behind: Entry[] = [];
    for (const entry of entries) {
      const { path, isListed, leafSha1 } = entry;
      const isThere = held.has(path) && (!isListed || offered.has(path));
      // A default certificate that no bind line names is not in use.
      if (!isListed && !held.has(path)) continue;
      if (!isThere || (await store.fingerprint(path)) !== leafSha1) behind.push(entry);
    }
    const wanted = new Set([...entries.map(({ path }) => path), join(balancerFolder, DEFAULT_FILE)]);
    const isLeft = (path: string) => dirname(path) === balancerFolder && path.endsWith(fileOf('')) && !wanted.has(path);
    return { behind, left: [...held].filter(isLeft) };
  }

  /** Gives HAProxy one certificate as its file has it, and compares what it holds then. */
  async function give(
    store: CertificateStore,
    { path, file, isListed, leafSha1 }: Entry,
    { held, offered }: { readonly held: ReadonlySet<string>; readonly offered: ReadonlySet<string> },
  ): Promise<void> {
    // A default certificate that no bind line names is not in use.
    if (!isListed && !held.has(path)) return;
    const pem = await readFile(file, 'utf8');
    if (held.has(path)) await store.replace(path, pem);
    else await store.add(path, pem);
    if (isListed && !offered.has(path)) await store.offer(path);
    if ((await store.fingerprint(path)) === leafSha1) return;
    const what = `HAProxy took ${path} and holds another certificate under that name.`;
    throw new AgentError('CERTBUS_AGENT_TARGET_REFUSED', what);
  }

  /** Gives HAProxy what changed and what was behind before; what it refuses holds up no other. */
  async function giveAll(store: CertificateStore, entries: readonly Entry[]): Promise<Refused> {
    const refused: Refused = new Map();
    await store.endForeignTransaction();
    const [held, offered] = [await store.paths(), await store.offered()];
    for (const entry of entries) {
      try {
        await give(store, entry, { held, offered });
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'CERTBUS_AGENT_TARGET_REFUSED') throw error;
        refused.set(entry.id, error);
      }
    }
    return refused;
  }

  /** Drops certificates. What a `bind` line names by itself stays, and is told once all others are gone. */
  async function dropAll(store: CertificateStore, paths: readonly string[]): Promise<void> {
    const held = await store.paths();
    let kept: AgentError | undefined;
    for (const path of paths) {
      if (!held.has(path)) continue;
      try {
        await store.remove(path);
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'CERTBUS_AGENT_TARGET_REFUSED') throw error;
        kept ??= error;
      }
    }
    if (kept) throw kept;
  }

  return {
    name,
    async held(signal): Promise<Held> {
      const manifest = await folder.read();
      const leafHashes = new Map(Object.entries(manifest.certificates).map(([id, { leafHash }]) => [id, leafHash]));
      try {
        lag = await withStore(signal, (store) => compare(store, manifest));
      } catch {
        signal.throwIfAborted();
        // A balancer that is not running starts with the files: they are written first.
        lag = { behind: allEntries(manifest), left: [] };
      }
      return {
        leafHashes,
        defaultId: manifest.defaultId,
        isInEffect: folder.isBegun() && lag.behind.length + lag.left.length === 0,
      };
    },
    async apply(change, signal): Promise<Applied> {
      const ids = change.put.map(({ certificateId }) => certificateId);
      const before = await remember(folder, [...ids, ...change.remove]);
      const removed = change.remove.flatMap((id) => before.get(id)?.files ?? []);
      const { defaultId } = await folder.known();
      const hasDefault = change.defaultId !== undefined;
      lastDefault = hasDefault
        ? undefined
        : await readFile(join(settings.folder, DEFAULT_FILE), 'utf8').catch(() => undefined);
      const unopened = await changeFiles(folder, change, { ...form, shared });
      const { certificates } = await folder.known();
      const changed = ids.flatMap((id) =>
        certificates[id] && !unopened.has(id) ? entriesOf(id, certificates[id]) : [],
      );
      const taken = new Set(changed.map(({ path }) => path));
      const entries = [...changed, ...lag.behind.filter(({ path, id }) => certificates[id] && !taken.has(path))];
      const dropped = removed.filter(({ path }) => path !== DEFAULT_FILE).map(({ path }) => join(balancerFolder, path));
      const gone = [...dropped, ...lag.left];
      const refused = await withStore(signal, async (store) => {
        const found = await giveAll(store, entries);
        // Of what was behind before, nothing older is known to go back to: its file stays.
        const own = [...found.keys()].filter((id) => ids.includes(id));
        if (own.length > 0) await takeBack(folder, own, { before, defaultId, shared });
        await dropAll(store, gone);
        return found;
      });
      lag = { behind: [], left: [] };
      return { refused: new Map([...unopened, ...refused]) };
    },
    async served(leaves, signal) {
      if (address !== undefined) return servedLeaves(address, leaves, signal);
      // Fingerprints were compared as each was given.
      const { certificates } = await folder.known();
      return new Map(
        leaves.flatMap(({ certificateId: id }) => (certificates[id] ? [[id, certificates[id].leafHash]] : [])),
      );
    },
    async problems(signal) {
      const unreachable = await withStore(signal, (store) => store.offered()).then(
        () => [],
        (error: Error) => [error.message],
      );
      return [...(await folderProblems(settings.folder, access)), ...unreachable];
    },
    async close() {},
  };
}
