/** The target of everything that reads certificates from files, and of the commands that tell it to. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '@certbus/events';
import { type CommandSettings, runCommand } from '../commands/run-command.ts';
import type { Ranking } from '../ranking.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Held, Leaf, Reloads, Target } from '../target.ts';
import type { Access } from './access.ts';
import type { NextContents } from './certificate-folder.ts';
import { changeFiles, formOf } from './change-files.ts';
import { writeDurably } from './durable.ts';
import { openFolderInPlace } from './folder-in-place.ts';
import type { FileForm } from './layouts.ts';
import { formatManifest, type Manifest, outdatedIn } from './manifest.ts';
import { folderProblems } from './problems.ts';
import { changedIds, takeBack } from './undo.ts';
import { openVersionedFolder } from './versioned-folder.ts';

/** A folder, how its files are named and replaced, and what is run then. */
export interface FilesSettings extends FileForm {
  readonly name: string;
  readonly folder: string;
  /** A folder above it that others may write to; default none. */
  readonly sharedVolume?: string | undefined;
  /** `swap`: `folder/current` leads to all files, which change in one step. `replace`: each file changes by itself, in `folder`. */
  readonly replaceBy: 'swap' | 'replace';
  readonly access: Access;
  /** Run after each change, before {@link FilesSettings.after}: where it fails, that is not run. It may name a file that it does not take. */
  readonly test: CommandSettings | undefined;
  /** Run after each change. */
  readonly after: CommandSettings | undefined;
  /** Files of all certificates together, which name the folder of the others and depend on the ranking; default none. */
  readonly shared?: (ranking: Ranking) => NextContents['shared'];
  /** What this user lacks for the commands, as far as that is known beforehand: a sentence, for {@link Target.problems}. */
  readonly missingRights?: string | undefined;
  /** Where the balancer listens for TLS, `HOST:PORT`: what it shows is compared. `undefined`: the files are. */
  readonly address: string | undefined;
}

/** Which list was brought into effect last. */
const IN_EFFECT = '.certbus-agent-in-effect';

const hashOf = (manifest: Manifest): string => sha256(Buffer.from(formatManifest(manifest)));

/** What a command is told. A list of a million names fits in no environment, so it is told where the list is. */
const environmentOf = (target: string, path: string): Record<string, string> => ({
  CERTBUS_TARGET: target,
  CERTBUS_FOLDER: path,
  CERTBUS_LIST: join(path, '.certbus-agent.json'),
});

/**
 * How long a program may go on showing what it had, milliseconds: after the command that reloads it has ended, since most such commands end before it has;
 * without a command from the change on, since it looks at the files by itself.
 */
const RELOAD_MS = 20_000;
const LOOK_MS = 250;

/**
 * Asks what a program shows. What is neither shown nor hidden by another certificate that is there, which may rank first for the name, is asked for again for
 * a while; all of it at one time, and each leaf once: one that was waited for in vain is asked for once from then on, until it is put again.
 */
function createShownInTime(address: string) {
  const inVain = new Map<string, string>();
  return {
    /** Certificates that are put: they are waited for. */
    isPut(ids: Iterable<string>): void {
      for (const id of ids) inVain.delete(id);
    },
    async served(
      leaves: readonly Leaf[],
      { certificates, signal }: Pick<Manifest, 'certificates'> & { readonly signal: AbortSignal },
    ): Promise<ReadonlyMap<string, string>> {
      const deadline = performance.now() + RELOAD_MS;
      const there = new Set(Object.values(certificates).map(({ leafHash }) => leafHash));
      const served = new Map<string, string>();
      const isShown = ({ certificateId: id, leafHash }: Leaf) => {
        const shown = served.get(id) ?? '';
        return shown === leafHash || there.has(shown);
      };
      let left = leaves;
      while (left.length > 0) {
        for (const { certificateId } of left) served.delete(certificateId);
        for (const [id, leafHash] of await servedLeaves(address, left, signal)) served.set(id, leafHash);
        left = left.filter((leaf) => !isShown(leaf) && inVain.get(leaf.certificateId) !== leaf.leafHash);
        if (left.length === 0 || performance.now() >= deadline) break;
        await sleep(LOOK_MS, undefined, { signal });
      }
      for (const { certificateId, leafHash } of left) inVain.set(certificateId, leafHash);
      return served;
    },
  };
}

