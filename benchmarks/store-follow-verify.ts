import type { Trust } from '@certbus/events';
import { BEGINNING, verifyCommits } from '@certbus/events/history';
import type { StoredCommit } from '@certbus/store';
import type { Benchmark } from './figure.ts';
import { createFleet, createFleetKeys } from './fleet.ts';
import { interleave, perSecond, ratioOf } from './slices.ts';

/** What a follower reads at once, and so what one signature is checked for. */
const PAGE = 150;

/** The history of renewals as one manager writes them: claim, order and certificate, a commit each. */
async function history(certificates: number) {
  const keys = await createFleetKeys();
  const fleet = await createFleet({ certificates, together: 1, keys });
  const stored = [...fleet.commits()];
  const pages = Array.from({ length: Math.ceil(stored.length / PAGE) }, (_, page) =>
    stored.slice(page * PAGE, (page + 1) * PAGE),
  );
  return { trust: keys.trust, pages, count: stored.length };
}

function verify(trust: Trust, pages: readonly (readonly StoredCommit[])[], everySignature: boolean): void {
  let checkpoint = BEGINNING;
  for (const page of pages) {
    const verified = verifyCommits(trust, checkpoint, page, { everySignature });
    if (verified.refused) throw verified.refused;
    ({ checkpoint } = verified);
  }
}

/** `store.follow.verify`: commits verified from memory, one signature a page, against a signature a commit. */
export const storeFollowVerify: Benchmark = async ({ quick }) => {
  const { trust, pages, count } = await history(quick ? 500 : 2_000);
  const rate = (everySignature: boolean) => () => perSecond(count, () => verify(trust, pages, everySignature));
  const contenders = { ours: rate(false), peer: rate(true), again: rate(true) };
  await interleave(2, contenders);
  const measures = await interleave(quick ? 5 : 41, contenders);
  return [ratioOf('store.follow.verify', { against: "checking every commit's own signature", ...measures })];
};
