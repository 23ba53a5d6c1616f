/** Tests of what is remembered of a replica. */
import type { SpendingStretch } from '@certbus/replica';
import { expect, test } from 'vitest';
import { rememberReads } from './remembered-reads.ts';

const AT = Date.parse('2026-11-24T03:00:00Z');
const HOUR_MS = 3_600_000;
const stretch = (since: number, until: number): SpendingStretch => ({
  since: new Date(AT + since * HOUR_MS),
  until: new Date(AT + until * HOUR_MS),
});

/** Something was spent every hour. */
function countedReads() {
  const asked: string[] = [];
  const reads = rememberReads({
    certificate(certificateId) {
      asked.push(certificateId);
      return undefined;
    },
    spending(key, { since, until }) {
      asked.push(key);
      const hours = Array.from({ length: 48 }, (_, hour) => AT + (hour - 24) * HOUR_MS);
      const inside = hours.filter((at) => at >= since.getTime() && at <= until.getTime());
      return { position: 7, held: 1, spent: inside.map((at) => ({ at, count: 1 })) };
    },
  });
  return { asked, reads };
}

test('what was spent is read again only where a stretch goes beyond what was read', () => {
  const { asked, reads } = countedReads();
  const instants = (since: number, until: number) =>
    reads.spending('orders', stretch(since, until)).spent.map(({ at }) => (at - AT) / HOUR_MS);
  expect(instants(-2, 0)).toEqual([-2, -1, 0]);
  // As time goes on, within the hour that was read ahead.
  expect(instants(-1.5, 0.5)).toEqual([-1, 0]);
  expect(asked).toEqual(['orders']);
  expect(instants(0, 2)).toEqual([0, 1, 2]);
  expect(instants(-1, 2)).toEqual([-1, 0, 1, 2]);
  expect(asked).toEqual(['orders', 'orders', 'orders']);
  expect(reads.spending('orders', stretch(-1, 2))).toMatchObject({ position: 7, held: 1 });
});

test('no more than a few hundred certificates are remembered, unknown ones as well', () => {
  const { asked, reads } = countedReads();
  for (const certificateId of ['one', 'one', ...Array.from({ length: 256 }, (_, n) => `other ${n}`), 'one'])
    expect(reads.certificate(certificateId)).toBeUndefined();
  expect(asked.filter((certificateId) => certificateId === 'one')).toHaveLength(2);
});
