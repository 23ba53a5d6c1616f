import {
  BEGINNING,
  type Checkpoint,
  type Commit,
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type ReadEvent,
  type Signer,
  signRootEvent,
  type Trust,
  type WrittenEvent,
} from '@certbus/events';
import { type Bus, openBus } from './bus.ts';
import type { Log } from './log.ts';
import type { View } from './transact.ts';

export interface Keys {
  readonly trust: Trust;
  readonly root: Signer;
  readonly signer: Signer;
}

export const removed = (n: number | string): WrittenEvent => ({
  type: 'CertificateRemoved',
  certificateId: `certificate-${n}`,
});

/** Begins a bus on a log and opens it for its one manager. */
export async function beginBus(log: Log, stream = 'test'): Promise<{ bus: Bus; keys: Keys }> {
  const root = parseRootKey(createRootKey());
  const { signer } = parseManagerKey(await createManagerKey());
  const { recipient } = await parseIdentityFile(await createIdentity());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient }];
  await openBus(log, stream, { trust, signer: root }).append(
    BEGINNING,
    [
      { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
      signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
      signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
    ],
    { at: new Date() },
  );
  return { bus: openBus(log, stream, { trust, signer }), keys: { trust, root, signer } };
}

/** A view that knows nothing but which certificates were removed, in order. */
export function createView(): View<readonly string[]> & { readonly removals: string[] } {
  const removals: string[] = [];
  let checkpoint: Checkpoint = BEGINNING;
  const idsOf = (events: readonly ReadEvent[]) =>
    events.flatMap(({ event }) => (event?.type === 'CertificateRemoved' ? [event.certificateId] : []));
  return {
    removals,
    get checkpoint() {
      return checkpoint;
    },
    apply(commits: readonly Commit[], reached: Checkpoint) {
      for (const { events } of commits) removals.push(...idsOf(events));
      checkpoint = reached;
    },
    draft() {
      const state = [...removals];
      return { state, apply: (events) => void state.push(...idsOf(events)) };
    },
  };
}
