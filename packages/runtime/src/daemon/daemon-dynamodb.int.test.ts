/** Tests of a daemon on a bus in DynamoDB that hangs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { requirePart, startFaultProxy } from 'certbus-services';
import { bundledProgram, drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type DaemonTask, STREAM, startDaemonSite } from './daemon.builders.ts';

const HOUR_MS = 3_600_000;
const part = requirePart('dynamodb-local');

/** A bus behind a proxy, in a table of its own. */
async function startSite() {
  const { accessKeyId, secretAccessKey } = drawCredentials();
  // Where the SDK looks for them, also in other processes.
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  const { endpoint } = await sharedDynamoDbLocal();
  const proxy = await startFaultProxy({ target: endpoint });
  const query = new URLSearchParams({ region: 'eu-central-1', endpoint: proxy.endpoint });
  const site = await startDaemonSite({ delayMs: 300, bus: `dynamodb://daemon/${STREAM}?${query}` });
  onTestFinished(async () => {
    await site[Symbol.asyncDispose]();
    await proxy.stop();
    vi.unstubAllEnvs();
  });
  return { site, proxy };
}

test.skipIf(part.skip)(
  part.title(
    'a daemon that is stopped while DynamoDB takes its appends and never answers ends all the same, and the next one goes on with its order',
  ),
  async () => {
    const program = await bundledProgram(new URL('./daemon-process.builders.ts', import.meta.url));
    const { site, proxy } = await startSite();
    await site.issue(['hangs.test']);
    site.advance(100 * HOUR_MS);
    const orders = site.ca.orderCount;
    const stalled = site.ca.faults.inject({ kind: 'stall', when: 'before' }, { resource: 'finalize', times: 1 });
    const { file, folder, aheadMs } = site;
    const task: DaemonTask = { file, state: join(folder, 'one'), aheadMs, claimMs: 20_000, graceMs: 2_000 };
    const daemon = spawn(process.execPath, [program.path, JSON.stringify(task)], {
      env: { ...process.env, ...program.env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    onTestFinished(() => void daemon.kill('SIGKILL'));
    await expect.poll(() => stalled.hits).toBe(1);
    let hung = 0;
    proxy.plan((operation) => {
      if (operation !== 'PutItem') return 'forward';
      hung += 1;
      return 'hang';
    });
    daemon.kill('SIGTERM');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
    expect(hung).toBeGreaterThan(0);
    proxy.plan(() => 'forward');
    site.ca.faults.clear();
    expect((await site.events()).some((event) => event.type === 'IssuanceReleased')).toBe(false);
    await site.run('two', {}, () => site.until('CertificateObtained', 2));
    expect(site.ca.orderCount - orders).toBe(1);
    expect(site.dns.get('_acme-challenge.hangs.test', 'TXT')).toEqual([]);
  },
);
