/** What the machine with the root key has, which need not know the bus. */
import { parseRootKey, parseTrust, type Signer, type Trust } from '@certbus/events';
import { ManagerError, type RootReply } from '@certbus/manager';
import { openRootJournal } from '@certbus/runtime';
import { type Environment, ownStateDirectory, readKey, readKeyFile, readOwnFile } from '@certbus/runtime/local';

/** Keeps what was signed, so that no two changes are signed for one place. */
interface SignedBefore {
  /** Throws `CERTBUS_MANAGER_REQUEST_REFUSED` where another request was signed for this place or a later one, unless it is replaced. */
  check(reply: RootReply, options: { readonly replace: boolean }): void;
  keep(reply: RootReply): void;
}

/** The root key, the bus that it is for, and what it signed before. */
export interface RootMachine {
  readonly root: Signer;
  readonly trust: Trust;
  readonly journal: SignedBefore;
}

/** Where the parts are; those that are not named are taken from the local configuration. */
interface Places {
  readonly environment: () => Environment;
  readonly rootKeyFile: string | undefined;
  readonly trustFile: string | undefined;
  readonly signal: AbortSignal;
}

const firstOf = ({ rootEvents: [first] }: RootReply): number => first?.rootSequence ?? 0;

function createSignedBefore(stateDirectory: string, busId: string): SignedBefore {
  const journal = openRootJournal(stateDirectory, busId);
  return {
    check(reply, { replace }) {
      const { last } = journal;
      if (!last || firstOf(last) < firstOf(reply)) return;
      const isSame = JSON.stringify(last.rootEvents) === JSON.stringify(reply.rootEvents);
      if (isSame || (replace && firstOf(last) === firstOf(reply))) return;
      const what =
        firstOf(last) > firstOf(reply)
          ? `The request was made after change ${firstOf(reply) - 1} of the keys, and this root has signed change ${firstOf(last)}: it is an old one. Nothing was signed. Make it again.`
          : `This root has signed another request, ${last.request}, as change ${firstOf(last)} of the keys. Append that one, and make this one again. If it is not to be used, add --replace: anyone who has that file can append it all the same, in place of this one. Nothing was signed.`;
      const code =
        firstOf(last) > firstOf(reply) ? 'CERTBUS_MANAGER_REQUEST_OUTDATED' : 'CERTBUS_MANAGER_REQUEST_REFUSED';
      throw new ManagerError(code, what);
    },
    keep: (reply) => journal.keep(reply),
  };
}

/** Opens what the machine with the root key has. Rejects with a `RuntimeError`, and with an `EventsError` for what is not a key. */
export async function openRootMachine({ environment, rootKeyFile, trustFile, signal }: Places): Promise<RootMachine> {
  const keyText =
    rootKeyFile === undefined
      ? await readKey(environment(), 'rootKey', { signal })
      : readKeyFile(rootKeyFile, 'The root key');
  const trustText = trustFile === undefined ? environment().config.trust : readOwnFile(trustFile, 'The trust file');
  const trust = parseTrust(trustText);
  return { root: parseRootKey(keyText), trust, journal: createSignedBefore(ownStateDirectory(), trust.busId) };
}