/** Opens the target. */
export function createFilesTarget(settings: FilesSettings): Target {
  const { name, layout, keyEncoding, password, access, test, after, address, replaceBy } = settings;
  const sharedFor = settings.shared ?? (() => () => []);
  const open = replaceBy === 'swap' ? openVersionedFolder : openFolderInPlace;
  const folder = open(settings.folder, {
    access,
    form: formOf(settings),
    isJudged: test !== undefined,
    isNamedInShared: settings.shared !== undefined,
    sharedVolume: settings.sharedVolume,
  });
  const mark = join(settings.folder, IN_EFFECT);
  const shown = address === undefined ? undefined : createShownInTime(address);
  let reloads: Reloads = { succeeded: 0, failed: 0 };

  async function isReloaded(): Promise<boolean> {
    if (!after) return true;
    const hash = await readFile(mark, 'utf8').catch(() => '');
    return hash.trim() === hashOf(await folder.known());
  }

  /**
   * Runs the test where what is there was not tested, also when that was left so by a kill. Takes back what it names or, where it names none of
   * what changed, all of that: a balancer must be able to start with the files at any moment. Returns what was taken back, and why. Rejects where
   * all of it was.
   */
  async function tryOut(shared: NextContents['shared'], signal: AbortSignal): Promise<ReadonlyMap<string, Error>> {
    const refused = new Map<string, Error>();
    while (test && !(await folder.isSettled())) {
      try {
        await runCommand(test, { env: environmentOf(name, folder.path), signal });
        await folder.settle();
      } catch (error) {
        // What the end of the agent interrupted was not refused.
        signal.throwIfAborted();
        const { certificates } = await folder.known();
        const { manifest } = await folder.settled();
        const changed = await changedIds(folder);
        const filesOf = (id: string) => Object.keys((certificates[id] ?? manifest.certificates[id])?.files ?? {});
        const { message } = error as Error;
        const named = [...changed].filter(
          (id) => !refused.has(id) && filesOf(id).some((path) => message.includes(`/${path}`)),
        );
        if (changed.size > 0) await takeBack(folder, named.length > 0 ? named : changed, shared);
        if (named.length === 0) throw error;
        for (const id of named) refused.set(id, error as Error);
      }
    }
    return refused;
  }

  async function bringIntoEffect(signal: AbortSignal): Promise<void> {
    if (!after || (await isReloaded())) return;
    try {
      await runCommand(after, { env: environmentOf(name, folder.path), signal });
      reloads = { ...reloads, succeeded: reloads.succeeded + 1 };
    } catch (error) {
      reloads = { ...reloads, failed: reloads.failed + 1 };
      throw error;
    }
    await writeDurably(mark, `${hashOf(await folder.known())}\n`, { access, isSecret: false });
  }

  return {
    name,
    async held(ranking): Promise<Held> {
      const manifest = await folder.read();
      const { certificates, defaultId } = manifest;
      const leafHashes = new Map(Object.entries(certificates).map(([id, { leafHash }]) => [id, leafHash]));
      const isWritten = folder.isBegun() && (await folder.hasShared(sharedFor(ranking)));
      const isInEffect = isWritten && folder.hasOwnAccess() && (await folder.isSettled()) && (await isReloaded());
      return { leafHashes, defaultId, outdated: outdatedIn(manifest), isInEffect };
    },
    async apply(change, signal): Promise<Applied> {
      const shared = sharedFor(change);
      shown?.isPut(change.put.map(({ certificateId }) => certificateId));
      const unopened = await changeFiles(folder, change, { layout, keyEncoding, password, shared });
      const refused = await tryOut(shared, signal);
      await bringIntoEffect(signal);
      return { refused: new Map([...unopened, ...refused]) };
    },
    async served(pairs, signal) {
      const { certificates } = await folder.known();
      if (shown) return shown.served(pairs, { certificates, signal });
      return new Map(Object.entries(certificates).map(([id, { leafHash }]) => [id, leafHash]));
    },
    ...(after ? { reloads: () => reloads } : {}),
    async problems(signal) {
      const found = [...(await folderProblems(settings.folder, settings)), settings.missingRights ?? []].flat();
      const env = environmentOf(name, folder.path);
      const failed = await (test &&
        runCommand(test, { env, signal }).then(
          () => undefined,
          (error: Error) => error.message,
        ));
      return failed === undefined ? found : [...found, failed];
    },
    close: () => folder.close(),
  };
}
