/** The target of everything that reads certificates from files, and of the commands that tell it to. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import type { KeyEncoding } from '../../pairs/encodings.ts';
import { type CommandSettings, runCommand } from '../commands/run-command.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Held, Target } from '../target.ts';
import type { Access } from './access.ts';
import { openFolderInPlace, openVersionedFolder } from './certificate-folder.ts';
import { changeFiles, formOf } from './change-files.ts';
import { writeDurably } from './durable.ts';
import type { Layout } from './layouts.ts';
import { formatManifest, type Manifest } from './manifest.ts';
import { folderProblems } from './problems.ts';

/** A folder, how its files are named and replaced, and what is run then. */
export interface FilesSettings {
  readonly name: string;
  readonly folder: string;
  readonly layout: Layout;
  /** `swap`: `folder/current` leads to all files, which change in one step. `replace`: each file changes by itself, in `folder`. */
  readonly replaceBy: 'swap' | 'replace';
  readonly keyEncoding: KeyEncoding;
  readonly access: Access;
  /** Run after each change. */
  readonly after: CommandSettings | undefined;
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

/** Opens the target. */
export function createFilesTarget(settings: FilesSettings): Target {
  const { name, layout, keyEncoding, access, after, address, replaceBy } = settings;
  const open = replaceBy === 'swap' ? openVersionedFolder : openFolderInPlace;
  const folder = open(settings.folder, { access, form: formOf(settings) });
  const mark = join(settings.folder, IN_EFFECT);

  async function isInEffect(): Promise<boolean> {
    if (!after) return true;
    const hash = await readFile(mark, 'utf8').catch(() => '');
    return hash.trim() === hashOf(await folder.known());
  }

  async function bringIntoEffect(signal: AbortSignal): Promise<void> {
    if (!after || (await isInEffect())) return;
    await runCommand(after, { env: environmentOf(name, folder.path), signal });
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
      const refused = await changeFiles(folder, change, { layout, keyEncoding });
      await bringIntoEffect(signal);
      return { refused };
    },
    async served(pairs, signal) {
      if (address !== undefined) return servedLeaves(address, pairs, signal);
      const { certificates } = await folder.known();
      return new Map(Object.entries(certificates).map(([id, { leafHash }]) => [id, leafHash]));
    },
    problems: () => folderProblems(settings.folder, access),
    async close() {},
  };
}
