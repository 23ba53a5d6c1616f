/** Records on a bus that a manager is expelled. */
import type { Manager, Signer, Trust } from '@certbus/events';
import { BEGINNING, type Checkpoint, type RootBody, signRootEvent } from '@certbus/events/history';
import { type ArchivePlace, type Bus, type Log, openBus, VersionConflictError } from '@certbus/store';
import { changeKeys } from '../../decide/key-changes.ts';
import type { Suspect } from './suspect.ts';

/** A thief that writes all the time has to lose the race only once. */
const ATTEMPTS = 100;

/** What an expulsion is recorded with. */
export interface ExpulsionOptions {
  readonly trust: Trust;
  readonly root: Signer;
  /**
   * All managers from then on: needed where nobody else is left, since the key was lost, or another takes its place. Default those that
   * are left.
   */
  readonly managers?: readonly Manager[] | undefined;
  readonly archive?: ArchivePlace | undefined;
  readonly now?: () => Date;
  readonly signal?: AbortSignal | undefined;
}

async function readHead(bus: Bus, from: Checkpoint, signal: AbortSignal | undefined): Promise<Checkpoint> {
  for (let head = from; ; ) {
    const { checkpoint, commits, end, refused } = await bus.read(head, { consistent: true, signal });
    if (refused && commits.length === 0) throw refused;
    head = checkpoint;
    if (end && !refused) return head;
  }
}

/**
 * Records on a bus that a manager's key is not trusted from a position on, as one commit that the root signs; what is recorded already is
 * not recorded again. Resolves with the head of the bus, which includes it. Rejects with the `HistoryError` of a commit that is refused,
 * which "certbus bus repair" removes first, and with a `StoreError`.
 */
export async function recordExpulsion(
  log: Log,
  stream: string,
  {
    suspect,
    trust,
    root,
    managers,
    archive,
    now = () => new Date(),
    signal,
  }: ExpulsionOptions & { readonly suspect: Pick<Suspect, 'manager' | 'key' | 'since'> },
): Promise<Checkpoint> {
  const bus = openBus(log, stream, { trust, signer: root, archive });
  let head: Checkpoint = BEGINNING;
  for (let attempt = 1; ; attempt += 1) {
    head = await readHead(bus, head, signal);
    const bodies = changeKeys(head, { kind: 'expel-manager', suspect, managers });
    if (bodies.length === 0) return head;
    const sign = (body: RootBody, index: number) =>
      signRootEvent(root, trust.busId, head.rootSequence + 1 + index, body);
    try {
      const { checkpoint } = await bus.append(head, bodies.map(sign), { at: now(), signal });
      return checkpoint;
    } catch (error) {
      if (!(error instanceof VersionConflictError) || attempt >= ATTEMPTS) throw error;
    }
  }
}
