/** The target of everything that reads certificates from files, and of the commands that tell it to. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '@certbus/events';
import { type CommandSettings, runCommand } from '../commands/run-command.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Held, Leaf, Target } from '../target.ts';
import type { Access } from './access.ts';
import { type NextContents, openFolderInPlace, openVersionedFolder } from './certificate-folder.ts';
import { changeFiles, formOf } from './change-files.ts';
import { writeDurably } from './durable.ts';
import type { FileForm } from './layouts.ts';
import { formatManifest, type Manifest } from './manifest.ts';
import { folderProblems } from './problems.ts';
import { remember, takeBack, type Undo } from './undo.ts';

/** A folder, how its files are named and replaced, and what is run then. */
export interface FilesSettings extends FileForm {
  readonly name: string;
  readonly folder: string;
  /** `swap`: `folder/current` leads to all files, which change in one step. `replace`: each file changes by itself, in `folder`. */
  readonly replaceBy: 'swap' | 'replace';
  readonly access: Access;
  /** Run after each change, before {@link FilesSettings.after}: where it fails, that is not run. It may name a file that it does not take. */
  readonly test: CommandSettings | undefined;
  /** Run after each change. */
  readonly after: CommandSettings | undefined;
  /** Files of all certificates together; default none. */
  readonly shared?: NextContents['shared'];
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

/** How long a program may go on showing what it had after the command that reloads it has ended, milliseconds. */
const RELOAD_MS = 20_000;
const LOOK_MS = 250;

/** What is shown; asked again for a while where a command reloads the program, since most such commands end before it has. */
async function servedOnceReloaded(
  address: string,
  leaves: readonly Leaf[],
  { isReloaded, signal }: { readonly isReloaded: boolean; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const deadline = performance.now() + (isReloaded ? RELOAD_MS : 0);
  for (;;) {
    const served = await servedLeaves(address, leaves, signal);
    const isShown = leaves.every(({ certificateId, leafHash }) => served.get(certificateId) === leafHash);
    if (isShown || performance.now() >= deadline) return served;
    await sleep(LOOK_MS, undefined, { signal });
  }
}

/** Opens the target. */
export function createFilesTarget(settings: FilesSettings): Target {
  const { name, layout, keyEncoding, password, access, test, after, address, replaceBy, shared = () => [] } = settings;
  const open = replaceBy === 'swap' ? openVersionedFolder : openFolderInPlace;
  const folder = open(settings.folder, { access, form: formOf(settings) });
  const mark = join(settings.folder, IN_EFFECT);

  async function isInEffect(): Promise<boolean> {
    if (!folder.isBegun()) return false;
    if (!after) return true;
    const hash = await readFile(mark, 'utf8').catch(() => '');
    return hash.trim() === hashOf(await folder.known());
  }

  /**
   * Runs the test, and takes back what it names or, where it names none of this change, all of it: a balancer must be able to start with
   * the files at any moment. Returns what was taken back, and why. Rejects where all of it was.
   */
  async function tryOut(
    ids: ReadonlySet<string>,
    undo: Undo,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Error>> {
    const refused = new Map<string, Error>();
    for (;;) {
      try {
        if (test) await runCommand(test, { env: environmentOf(name, folder.path), signal });
        return refused;
      } catch (error) {
        const { certificates } = await folder.known();
        const message = (error as Error).message;
        const isNamed = (id: string) =>
          Object.keys(certificates[id]?.files ?? {}).some((path) => message.includes(`/${path}`));
        const named = [...ids].filter((id) => !refused.has(id) && isNamed(id));
        await takeBack(folder, named.length > 0 ? named : ids, undo);
        if (named.length === 0) throw error;
        for (const id of named) refused.set(id, error as Error);
      }
    }
  }

  async function bringIntoEffect(signal: AbortSignal): Promise<void> {
    if (!after || (await isInEffect())) return;
    await runCommand(after, { env: environmentOf(name, folder.path), signal });
    await folder.use();
    await writeDurably(mark, `${hashOf(await folder.known())}\n`, { access, isSecret: false });
  }

  return {
    name,
    async held(): Promise<Held> {
      const { certificates, defaultId } = await folder.read();
      const leafHashes = new Map(Object.entries(certificates).map(([id, { leafHash }]) => [id, leafHash]));
      return { leafHashes, defaultId, isInEffect: await isInEffect() };
    },
    async apply(change, signal): Promise<Applied> {
      const ids = new Set([...change.put.map(({ certificateId }) => certificateId), ...change.remove]);
      const known = await folder.known();
      const { defaultId } = known;
      const before = test ? await remember(folder, ids) : new Map();
      const unopened = await changeFiles(folder, change, { layout, keyEncoding, password, shared });
      const isChanged = hashOf(known) !== hashOf(await folder.known());
      const isNew = isChanged || !(await isInEffect());
      const refused = isNew ? await tryOut(ids, { before, defaultId, shared }, signal) : [];
      await bringIntoEffect(signal);
      return { refused: new Map([...unopened, ...refused]) };
    },
    async served(pairs, signal) {
      if (address !== undefined) return servedOnceReloaded(address, pairs, { isReloaded: after !== undefined, signal });
      const { certificates } = await folder.known();
      return new Map(Object.entries(certificates).map(([id, { leafHash }]) => [id, leafHash]));
    },
    problems: () => folderProblems(settings.folder, access),
    async close() {},
  };
}
