/** Decides what is recorded of a CA's window for renewal. */
import type { RenewalInfo } from '@certbus/acme';
import type { Decision } from '@certbus/store';
import type { ManagerState } from '../state/state.ts';

/** What a CA said of one leaf. */
export interface HeardRenewalInfo {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly info: Pick<RenewalInfo, 'start' | 'end' | 'explanationUrl'>;
  /** From 0 to 1, drawn at random: where in the window to renew. */
  readonly chance: number;
}

/**
 * The last part of a window stays free: for managers that wake every few minutes only, and for the order itself, which must be made
 * inside the window to be exempt from the CA's limits (3.2 hours wide at 160 hours of lifetime).
 */
const USED_PART = 0.95;

/**
 * Records a window that is new. One that is known keeps the instant that was chosen in it; what was said of a certificate that is
 * served no longer is let go.
 */
export function recordRenewalInfo(
  state: ManagerState,
  { certificateId, leafHash, info, chance }: HeardRenewalInfo,
): Decision<void> {
  const certificate = state.certificate(certificateId);
  const windowStart = info.start.toISOString();
  const windowEnd = info.end.toISOString();
  const known = certificate?.renewalInfo;
  const isKnown = known?.windowStart === windowStart && known.windowEnd === windowEnd;
  if (certificate?.current?.leafHash !== leafHash || isKnown) return { events: [], result: undefined };
  const width = info.end.getTime() - info.start.getTime();
  const renewAt = new Date(info.start.getTime() + width * USED_PART * chance).toISOString();
  const { explanationUrl } = info;
  const said = { certificateId, leafHash, windowStart, windowEnd, renewAt, explanationUrl };
  return { events: [{ type: 'RenewalInfoUpdated', ...said }], result: undefined };
}
