/** Brings AWS Certificate Manager up to date with a bus, once. */
import type { MaterialSource } from '@certbus/client/material';
import type { Problem } from '../summary.ts';
import { describeError } from '../summary.ts';
import { isChosen } from './selection.ts';
import type { AcmStore } from './store.ts';

/** What a run did. */
export interface AcmResult {
  /** Certificates of the bus that are chosen, in each region. */
  readonly chosen: number;
  readonly imported: number;
  readonly problems: readonly Problem[];
}

/** How a run behaves. */
export interface AcmRun {
  readonly source: Pick<MaterialSource, 'certificates' | 'material'>;
  readonly store: AcmStore;
  readonly wanted: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Imports what is chosen and is not in ACM as it is on the bus. What was removed from the bus stays in ACM: something may still use it. One
 * certificate that fails does not hold up another. Rejects with the signal's reason, and as the store does where it cannot be read.
 */
export async function runAcm({ source, store, wanted, signal }: AcmRun): Promise<AcmResult> {
  const known = await store.read(signal);
  const chosen = [...source.certificates()].filter((each) => isChosen(each, wanted));
  const problems: Problem[] = [];
  let imported = 0;
  for (const { certificateId, names } of chosen) {
    try {
      const material = await source.material(certificateId);
      if (!material)
        throw new Error('its key does not open with the identity of this function. Is that a recipient of the bus?');
      const before = known.get(certificateId);
      if (before?.leafHash === material.issued.leafHash) continue;
      await store.put({ certificateId, cert: material.cert, key: material.key }, before?.arn, signal);
      imported += 1;
    } catch (error) {
      signal.throwIfAborted();
      problems.push({ names, error: describeError(error) });
    }
  }
  return { chosen: chosen.length, imported, problems };
}
