import { once } from 'node:events';
import { createIdentity } from '@certbus/events';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { newBus, newClient } from '../client.builders.ts';
import type { Health } from '../health.ts';
import { openEndpoints } from './endpoints.ts';
import { collectMetrics } from './metrics.ts';

type Values = ReadonlyMap<string, number>;

/** Every series of a registry, by its name and labels. */
async function read(registry: Registry): Promise<Values> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const named = (values: Values, name: string) => [...values.keys()].filter((key) => key.startsWith(`certbus_${name}`));

test('every metric that is exported is moved by what it measures', async () => {
  const bus = await newBus();
  let nowMs = Date.now();
  const client = await newClient({ ...bus, identity: await createIdentity() }, { now: () => new Date(nowMs) });
  const registry = new Registry();
  let damageCount = 0;
  // A memory is not damaged.
  collectMetrics({ ...client, health: () => ({ ...client.health(), damageCount }) }, registry);
  const first = await read(registry);
  nowMs += 1_000;
  const { certificateId } = await bus.issue(['gone.test'], { days: 3 });
  await bus.issue(['a.test', 'b.test'], { days: 5 });
  await bus.issue(['c.test'], { days: 6 });
  await expect.poll(() => client.health().certificates.served).toBe(3);
  const issued = await read(registry);
  await bus.remove(certificateId);
  await expect.poll(() => client.health().certificates.served).toBe(2);
  client.sniCallback('missing.test', () => {});
  await client.secureContextFor('a.test');
  damageCount = 1;
  nowMs += 5.5 * 86_400_000;
  const later = await read(registry);
  await client.close();
  const closed = await read(registry);
  const stages = [first, issued, later, closed];
  const keys = new Set(stages.flatMap((values) => [...values.keys()]));
  const still = [...keys].filter((key) => new Set(stages.map((values) => String(values.get(key)))).size === 1);
  expect(still).toEqual([]);
  expect(named(issued, 'certificate_not_after')).toHaveLength(3);
  expect(Object.fromEntries(later)).toMatchObject({
    certbus_ready: 1,
    certbus_position: 6,
    certbus_certificates: 2,
    certbus_certificates_expired: 1,
    certbus_certificates_ending_within_7_days: 1,
    certbus_unopened_keys: 1,
    certbus_missing_names_total: 1,
    certbus_replica_damage_total: 1,
    'certbus_changes_total{kind="removed"}': 1,
    'certbus_alarms_total{code="CERTBUS_CLIENT_NO_KEY_OPENS"}': 1,
  });
  expect(Object.fromEntries(closed)).toMatchObject({ certbus_ready: 0, certbus_live: 0, certbus_trouble: 1 });
});

test('an alarm that is counted and that nobody listens to is a warning of the process all the same', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const client = await newClient({ ...bus, identity: await createIdentity() });
  const registry = new Registry();
  collectMetrics(client, registry);
  const warned = once(process, 'warning');
  expect(await client.secureContextFor('a.test')).toBeUndefined();
  expect(await warned).toMatchObject([{ name: 'CertBusAlarm', code: 'CERTBUS_CLIENT_NO_KEY_OPENS' }]);
  expect((await read(registry)).get('certbus_alarms_total{code="CERTBUS_CLIENT_NO_KEY_OPENS"}')).toBe(1);
});

/** What a client of many certificates would report. */
const healthOf = (served: number): Health => ({
  ready: true,
  position: 1,
  live: true,
  following: true,
  lastContactAt: undefined,
  lagMs: undefined,
  newestCommitAt: undefined,
  certificates: { served, expired: 0, endingWithin7Days: 0 },
  offlineBudgetMs: undefined,
  missingNameCount: 0,
  missingNames: ['typed.by.strangers.test'],
  unopenedKeyCount: 0,
  unopenedKeys: [],
  damageCount: 0,
  trouble: undefined,
});

test.each([
  [1_000, 1_000],
  [1_001, 0],
])('of %d certificates, %d have a series of their own', async (served, labelled) => {
  const registry = new Registry();
  const summaryOf = (_: unknown, n: number) => ({
    certificateId: `certificate${n}`,
    names: [`${n}.test`],
    serialNumber: '0A',
    leafHash: `leaf${n}`,
    notAfter: new Date(n),
  });
  const certificates = Array.from({ length: served }, summaryOf);
  collectMetrics({ health: () => healthOf(served), certificates: () => certificates, on: () => {} }, registry);
  const values = await read(registry);
  expect(named(values, 'certificate_not_after')).toHaveLength(labelled);
  expect(values.get('certbus_certificates')).toBe(served);
});

test('the pages are on 127.0.0.1 alone, unless another address is named', async () => {
  await using stack = new AsyncDisposableStack();
  const open = async (options: { readonly host?: string }) => {
    const endpoints = await openEndpoints({ health: () => healthOf(1) }, { port: 0, ...options });
    stack.defer(() => endpoints.close());
    return (host: string) =>
      fetch(`http://${host}:${endpoints.port}/healthz`).then(
        ({ status }) => status,
        () => 'refused',
      );
  };
  const [usual, named] = [await open({}), await open({ host: '127.0.0.2' })];
  expect([await usual('127.0.0.1'), await usual('127.0.0.2')]).toEqual([200, 'refused']);
  expect([await named('127.0.0.1'), await named('127.0.0.2')]).toEqual(['refused', 200]);
});

test('the pages show health by its readiness, without what strangers typed, and metrics where there are some', async () => {
  let health = healthOf(1);
  const metrics = { contentType: 'text/plain', metrics: async () => 'certbus_ready 1\n' };
  await using stack = new AsyncDisposableStack();
  const open = async (options: { readonly metrics?: typeof metrics }) => {
    const endpoints = await openEndpoints({ health: () => health }, { port: 0, ...options });
    stack.defer(() => endpoints.close());
    return (path: string, method = 'GET') => fetch(`http://127.0.0.1:${endpoints.port}${path}`, { method });
  };
  const [ask, askBare] = [await open({ metrics }), await open({})];
  const ready = await ask('/healthz?from=balancer');
  expect([ready.status, ready.headers.get('content-type')]).toEqual([200, 'application/json']);
  const shown = await ready.text();
  expect(JSON.parse(shown)).toMatchObject({ ready: true, certificates: { served: 1 } });
  expect(shown).not.toContain('strangers');
  health = { ...healthOf(1), ready: false };
  expect((await ask('/healthz')).status).toBe(503);
  expect(await (await ask('/metrics')).text()).toBe('certbus_ready 1\n');
  expect(await (await ask('/healthz', 'HEAD')).text()).toBe('');
  expect([(await askBare('/metrics')).status, (await ask('/')).status, (await ask('/healthz', 'POST')).status]).toEqual(
    [404, 404, 405],
  );
});
