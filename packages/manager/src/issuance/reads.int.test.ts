/** Tests of how often an issuance reads the bus. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import type { Log } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from './manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;
let site: Site;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

/** Counts consistent reads until the first append. */
function counted(log: Log): Log & { readonly readsBeforeAppend: number } {
  const counter = { reads: 0, readsBeforeAppend: 0 };
  return {
    ...log,
    get readsBeforeAppend() {
      return counter.readsBeforeAppend;
    },
    read(stream, after, options) {
      if (options?.consistent) counter.reads += 1;
      return log.read(stream, after, options);
    },
    append(...call) {
      counter.readsBeforeAppend ||= counter.reads;
      return log.append(...call);
    },
  };
}

test('a certificate for new names is asked for after two reads of the bus', async () => {
  let log: ReturnType<typeof counted> | undefined;
  const throughLog = (opened: Log) => (log = counted(opened));
  await withManager(site, { holder: 'one', throughLog }, (manager) => manager.issue({ names: ['a.test'] }, { signal }));
  expect(log?.readsBeforeAppend).toBe(2);
});

test('a renewal on a bus on which nobody else writes is made after one read', async () => {
  const counter = { reads: 0 };
  const throughLog = (log: Log): Log => ({
    ...log,
    read(...call) {
      counter.reads += 1;
      return log.read(...call);
    },
  });
  await withManager(site, { holder: 'one', throughLog }, async (manager) => {
    const { certificateId } = await manager.issue({ names: ['renewed.test'] }, { signal });
    counter.reads = 0;
    expect(await manager.renew(certificateId, { signal })).toMatchObject({ outcome: 'issued' });
  });
  expect(counter.reads).toBe(1);
});

test('what another manager wrote after the last read is decided on', async () => {
  await withManager(site, { holder: 'one' }, async (one) => {
    await one.issue({ names: ['b.test'] }, { signal });
    let isFirst = true;
    // Between the last read of the one and its append, the other makes the certificate.
    const throughLog = (log: Log): Log => ({
      ...log,
      async append(...call) {
        if (isFirst) {
          isFirst = false;
          await one.issue({ names: ['c.test'] }, { signal });
        }
        return log.append(...call);
      },
    });
    const result = await withManager(site, { holder: 'other', throughLog }, (other) =>
      other.issue({ names: ['c.test'] }, { signal }),
    );
    expect(result.outcome).toBe('already-managed');
  });
});
