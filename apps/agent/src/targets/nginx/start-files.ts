/** Files from which nginx with Lua fills its memory at its start, so that it starts with certificates while the agent is down. */
import type { Access } from '../files/access.ts';
import type { NextContents } from '../files/certificate-folder.ts';
import { changeFiles, formOf } from '../files/change-files.ts';
import type { FileForm } from '../files/layouts.ts';
import { openVersionedFolder } from '../files/versioned-folder.ts';
import type { Change } from '../target.ts';
import type { Kept } from './admin-api.ts';

/** The files of one nginx. */
export interface StartFiles {
  /** Whether they are what nginx holds. */
  areSame(kept: ReadonlyMap<string, Kept>): Promise<boolean>;
  /** Makes them what nginx holds. */
  follow(kept: ReadonlyMap<string, Kept>, change: Change): Promise<void>;
}

/** What `certbus.lua` reads: file, id, fingerprint and names of a certificate on each line. */
const LIST = 'certbus.list';
const FORM: FileForm = { layout: 'combined', keyEncoding: 'pkcs8' };
/** nginx's master reads them, as root. */
const ACCESS: Access = { uid: undefined, gid: undefined, secretMode: 0o600, publicMode: 0o644, folderMode: 0o700 };

/** Opens the files in a folder. */
export function openStartFiles(path: string): StartFiles {
  const folder = openVersionedFolder(path, {
    access: ACCESS,
    form: formOf({ ...FORM, access: ACCESS }),
    isJudged: false,
  });

  const listOf =
    (kept: ReadonlyMap<string, Kept>): NextContents['shared'] =>
    ({ certificates }) => {
      const lines = Object.entries(certificates).map(([id, { name, leafHash }]) =>
        [`${name}.pem`, id, leafHash, ...(kept.get(id)?.names ?? [])].join(' '),
      );
      return [{ path: LIST, content: lines.map((line) => `${line}\n`).join(''), isSecret: false }];
    };

  return {
    async areSame(kept) {
      const { certificates } = await folder.read();
      const isSame = [...kept].every(([id, { leafHash }]) => certificates[id]?.leafHash === leafHash);
      return isSame && Object.keys(certificates).length === kept.size && (await folder.hasShared(listOf(kept)));
    },
    async follow(kept, change) {
      const { certificates } = await folder.known();
      const isBehind = (id: string) => kept.has(id) && certificates[id]?.leafHash !== kept.get(id)?.leafHash;
      const put = [...change.wanted.values()].filter(({ certificateId }) => isBehind(certificateId));
      const remove = Object.keys(certificates).filter((id) => !kept.has(id));
      const next = { ...change, defaultId: undefined, put, remove };
      await changeFiles(folder, next, { ...FORM, shared: listOf(kept) });
    },
  };
}
