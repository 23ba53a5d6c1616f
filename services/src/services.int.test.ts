import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  requirePart,
  startBind,
  startChallTestSrv,
  startDynamoDbLocal,
  startKnot,
  startMoto,
  startPebble,
  startPowerDns,
  startStepCa,
} from './index.ts';

const pebble = requirePart('pebble');
const stepCa = requirePart('step-ca');
const dynamoDb = requirePart('dynamodb-local');
const moto = requirePart('moto');

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether it has ended, also where its parent has not asked for its status. */
function isEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

test.skipIf(pebble.skip)(pebble.title('Pebble and its DNS server start, answer and leave nothing behind'), async () => {
  const dns = await startChallTestSrv();
  const ca = await startPebble({ dnsServer: dns.dns });
  try {
    await dns.setAddresses('two.test', ['127.0.0.1', '127.0.0.2']);
    const resolver = new Resolver();
    resolver.setServers([dns.dns]);
    expect((await resolver.resolve4('two.test')).sort()).toEqual(['127.0.0.1', '127.0.0.2']);
    expect(await ca.issuedRoots()).toContain('BEGIN CERTIFICATE');
    expect(ca.orders()).toBe(0);
  } finally {
    await ca.stop();
    await dns.stop();
  }
  expect([ca.pid, dns.pid].filter(isRunning)).toEqual([]);
});

test.skipIf(stepCa.skip)(stepCa.title('step-ca starts, answers and leaves nothing behind'), async () => {
  const ca = await startStepCa();
  expect(ca.orders()).toBe(0);
  await ca.stop();
  expect(isRunning(ca.pid)).toBe(false);
});

test.skipIf(dynamoDb.skip)(dynamoDb.title('DynamoDB Local starts, answers and leaves nothing behind'), async () => {
  const local = await startDynamoDbLocal({ isBrief: true });
  expect((await fetch(local.endpoint)).status).toBe(400);
  // It takes any signature, and loads its database now.
  const scope = 'Credential=key/20300101/eu-central-1/dynamodb/aws4_request';
  const headers = {
    'x-amz-target': 'DynamoDB_20120810.ListTables',
    'content-type': 'application/x-amz-json-1.0',
    authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=any`,
  };
  expect((await fetch(local.endpoint, { method: 'POST', headers, body: '{}' })).status).toBe(200);
  const mapped = process.platform === 'linux' ? readFileSync(`/proc/${local.pid}/maps`, 'utf8') : '';
  // Nor does it keep what it writes of itself where all programs of Java do.
  expect(mapped).not.toContain('hsperfdata');
  const unpacked = [...new Set(mapped.match(/\/\S*-libsqlite4java\S*/g))];
  expect(unpacked.length > 0).toBe(process.platform === 'linux');
  await local.stop();
  expect(isRunning(local.pid)).toBe(false);
  expect(unpacked.filter((path) => existsSync(path))).toEqual([]);
});

const zones = [{ name: 'zone.test', delegations: ['child.zone.test'] }, { name: 'child.zone.test' }];

describe.each([
  { part: requirePart('bind'), start: startBind },
  { part: requirePart('knot'), start: startKnot },
])('$start.name', ({ part, start }) => {
  test.skipIf(part.skip)(part.title('starts a server that takes updates, and leaves nothing behind'), async () => {
    const server = await start({ zones });
    try {
      await server.update('zone.test', ['update add a.zone.test. 60 TXT "one"']);
      const resolver = new Resolver({ timeout: 20_000, tries: 3 });
      resolver.setServers([server.address]);
      expect(await resolver.resolveTxt('a.zone.test')).toEqual([['one']]);
      expect(await resolver.resolveNs('child.zone.test')).toEqual(['ns1.child.zone.test']);
    } finally {
      await server.stop();
    }
    expect(isRunning(server.pid)).toBe(false);
  });
});

const powerdns = requirePart('powerdns');

test.skipIf(powerdns.skip)(powerdns.title('PowerDNS starts, answers and leaves nothing behind'), async () => {
  const server = await startPowerDns({ zones });
  const resolver = new Resolver({ timeout: 20_000, tries: 3 });
  resolver.setServers([server.address]);
  expect(await resolver.resolveNs('child.zone.test')).toEqual(['ns1.child.zone.test']);
  expect((await fetch(`${server.url}/api/v1/servers/localhost`)).status).toBe(401);
  await server.stop();
  expect(isRunning(server.pid)).toBe(false);
});

test.skipIf(moto.skip)(moto.title('moto starts, answers and leaves nothing behind'), async () => {
  const server = await startMoto();
  expect((await fetch(`${server.endpoint}/moto-api/`)).status).toBe(200);
  await server.stop();
  expect(isRunning(server.pid)).toBe(false);
});

test.runIf(process.platform === 'linux')(
  'a program ends with the process that started it, also where that is killed',
  async () => {
    const script = `
    import { startService } from '${new URL('./process.ts', import.meta.url).href}';
    const { pid } = await startService('sleep', ['600'], { isReady: async () => true });
    console.log(pid);
    setInterval(() => {}, 1_000);`;
    const flags = ['--conditions=certbus:source', '--input-type=module', '--eval', script];
    const starter = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void starter.kill('SIGKILL'));
    const [line] = await once(starter.stdout, 'data');
    const pid = Number(line);
    expect(isRunning(pid)).toBe(true);
    starter.kill('SIGKILL');
    await expect.poll(() => isEnded(pid)).toBe(true);
  },
);
