import { createManagerKey, createRootKey, parseManagerKey, parseRootKey, type Signer } from '../keys.ts';
import { createBusId, type Trust } from '../trust.ts';
import { encodeCommit, type WrittenEvent } from './codec.ts';
import { signRootEvent } from './root-event.ts';
import type { Checkpoint } from './verify.ts';

export interface Keys {
  readonly trust: Trust;
  readonly root: Signer;
  readonly signer: Signer;
}

export interface Stored {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export const RECIPIENT = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';

export async function createKeys(): Promise<Keys> {
  const root = parseRootKey(createRootKey());
  const { signer } = parseManagerKey(await createManagerKey());
  return { root, signer, trust: { busId: createBusId(), rootKey: root.publicKey } };
}

export function beginning({ trust, root, signer }: Keys): WrittenEvent[] {
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient: RECIPIENT }];
  return [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, trust.busId, 2, {
      type: 'RecipientsUpdated',
      recipients: [{ name: 'edge', recipient: RECIPIENT }],
    }),
  ];
}

export function commitBehind(
  from: Pick<Checkpoint, 'position' | 'hash'> & Partial<Pick<Checkpoint, 'format'>>,
  events: readonly WrittenEvent[],
  { bus, by, signer }: { readonly bus: string; readonly by: string; readonly signer: Signer },
): Stored {
  const position = from.position + 1;
  const content = {
    format: from.format ?? 1,
    bus,
    position,
    previous: from.hash,
    at: new Date('2026-11-24T03:00:00Z'),
    by,
    events,
  };
  return { position, bytes: encodeCommit(content, signer) };
}
