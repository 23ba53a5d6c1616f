/** The target HAProxy: files for its next start, and its runtime API for now. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { AgentError } from '../../errors.ts';
import type { KeyEncoding } from '../../pairs/encodings.ts';
import type { Access } from '../files/access.ts';
import type { NextContents } from '../files/certificate-folder.ts';
import { changeFiles, formOf } from '../files/change-files.ts';
import { openFolderInPlace } from '../files/folder-in-place.ts';
import type { FileForm } from '../files/layouts.ts';
import { DEFAULT_NAME } from '../files/layouts.ts';
import { entriesIn, type Manifest, outdatedIn } from '../files/manifest.ts';
import { folderProblems } from '../files/problems.ts';
import { changedIds, takeBack } from '../files/undo.ts';
import { leadersOf, namesByLeader, type Ranking } from '../ranking.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Held, Target } from '../target.ts';
import { together } from '../together.ts';
import { watchBalancer } from '../watch.ts';
import { type CertificateStore, createCertificateStore, type Offer } from './certificate-store.ts';
import { openRuntimeApi } from './runtime-api.ts';

/** A HAProxy of this machine. */
export interface HaproxySettings {
  readonly name: string;
  /** Its admin socket, `stats socket PATH level admin`. */
  readonly socket: string;
  /** Where its certificates and the list `crt-list.txt` are written. */
  readonly folder: string;
  /** A folder above it that others may write to; default none. */
  readonly sharedVolume?: string | undefined;
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
  /** Its file, below the folder. */
  readonly file: string;
  /** The path that HAProxy knows it by. */
  readonly path: string;
  /** The names that the list offers it for, none for all that it has; `undefined` where it does not: another one ranks before it, or it is the default one. */
  readonly names: readonly string[] | undefined;
  readonly leafSha1: string;
}

/** Where HAProxy's memory differs from the files. */
interface Lag {
  readonly behind: readonly Entry[];
  /** Paths in the folder that are not to be held any more. */
  readonly left: readonly string[];
  /** Whether lines of its list have other names than are wanted. */
  readonly hasOldLines: boolean;
}

const NO_LAG: Lag = { behind: [], left: [], hasOldLines: false };

const fileOf = (name: string): string => `${name}.pem`;

const DEFAULT_FILE = fileOf(DEFAULT_NAME);
/** Keeps the names of the first certificate of a list from coming before those of the others: it is for clients whose name nobody has. */
const NO_NAMES = '!*';

/** Certificates that HAProxy is asked about at one time; it reads the commands from one buffer of `tune.bufsize`. */
const TOGETHER = 32;

/** Certificates that HAProxy is given at one time: it has the text of the next while it is asked what it made of one. */
const GIVEN_TOGETHER = 2;

/** How long HAProxy has to answer before its files are written all the same, milliseconds: its next start must not wait for one that hangs. */
const FIRST_ANSWER_MS = 2_000;

/** How often the agent looks whether HAProxy is another process by now, whose memory may be that of older files. */
const LOOK_EVERY_MS = 1_000;

/** What HAProxy refused, by certificate. */
type Refused = Map<string, Error>;

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && [...a].sort().join(' ') === [...b].sort().join(' ');

const isOffered = ({ path, names }: Entry, offered: ReadonlyMap<string, readonly Offer[]>): boolean =>
  names === undefined || (offered.get(path) ?? []).some((offer) => isSameSet(offer.names, names));

const oldLinesOf = ({ path, names = [] }: Entry, offered: ReadonlyMap<string, readonly Offer[]>): readonly Offer[] =>
  (offered.get(path) ?? []).filter((offer) => !isSameSet(offer.names, names));

/** The names that the list offers each certificate for, by id; none for all that it has, `undefined` for one that no name leads to. */
function offersOf({ certificates }: Pick<Manifest, 'certificates'>, ranking: Ranking) {
  const all = Object.entries(certificates).map(([certificateId, { names }]) => ({ certificateId, names }));
  const leading = namesByLeader(leadersOf(all, ranking));
  return (id: string): readonly string[] | undefined => {
    const led = leading.get(id) ?? [];
    if (isSameSet(led, certificates[id]?.names ?? [])) return [];
    // No client sends an address as a server name (RFC 6066 section 3).
    const hosts = led.filter((name) => isIP(name) === 0);
    return hosts.length > 0 ? hosts : undefined;
  };
}

