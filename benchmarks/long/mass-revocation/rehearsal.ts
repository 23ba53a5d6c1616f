/** What `certbus plan --revoke` says of a bus of a million certificates. */
import type { Plan } from '@certbus/manager';
import { openFleetManager, prepareFleet } from '../../prepared-fleet.ts';

/** A plan, and what it took. */
export interface Rehearsal {
  readonly certificates: number;
  readonly plan: Plan;
  readonly seconds: number;
}

/** Certificates of 45 days are renewed after 30. */
const DAYS = 45;

/** Rehearses the replacement of what a pattern fits, on a prepared replica of so many certificates of 45 days. */
export async function rehearse(certificates: number, pattern: string): Promise<Rehearsal> {
  const prepared = await prepareFleet(certificates);
  const { manager, close } = await openFleetManager(prepared);
  try {
    await manager.refresh();
    const began = performance.now();
    const plan = await manager.plan({ days: DAYS, revoke: { pattern } });
    return { certificates, plan, seconds: (performance.now() - began) / 1_000 };
  } finally {
    await close();
  }
}
