/** Reads what the root has decided on a bus: who manages it, who opens, and every event that says so. */
import type { Checkpoint, PlacedRootEvent } from '@certbus/events/history';
import type { Replica } from '@certbus/replica';
import type { Bus } from '@certbus/store';
import { openView, type PictureSource, type PictureWarnings } from '../../state/picture.ts';

/** What is in force at the head of a bus, and the root events that made it so. */
export interface RootState {
  readonly checkpoint: Checkpoint;
  readonly rootEvents: readonly PlacedRootEvent[];
}

/** Reads on from what a replica has, which may be some commits behind. Rejects with a `HistoryError` and with a `StoreError`. */
export async function readRootState(
  bus: Bus,
  replica: Pick<Replica, 'snapshot'>,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<RootState> {
  const known = replica.snapshot((reader) => ({ checkpoint: reader.checkpoint(), rootEvents: reader.rootEvents() }));
  const rootEvents = [...known.rootEvents];
  for (let { checkpoint } = known; ; ) {
    const page = await bus.read(checkpoint, { consistent: true, signal });
    if (page.refused && page.commits.length === 0) throw page.refused;
    for (const { position, events } of page.commits)
      for (const { root } of events) if (root) rootEvents.push({ position, root });
    ({ checkpoint } = page);
    if (page.end && !page.refused) return { checkpoint, rootEvents };
  }
}

/** The same for those who have no manager's key. Brings the replica up to date first, as `readPicture` does. */
export async function readRootStateOf(
  source: PictureSource & PictureWarnings,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<RootState> {
  const view = await openView(source);
  await view.written();
  return readRootState(source.bus, view.replica, options);
}
