/** Reads what the root has decided on a bus: who manages it, who opens, and every event that says so. */
import type { ManagedCertificate } from '@certbus/events';
import type { BusState } from '@certbus/events/history';
import type { Replica } from '@certbus/replica';
import { type Bus, catchUp } from '@certbus/store';
import { openView, type PictureSource, type PictureWarnings } from '../../state/picture.ts';
import type { RootState } from '../../state/root-history.ts';
import type { ManagerView } from '../../state/view.ts';

/** The same, and what else the bus says there or a few commits further on. */
export interface RootPicture extends RootState {
  readonly bus: BusState;
  /** All that are not removed, while what they are read from is open. */
  readonly certificates: () => Iterable<ManagedCertificate>;
  /** Removed ones of which a leaf that was not revoked ends after `at`, as long. */
  readonly retired: (at: Date) => Iterable<ManagedCertificate>;
}

/** What a view says besides what the root has decided. */
export const besides = ({ state }: Pick<ManagerView, 'state'>): Omit<RootPicture, keyof RootState> => ({
  bus: state.bus,
  certificates: () => state.all(),
  retired: (at) => state.retired(at),
});

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
): Promise<RootPicture> {
  const view = await openView({ ...source, signal: options.signal });
  await catchUp(source.bus, view, options.signal);
  await view.written();
  return { ...(await readRootState(source.bus, view.replica, options)), ...besides(view) };
}
