import type { AcmeServer, Fault, ResourceKind } from '@certbus/acme-server';
import { createCsr, startJumpClock } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { describe, expect, test } from 'vitest';
import { type Acme, type AcmeError, type Obtained, obtain } from '../index.ts';
import { idleSolver, startStrictCa } from './strict-ca.builders.ts';

const replayed = ({ requests }: AcmeServer) => requests.filter(({ nonceState }) => nonceState === 'replayed');

async function getCertificate(ca: Acme, names: readonly string[], deadlineMs = 60_000): Promise<Obtained> {
  const { csr } = await createCsr(names);
  const signal = AbortSignal.timeout(deadlineMs);
  const onOrder = async () => {};
  return obtain(ca, { names, csr, challenge: 'dns-01', solver: idleSolver, onOrder, signal, deadlineMs });
}

test('with half of all nonces refused, every order of hundreds succeeds', { tags: 'full' }, async () => {
  const count = sized({ small: 50, full: 500 });
  const { server, openRegistered } = await startStrictCa({ nonceRejectPercent: 50 });
  const ca = await openRegistered();
  const numbers = Array.from({ length: count }, (_, number) => number);
  let next = 0;
  async function work(): Promise<void> {
    for (let number = numbers[next]; number !== undefined; number = numbers[next]) {
      next += 1;
      await getCertificate(ca, [`n${number}.test`]);
    }
  }
  await Promise.all(Array.from({ length: 16 }, work));
  expect(server.certificates()).toHaveLength(count);
  expect(server.requests.filter(({ problem }) => problem === 'badNonce').length).toBeGreaterThan(count * 2);
  expect(replayed(server)).toEqual([]);
});

test('one order has a hundred names', async () => {
  const { server, openRegistered } = await startStrictCa();
  const names = Array.from({ length: 100 }, (_, index) => `host-${index}.test`);
  await getCertificate(await openRegistered(), names);
  expect(server.certificates().map((each) => each.names)).toEqual([names]);
});

const RESOURCES: readonly ResourceKind[] = [
  'directory',
  'newNonce',
  'newOrder',
  'order',
  'authorization',
  'challenge',
  'finalize',
  'certificate',
];

const FAULTS: readonly Fault[] = [
  { kind: 'drop', when: 'before' },
  { kind: 'drop', when: 'after' },
  { kind: 'stall', when: 'before' },
  { kind: 'stall', when: 'after' },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 500, when: 'after' },
  { kind: 'status', status: 503, retryAfter: 1 },
  { kind: 'status', status: 429 },
  { kind: 'status', status: 429, retryAfter: 1 },
  { kind: 'html' },
  { kind: 'html', status: 200, when: 'after' },
  { kind: 'truncate' },
  { kind: 'content-type', value: 'text/html' },
  { kind: 'bad-nonce' },
  { kind: 'duplicate-nonce' },
];

describe.each(FAULTS)('where the CA does %j', (fault) => {
  test('once to each kind of request, no nonce is sent twice, and the next attempt succeeds', async () => {
    const { server, open, openRegistered } = await startStrictCa({ finalizeDelayMs: 1 });
    const later = await openRegistered();
    const patience = fault.kind === 'stall' ? { requestTimeoutMs: 500 } : {};
    const ca = open({ ...patience, ...startJumpClock() });
    for (const resource of RESOURCES) {
      const { remove } = server.faults.inject(fault, { resource });
      await getCertificate(ca, [`${resource.toLowerCase()}.test`], 3_000).catch((error: AcmeError) => {
        expect(error).toMatchObject({ name: expect.stringMatching(/^(?:Acme|NotAcme|Timeout)/) });
      });
      remove();
    }
    await getCertificate(later, ['afterwards.test']);
    expect(replayed(server)).toEqual([]);
  });
});