/** Opens the target. */
export function createHaproxyTarget(settings: HaproxySettings): Target {
  const { name, socket, balancerFolder, keyEncoding, access, bufferSize, address } = settings;
  const form: FileForm = { layout: 'combined', keyEncoding };
  const { sharedVolume } = settings;
  const folder = openFolderInPlace(settings.folder, {
    ...{ access, form: formOf({ ...form, access }), isJudged: true, sharedVolume },
  });
  const list = join(balancerFolder, LIST);
  const base = join(balancerFolder, '/');
  let lag = NO_LAG;
  /** The process whose memory was compared last. */
  let compared: string | undefined;
  /** The last default certificate, while there is none: without the file that its `bind` line names, HAProxy does not start. */
  let lastDefault: string | undefined;

  const sharedFor =
    (ranking: Ranking): NextContents['shared'] =>
    ({ certificates, defaultId }) => {
      const namesOf = offersOf({ certificates }, ranking);
      const hasDefault = defaultId !== undefined || lastDefault !== undefined;
      const first = hasDefault ? [[`${base}${DEFAULT_FILE}`, NO_NAMES]] : [];
      const offers = Object.entries(certificates).flatMap(([id, entry]) => {
        const names = namesOf(id);
        return names ? [[`${base}${fileOf(entry.name)}`, ...names]] : [];
      });
      const content = [...first, ...offers].map((words) => `${words.join(' ')}\n`).join('');
      const files = [{ path: LIST, content, isSecret: false }];
      return lastDefault === undefined
        ? files
        : [...files, { path: DEFAULT_FILE, content: lastDefault, isSecret: true }];
    };
  function entriesOf({ certificates }: Pick<Manifest, 'certificates'>, ranking: Ranking): Entry[] {
    const namesOf = offersOf({ certificates }, ranking);
    const entries: Entry[] = [];
    for (const [id, { files, leafSha1, name: own }] of entriesIn(certificates))
      for (const file of Object.keys(files)) {
        const names = file === fileOf(own) ? namesOf(id) : undefined;
        entries.push({ id, file, path: `${base}${file}`, names, leafSha1 });
      }
    return entries;
  }
  const isDefault = ({ path }: Entry) => path === `${base}${DEFAULT_FILE}`;
  /** Whether HAProxy needs it; one that no line names is not in use. */
  const isUsed = (entry: Entry) => entry.names !== undefined || isDefault(entry);

  async function withStore<T>(
    signal: AbortSignal,
    use: (store: CertificateStore) => Promise<T>,
    wait: Parameters<typeof openRuntimeApi>[2] = {},
  ): Promise<T> {
    const api = await openRuntimeApi(socket, signal, wait);
    try {
      return await use(createCertificateStore(api, { list, bufferSize }));
    } finally {
      api.close();
    }
  }

  async function compare(store: CertificateStore, entries: readonly Entry[]): Promise<Lag> {
    compared = await store.process();
    const [held, offered] = [await store.paths(), await store.offered()];
    const behind: Entry[] = [];
    let asked: Entry[] = [];
    const ask = async () => {
      const shown = await store.fingerprints(asked.map(({ path }) => path));
      behind.push(...asked.filter(({ leafSha1 }, n) => shown[n] !== leafSha1));
      asked = [];
    };
    for (const entry of entries) {
      // One that no line names is not in use.
      if (entry.names === undefined && !held.has(entry.path)) continue;
      if (held.has(entry.path) && isOffered(entry, offered)) asked.push(entry);
      else behind.push(entry);
      if (asked.length === TOGETHER) await ask();
    }
    await ask();
    const used = entries.filter(isUsed);
    const wanted = new Set([...used.map(({ path }) => path), `${base}${DEFAULT_FILE}`]);
    const isLeft = (path: string) => dirname(path) === dirname(list) && path.endsWith(fileOf('')) && !wanted.has(path);
    const hasOldLines = used.some((entry) => !isDefault(entry) && oldLinesOf(entry, offered).length > 0);
    return { behind: behind.filter(({ path }) => wanted.has(path)), left: [...held].filter(isLeft), hasOldLines };
  }

  /** Gives HAProxy one certificate as its file has it, and compares what it holds then. */
  async function give(
    store: CertificateStore,
    entry: Entry,
    { held, offered }: { readonly held: ReadonlySet<string>; readonly offered: ReadonlyMap<string, readonly Offer[]> },
  ): Promise<void> {
    const { path, file, names, leafSha1 } = entry;
    // One that no line names is not in use.
    if (names === undefined && !(held.has(path) && isDefault(entry))) return;
    // Read at once, as the folder is: most of the time of thousands of small files would go into waiting.
    const pem = readFileSync(join(settings.folder, file), 'latin1');
    const first = await (held.has(path) ? store.replace(path, pem) : store.add(path, pem));
    // In between somebody else's text may have come into this change (HAProxy 2.6), and is shown for these names now.
    const shown = first === leafSha1 ? first : await store.replace(path, pem);
    if (shown !== leafSha1) {
      const what = `HAProxy took ${path} and holds another certificate under that name.`;
      throw new AgentError('CERTBUS_AGENT_TARGET_REFUSED', what);
    }
    if (names && !isOffered(entry, offered)) await store.offer(path, names);
  }

  /** Gives HAProxy some certificates, and those that it does not offer as is wanted; what it refuses holds up no other. */
  async function giveAll(
    store: CertificateStore,
    entries: readonly Entry[],
    isGiven: (entry: Entry) => boolean,
  ): Promise<Refused> {
    const refused: Refused = new Map();
    await store.endForeignTransaction();
    const [held, offered] = [await store.paths(), await store.offered()];
    const toGive = entries.filter((entry) => isGiven(entry) || !isOffered(entry, offered));
    await together(toGive, GIVEN_TOGETHER, async (entry) => {
      try {
        await give(store, entry, { held, offered });
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'CERTBUS_AGENT_TARGET_REFUSED') throw error;
        refused.set(entry.id, error);
      }
    });
    // Only once all names are offered by those that rank first, so that none is without a certificate in between.
    if (refused.size > 0) return refused;
    for (const entry of entries) {
      if (entry.names === undefined) continue;
      for (const offer of oldLinesOf(entry, offered)) await store.withdraw(entry.path, offer);
    }
    return refused;
  }

  /** Makes the files of what HAProxy refused what they were, as far as this change wrote them. */
  async function takeBackOwn(refused: Refused, shared: NextContents['shared']): Promise<void> {
    const changed = await changedIds(folder);
    const own = [...refused.keys()].filter((id) => changed.has(id));
    if (own.length > 0) await takeBack(folder, own, shared);
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
    async held(expected, signal): Promise<Held> {
      const manifest = await folder.read();
      const leafHashes = new Map<string, string>();
      for (const [id, { leafHash }] of entriesIn(manifest.certificates)) leafHashes.set(id, leafHash);
      const entries = entriesOf(manifest, expected);
      try {
        lag = await withStore(signal, (store) => compare(store, entries), { firstAnswerMs: FIRST_ANSWER_MS });
      } catch {
        signal.throwIfAborted();
        // A balancer that is not running, or hangs, starts with the files: they are written first.
        lag = { ...NO_LAG, behind: entries };
      }
      const { behind, left, hasOldLines } = lag;
      const isWritten = folder.isBegun() && folder.hasOwnAccess() && (await folder.hasShared(sharedFor(expected)));
      const isTaken = behind.length + left.length === 0 && !hasOldLines && (await folder.isSettled());
      const { defaultId } = manifest;
      return { leafHashes, defaultId, outdated: outdatedIn(manifest), isInEffect: isWritten && isTaken };
    },
    async apply(change, signal): Promise<Applied> {
      const shared = sharedFor(change);
      const before = await folder.known();
      const defaultFile = join(settings.folder, DEFAULT_FILE);
      lastDefault =
        change.defaultId === undefined ? await readFile(defaultFile, 'utf8').catch(() => undefined) : undefined;
      const unopened = await changeFiles(folder, change, { ...form, shared });
      const manifest = await folder.known();
      const entries = entriesOf(manifest, change);
      const put = new Set(change.put.map(({ certificateId }) => certificateId));
      const behind = new Set(lag.behind.map(({ path }) => path));
      const hasMoved = before.defaultId !== manifest.defaultId;
      const isGiven = (entry: Entry) =>
        (put.has(entry.id) && !unopened.has(entry.id)) || behind.has(entry.path) || (hasMoved && isDefault(entry));
      const removed = change.remove.flatMap((id) => Object.keys(before.certificates[id]?.files ?? {}));
      const dropped = removed.filter((path) => path !== DEFAULT_FILE).map((path) => `${base}${path}`);
      const refused = await withStore(signal, async (store) => {
        const found = await giveAll(store, entries, isGiven);
        if (found.size > 0) await takeBackOwn(found, shared);
        const now = found.size > 0 ? entriesOf(await folder.known(), change) : entries;
        const unlisted = now.filter((entry) => !isUsed(entry)).map(({ path }) => path);
        // A path can have come to another certificate by now, and one that is left over can be what was just given.
        const staying = new Set((found.size > 0 ? now : now.filter(isUsed)).map(({ path }) => path));
        const gone = new Set([...dropped, ...lag.left, ...unlisted]);
        await dropAll(
          store,
          [...gone].filter((path) => !staying.has(path)),
        );
        return found;
      });
      await folder.settle();
      lag = NO_LAG;
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
      return [...(await folderProblems(settings.folder, settings)), ...unreachable];
    },
    watch: (watcher, signal) =>
      watchBalancer(
        {
          everyMs: LOOK_EVERY_MS,
          look: () => withStore(signal, (store) => store.process()),
          isLost: (found) => found !== compared,
        },
        watcher,
        signal,
      ),
    close: () => folder.close(),
  };
}
