/** Shows what an export says to those who have no bus: on a machine without a network. */
import type { Trust } from '@certbus/events';
import { type Picture, readPicture } from '@certbus/manager/picture';
import { openReplica } from '@certbus/replica';
import { importBus, openBus } from '@certbus/store';
import { openExportFile } from '@certbus/store/export-file';
import { createMemoryLog } from '@certbus/store/memory';

const STREAM = 'export';

/**
 * Runs with what an export of a bus says, all of it verified. Rejects with `CERTBUS_STORE_EXPORT_REFUSED`, also for one that ends below the
 * floor of the trust, with `CERTBUS_STORE_EXPORT_UNREADABLE`, and with the error of `run`.
 */
export async function withExportedPicture<T>(
  { file: path, trust }: { readonly file: string; readonly trust: Trust },
  run: (picture: Picture) => Promise<T>,
  { signal }: { readonly signal: AbortSignal },
): Promise<T> {
  const file = await openExportFile(path);
  const log = createMemoryLog();
  try {
    await importBus(file, async () => log, { stream: STREAM, trust, signal });
    const replica = await openReplica({ path: ':memory:', busId: trust.busId });
    try {
      return await run(await readPicture({ bus: openBus(log, STREAM, { trust }), replica }, { signal }));
    } finally {
      await replica.close();
    }
  } finally {
    await log.close();
    await file.close();
  }
}
