/** Files from which nginx with Lua fills its memory at its start, so that it starts with certificates while the agent is down. */
import { AgentError } from '../../errors.ts';
import type { Access } from '../files/access.ts';
import type { FolderOptions, NextContents } from '../files/certificate-folder.ts';
import { changeFiles, formOf } from '../files/change-files.ts';
import type { FileForm } from '../files/layouts.ts';
import { folderProblems } from '../files/problems.ts';
import { openVersionedFolder } from '../files/versioned-folder.ts';
import type { Change, Wanted } from '../target.ts';
import type { Kept } from './admin-api.ts';

/** The files of one nginx. */
export interface StartFiles {
  /** Whether they are what nginx holds. */
  areSame(kept: ReadonlyMap<string, Kept>): Promise<boolean>;
  /** Makes them what nginx holds. Resolves with the certificates for which that cannot be, and why; what was there of them stays. */
  follow(kept: ReadonlyMap<string, Kept>, change: Change): Promise<ReadonlyMap<string, Error>>;
  /** What keeps them from being written, as {@link folderProblems}. */
  problems(): Promise<readonly string[]>;
}

/** What `certbus.lua` reads: file, id, fingerprint and names of a certificate on each line. */
const LIST = 'certbus.list';
const FORM: FileForm = { layout: 'combined', keyEncoding: 'pkcs8' };
/** nginx's master reads them, as root. */
const ACCESS: Access = { uid: undefined, gid: undefined, secretMode: 0o600, publicMode: 0o644, folderMode: 0o700 };

const notWritten = ({ certificateId, names }: Wanted, why: string): AgentError =>
  new AgentError(
    'CERTBUS_AGENT_PAIR_REFUSED',
    `Certificate ${certificateId} (${names.join(', ')}) is in nginx's memory and not in the files for its next start: ${why}`,
  );

/** Why a certificate cannot be written as nginx holds it; `undefined` where it can. */
const problemOf = (wanted: Wanted, { leafHash }: Kept): Promise<AgentError | undefined> =>
  wanted.open().then(
    (pair) => (pair.leafHash === leafHash ? undefined : notWritten(wanted, 'it was renewed since.')),
    (error: Error) => notWritten(wanted, error.message),
  );

/** Opens the files in a folder. */
export function openStartFiles(path: string, { sharedVolume }: Pick<FolderOptions, 'sharedVolume'> = {}): StartFiles {
  const folder = openVersionedFolder(path, {
    access: ACCESS,
    form: formOf({ ...FORM, access: ACCESS }),
    isJudged: false,
    sharedVolume,
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
      return (
        isSame &&
        folder.hasOwnAccess() &&
        Object.keys(certificates).length === kept.size &&
        (await folder.hasShared(listOf(kept)))
      );
    },
    async follow(kept, change) {
      const { certificates } = await folder.known();
      const isJustPut = new Set(change.put.map(({ certificateId }) => certificateId));
      const refused = new Map<string, Error>();
      const put: Wanted[] = [];
      for (const [id, each] of kept) {
        const wanted = change.wanted.get(id);
        const { leafHash, form } = certificates[id] ?? {};
        const isThere = leafHash === each.leafHash;
        if (!wanted || (isThere && form === undefined)) continue;
        // What cannot be written must not be tried by a change of the folder, at each pass.
        const problem = isJustPut.has(id) ? undefined : await problemOf(wanted, each);
        if (!problem) put.push(wanted);
        else if (!isThere) refused.set(id, problem);
      }
      const remove = Object.keys(certificates).filter((id) => !kept.has(id));
      const next = { ...change, defaultId: undefined, put, remove };
      return new Map([...refused, ...(await changeFiles(folder, next, { ...FORM, shared: listOf(kept) }))]);
    },
    problems: () => folderProblems(path, { access: ACCESS, sharedVolume }),
  };
}
