import { Resolver } from 'node:dns/promises';
import { expect, test } from 'vitest';
import { requirePart, startChallTestSrv, startDynamoDbLocal, startPebble } from './index.ts';

const pebble = requirePart('pebble');
const dynamoDb = requirePart('dynamodb-local');

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test.skipIf(pebble.skip)(
  pebble.title('Pebble and its DNS server start, answer and leave nothing behind'),
  async () => {
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
  },
  120_000,
);

test.skipIf(dynamoDb.skip)(
  dynamoDb.title('DynamoDB Local starts, answers and leaves nothing behind'),
  async () => {
    const local = await startDynamoDbLocal();
    expect((await fetch(local.endpoint)).status).toBe(400);
    await local.stop();
    expect(isRunning(local.pid)).toBe(false);
  },
  120_000,
);
