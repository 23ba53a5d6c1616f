/** Tests of Ctrl-C in commands that make many certificates, and where names are proved by HTTP: what is reported, what is left, what goes on. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { freePort, requirePart, startS3Server, temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';
import { createRunner } from './in-process.builders.ts';

const folder = temporaryFolder();
const run = (...args: string[]) => certbus(folder.path, args);
/** Reads the bus without a process for each question. */
let read: (...words: string[]) => Promise<ReturnType<typeof JSON.parse>>;
let dns: DnsServer;
let ca: AcmeServer;
let live: AcmeServer;
let httpPort: number;

beforeAll(async () => {
  dns = await startDnsServer();
  httpPort = await freePort();
  const validation = { dnsServer: dns.address, httpPort };
  [ca, live] = await Promise.all([startAcmeServer({ validation }), startAcmeServer({ validation })]);
  writeFileSync(join(folder.path, 'roots.pem'), ca.roots);
  writeFileSync(join(folder.path, 'live.pem'), live.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
  const init = await run('init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', ...provider);
  expect(init).toMatchObject({ status: 0 });
  const at = (name: string) => join(folder.path, name);
  const inProcess = await createRunner({ CERTBUS_CONFIG: at('certbus.json'), CERTBUS_STATE_DIR: at('state') });
  read = async (...words) => (await inProcess(words)).result;
});
afterEach(() => {
  ca.faults.clear();
  live.faults.clear();
});
afterAll(async () => {
  await Promise.all([ca, live, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

/** Resolves once something is so. */
const once = (isSo: () => boolean): Promise<void> => expect.poll(isSo).toBe(true);

/** Has a CA say nothing to what answers its challenges, from the so-manieth on. Returns how many wait. */
function holdChallenges({ faults }: AcmeServer, { from = 1 }: { readonly from?: number } = {}): () => number {
  const condition = { resource: 'challenge', from, times: Number.POSITIVE_INFINITY } as const;
  const fault = faults.inject({ kind: 'stall', when: 'before' }, condition);
  return () => fault.hits;
}

const recordsOf = (names: readonly string[]): readonly string[] =>
  names.filter((name) => dns.get(`_acme-challenge.${name}`, 'TXT').length > 0);

/** Names that somebody is at work on, as the bus says. */
async function claimed(): Promise<readonly string[]> {
  const { certificates } = await read('cert', 'ls');
  const found: string[] = [];
  for (const { certificateId, names } of certificates)
    if ((await read('cert', 'status', certificateId)).claim !== undefined) found.push(names.join());
  return found;
}

test('a run from a file reports what was made and what is left, leaves nothing behind, and the same command goes on', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((label) => `${label}.many.test`);
  writeFileSync(join(folder.path, 'many.txt'), names.join('\n'));
  const mk = ['cert', 'mk', '--from', 'many.txt', '--parallel', '2', '--json'];
  const waiting = holdChallenges(ca, { from: 2 });
  let presented: readonly string[] = [];
  const arrived = once(() => waiting() >= 2).then(() => {
    presented = recordsOf(names);
  });
  const interrupted = await certbus(folder.path, mk, { interruptOn: arrived });
  expect(presented).toHaveLength(2);
  expect(interrupted.status).toBe(130);
  expect(JSON.parse(interrupted.stdout)).toMatchObject({
    result: { issued: 1, alreadyManaged: 0, failed: 0, certificates: [{ outcome: 'issued' }] },
    error: { code: 'CERTBUS_CLI_INTERRUPTED', message: expect.stringContaining('Run the same command again') },
  });
  expect(recordsOf(names)).toEqual([]);
  expect(await claimed()).toEqual([]);

  // In a pipe, those that are left are counted.
  const second = await certbus(folder.path, mk.slice(0, -1), { interruptOn: once(() => waiting() >= 4) });
  expect(second).toMatchObject({
    status: 130,
    stderr: expect.stringContaining('0 issued, 1 managed already, 0 failed, 4 left Error: Interrupted. Run the same'),
  });
  expect(recordsOf(names)).toEqual([]);

  ca.faults.clear();
  const again = resultOf(await run(...mk));
  expect(again).toMatchObject({ issued: 4, alreadyManaged: 1, failed: 0 });
  // Those that were interrupted have gone on with their orders.
  expect(ca.orderCount).toBe(names.length);
});

test('conf use that is interrupted names the command that moves the rest, and leaves nothing behind', async () => {
  const names = ['a', 'b', 'c'].map((label) => `${label}.move.test`);
  const made = await certbus(folder.path, ['cert', 'mk', '--from', '-'], { input: names.join('\n') });
  expect(made.status).toBe(0);
  const all: { names: string[] }[] = (await read('cert', 'ls')).certificates;
  const moving = all.length;

  const waiting = holdChallenges(live, { from: 2 });
  const at = ['--directory', live.directory, '--roots', 'live.pem', '--agree-tos', '--yes', '--parallel', '1'];
  const interrupted = await certbus(folder.path, ['conf', 'use', 'live', ...at, '--json'], {
    interruptOn: once(() => waiting() > 0),
  });
  expect(interrupted.status).toBe(130);
  const { result, error } = JSON.parse(interrupted.stdout);
  expect(result).toMatchObject({ authority: 'live', certificates: [{ names: [expect.any(String)] }] });
  expect(result.certificates[0]).not.toHaveProperty('error');
  expect(result.left).toHaveLength(moving - 1);
  expect(error.message).toContain('Run "certbus conf use live --from ca" to continue.');
  expect(recordsOf(all.flatMap((each) => each.names))).toEqual([]);
  expect(await claimed()).toEqual([]);

  // Another one that is left says the same.
  const left = await run('conf', 'use', 'live', '--from', 'ca', '--no-reissue');
  expect(left).toMatchObject({ status: 0, stderr: expect.stringContaining('"certbus conf use live --from ca" moves') });

  live.faults.clear();
  const again = resultOf(await run('conf', 'use', 'live', '--from', 'ca', '--yes', '--json'));
  expect(again.certificates).toHaveLength(moving - 1);
  expect(again.left).toEqual([]);
  expect(live.orderCount).toBe(moving);
  await run('conf', 'use', 'ca', '--no-reissue');
});

/** Has names proved by HTTP: where the manager answers, or what it puts its answers into. */
async function answerBy(answer: object): Promise<void> {
  const { position: _, ...stored } = await read('conf', 'display');
  const http01 = { answer, port: httpPort, resolver: [dns.address] };
  const input = JSON.stringify({ ...stored, defaultAuthority: 'ca', http01 });
  expect(await certbus(folder.path, ['conf', 'update'], { input })).toMatchObject({ status: 0 });
}

/** Interrupts an issuance that waits for the CA to look at its answer; the next run completes it. */
async function interruptHttp(name: string, whileWaiting: () => Promise<void>): Promise<void> {
  const mk = ['cert', 'mk', '--challenge', 'http-01', '--subdomain', name, '--json'];
  const orders = ca.orderCount;
  const waiting = holdChallenges(ca);
  const interrupted = await certbus(folder.path, mk, {
    interruptOn: once(() => waiting() > 0).then(whileWaiting),
  });
  expect(interrupted).toMatchObject({ status: 130, stdout: expect.stringContaining('CERTBUS_CLI_INTERRUPTED') });
  expect(await claimed()).toEqual([]);
  ca.faults.clear();
  expect(resultOf(await run(...mk))).toMatchObject({ outcome: 'issued', names: [name] });
  expect(ca.orderCount - orders).toBe(1);
}

test('http-01 from a port of the manager is interrupted without a claim, and goes on with its order', async () => {
  dns.set('alone.test', 'A', ['127.0.0.2']);
  await answerBy({ standalone: { address: '127.0.0.2' } });
  await interruptHttp('alone.test', async () => {
    const answered = await fetch(`http://127.0.0.2:${httpPort}/.well-known/acme-challenge/none`);
    expect(answered.status).toBe(404);
  });
});

const s3Part = requirePart('s3');
test.skipIf(s3Part.skip)(s3Part.title('http-01 from a bucket is interrupted without a claim and a token'), async () => {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const web = createServer(({ url = '' }, response) => {
    const file = join(s3.folder, url);
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  onTestFinished(() => void web.close().closeAllConnections());
  await new Promise<void>((resolve) => web.listen(httpPort, '127.0.0.3', resolve));
  dns.set('bucket.test', 'A', ['127.0.0.3']);
  const { bucket, region, endpoint, credentials } = s3;
  await answerBy({ s3: { bucket, region, endpoint, ...credentials } });
  const tokens = () =>
    readdirSync(s3.folder, { recursive: true }).filter((each) => /acme-challenge.\w/.test(`${each}`));
  await interruptHttp('bucket.test', async () => expect(tokens()).toHaveLength(1));
  expect(tokens()).toEqual([]);
});
