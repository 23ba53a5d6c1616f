/** Where a bus is, so that the thread that writes its replica can open it. */
import type { Trust } from '@certbus/events';
import { openBus, parseAddress } from '@certbus/store';
import { openArchivePlace, openLog } from '@certbus/store/open';
import { createOutgoing, type ProxySetting } from '@certbus/store/outgoing';
import type { OpenedBus } from './advance.ts';

/** Where a bus is: what can be handed to another thread. */
export interface BusPlace {
  readonly address: string;
  readonly trust: Trust;
  /** Address of the place of archives and snapshots. */
  readonly archive: string | undefined;
  /** The proxy to both; default what the environment says. */
  readonly proxy: ProxySetting | undefined;
}

/** Opens a bus and its archive. Rejects as `openLog` and `openArchivePlace` do. */
export async function openPlace({ address, trust, archive: archiveAddress, proxy }: BusPlace): Promise<OpenedBus> {
  const { stream } = parseAddress(address);
  const outgoing = createOutgoing({ proxy, environment: process.env });
  const archive = archiveAddress === undefined ? undefined : await openArchivePlace(archiveAddress, { outgoing });
  try {
    const log = await openLog(address, { outgoing });
    const close = async () => {
      await log.close();
      await archive?.close();
    };
    return { bus: openBus(log, stream, { trust, archive }), archive, close };
  } catch (error) {
    await archive?.close();
    throw error;
  }
}
