/** Entry: a bus with keys of its own, for tests of what runs a manager. */
import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Trust,
} from '@certbus/events';
import type { Log } from '@certbus/store';
import { createBus } from './create-bus.ts';

/** What belongs to a bus that was begun. */
export interface BegunBus {
  /** Text of the root key. */
  readonly rootKey: string;
  /** Text of the one manager's key. */
  readonly managerKey: string;
  /** Text of the first recipient's identity. */
  readonly identity: string;
  /** Texts of the identities of all recipients. */
  readonly identities: readonly string[];
  /** Its trust, with the floor at its first commit. */
  readonly trust: Trust;
}

/** What a bus is begun with. */
export interface TestBusOptions {
  /** Name of the one manager. Default `alice`. */
  readonly manager?: string;
  /** Names of the recipients. Default `loadbalancers` alone. */
  readonly recipients?: readonly string[];
  readonly now?: () => Date;
}

/** Draws keys and begins a bus with them, in a stream that has none. */
export async function beginTestBus(
  log: Log,
  stream: string,
  { manager: name = 'alice', recipients = ['loadbalancers'], now }: TestBusOptions = {},
): Promise<BegunBus> {
  const [rootKey, managerKey] = [createRootKey(), await createManagerKey()];
  const identities = await Promise.all(recipients.map(() => createIdentity()));
  const root = parseRootKey(rootKey);
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const withRecipient = async (each: string, text = '') => ({
    name: each,
    recipient: (await parseIdentityFile(text)).recipient,
  });
  const { floor } = await createBus(log, stream, {
    trust,
    root,
    managers: [
      { ...(await withRecipient(name, managerKey)), signingKey: parseManagerKey(managerKey).signer.publicKey },
    ],
    recipients: await Promise.all(recipients.map((each, n) => withRecipient(each, identities[n]))),
    ...(now ? { now } : {}),
  });
  const [identity = ''] = identities;
  return { rootKey, managerKey, identity, identities, trust: { ...trust, floor } };
}
