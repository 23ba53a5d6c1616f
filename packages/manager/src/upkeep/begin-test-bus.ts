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
  /** Text of the one recipient's identity. */
  readonly identity: string;
  /** Its trust, with the floor at its first commit. */
  readonly trust: Trust;
}

/** Draws keys and begins a bus with them, in a stream that has none: one manager, by default `alice`, and one recipient, `loadbalancers`. */
export async function beginTestBus(
  log: Log,
  stream: string,
  { manager: name = 'alice', now }: { readonly manager?: string; readonly now?: () => Date } = {},
): Promise<BegunBus> {
  const [rootKey, managerKey, identity] = [createRootKey(), await createManagerKey(), await createIdentity()];
  const root = parseRootKey(rootKey);
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const recipientOf = async (text: string) => (await parseIdentityFile(text)).recipient;
  const { floor } = await createBus(log, stream, {
    trust,
    root,
    managers: [
      { name, signingKey: parseManagerKey(managerKey).signer.publicKey, recipient: await recipientOf(managerKey) },
    ],
    recipients: [{ name: 'loadbalancers', recipient: await recipientOf(identity) }],
    ...(now ? { now } : {}),
  });
  return { rootKey, managerKey, identity, trust: { ...trust, floor } };
}
