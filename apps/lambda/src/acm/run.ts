/** Brings AWS Certificate Manager up to date with a bus, once. */
import type { MaterialSource } from '@certbus/client/material';
import { LambdaError } from '../errors.ts';
import type { Problem } from '../summary.ts';
import { describeError } from '../summary.ts';
import { isChosen, withoutMatch } from './selection.ts';
import type { AcmStore } from './store.ts';

/** What a run did. */
export interface AcmResult {
  /** Certificates of the bus that are chosen, in each region. */
  readonly chosen: number;
  readonly imported: number;
  readonly problems: readonly Problem[];
  /** What is in ACM more than once: each is kept up to date, and one of them is to be deleted. */
  readonly doubles: readonly Double[];
  /** What was chosen and fits no certificate of the bus. */
  readonly unmatched: readonly string[];
}

/** A managed certificate that was imported more than once, as where two runs began with it. */
export interface Double {
  readonly names: readonly string[];
  readonly arns: readonly string[];
}

/** How a run behaves. */
export interface AcmRun {
  readonly source: Pick<MaterialSource, 'certificates' | 'material'>;
  readonly store: AcmStore;
  readonly wanted: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Imports what is chosen and is not in ACM as it is on the bus, over each that was imported of it before. What was removed from the bus stays in ACM: something may still use it. One
 * certificate that fails does not hold up another. Rejects with the signal's reason, and as the store does where it cannot be read.
 */
export async function runAcm({ source, store, wanted, signal }: AcmRun): Promise<AcmResult> {
  const known = await store.read(signal);
  const certificates = [...source.certificates()];
  const chosen = certificates.filter((each) => isChosen(each, wanted));
  const problems: Problem[] = [];
  const doubles: Double[] = [];
  let imported = 0;
  for (const { certificateId, names } of chosen) {
    const before = known.get(certificateId) ?? [];
    if (before.length > 1) doubles.push({ names, arns: before.map(({ arn }) => arn) });
    try {
      const material = await source.material(certificateId);
      if (!material)
        throw new LambdaError(
          'CERTBUS_LAMBDA_KEY_NOT_OPENED',
          'its key does not open with the identity of this function. Is that a recipient of the bus?',
        );
      const { cert, key, issued } = material;
      const stale = before.filter(({ leafHash }) => leafHash !== issued.leafHash).map(({ arn }) => arn);
      const targets = before.length > 0 ? stale : [undefined];
      if (targets.length === 0) continue;
      const failures: unknown[] = [];
      for (const arn of targets)
        await store.put({ certificateId, cert, key }, arn, signal).catch((error: unknown) => failures.push(error));
      if (failures.length > 0) throw failures[0];
      imported += 1;
    } catch (error) {
      signal.throwIfAborted();
      problems.push({ names, error: describeError(error) });
    }
  }
  return { chosen: chosen.length, imported, problems, doubles, unmatched: withoutMatch(certificates, wanted) };
}
