/** What the machine with the root key has, which need not know the bus. */
import { parseRootKey, parseTrust, type Signer, type Trust } from '@certbus/events';
import { ManagerError, type RootReply } from '@certbus/manager';
import { openRootJournal, type RootJournal, type SignedByRoot } from '@certbus/runtime';
import { type Environment, ownStateDirectory, readKey, readKeyFile, readOwnFile } from '@certbus/runtime/local';

/** How a request is signed. */
interface SignOptions {
  /** In the place of another request that was signed for the same place. */
  readonly replace: boolean;
}

/** Keeps what was signed, so that no two changes are signed for one place. */
interface SignedBefore {
  /** Throws `CERTBUS_MANAGER_REQUEST_REFUSED` where another request was signed for this place or a later one, unless it is replaced. */
  check(reply: RootReply, options: SignOptions): void;
  /**
   * Checks it once more, since the person can have agreed on another terminal meanwhile, and keeps it, both in one step. Throws as `check`, and the
   * same while another process keeps something.
   */
  keep(reply: RootReply, options: SignOptions): void;
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

/** Throws where another request was signed for the place of this one or a later one, unless it is replaced. */
function checkPlace(signed: SignedByRoot | undefined, reply: RootReply, { replace }: SignOptions): void {
  if (!signed || signed.upTo < firstOf(reply)) return;
  const { last, upTo } = signed;
  const isSame = JSON.stringify(last.rootEvents) === JSON.stringify(reply.rootEvents);
  const isOutdated = firstOf(last) > firstOf(reply);
  if (isSame || (replace && !isOutdated)) return;
  const what = isOutdated
    ? `The request was made after change ${firstOf(reply) - 1} of the keys, and this root has signed change ${firstOf(last)}: it is an old one. Nothing was signed. Make it again.`
    : `This root has signed the keys' changes up to ${upTo} already, with another request, ${last.request}, and this one begins with change ${firstOf(reply)}. Append that one, and make this one again. If it is not to be used, add --replace: anyone who has that file can append it all the same, in place of this one. Nothing was signed.`;
  throw new ManagerError(isOutdated ? 'CERTBUS_MANAGER_REQUEST_OUTDATED' : 'CERTBUS_MANAGER_REQUEST_REFUSED', what);
}

/** Keeps the record of what a root signs in a journal. */
export function createSignedBefore(journal: RootJournal): SignedBefore {
  return {
    check: (reply, options) => checkPlace(journal.read(), reply, options),
    keep: (reply, options) => journal.keep(reply, (signed) => checkPlace(signed, reply, options)),
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
  const journal = createSignedBefore(openRootJournal(ownStateDirectory(), trust.busId));
  return { root: parseRootKey(keyText), trust, journal };
}
