/** When the service tells systemd that it is ready: balancers are started after that. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { bundledAgent } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { createSite, type Site } from '../agent.builders.ts';
import { writeConfiguration } from '../conformance/killed-agent.builders.ts';
import { settled } from '../targets/tls.builders.ts';

const { path: program, env: compiled } = await bundledAgent();

/** Runs the service with a program in the place of systemd's, which notes what it is told and which of some files are there by then. */
function startService(site: Site, files: readonly string[]) {
  const told = join(site.folder, 'told');
  const bin = join(site.folder, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh\necho "$@" $(ls ${files.join(' ')} 2> /dev/null) >> ${told}\n`;
  writeFileSync(join(bin, 'systemd-notify'), script, { mode: 0o700 });
  const PATH = `${bin}${delimiter}${process.env['PATH']}`;
  const env = { ...compiled, PATH, HOME: site.folder, NOTIFY_SOCKET: '/nowhere' };
  const agent = spawn(process.execPath, [program, 'run'], {
    cwd: site.folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void agent.kill('SIGKILL'));
  let said = '';
  agent.stdout.on('data', (chunk) => (said += chunk));
  return {
    pid: agent.pid,
    told: () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []),
    said: () => said,
    async stop() {
      agent.kill('SIGTERM');
      await once(agent, 'exit');
      return agent.exitCode;
    },
  };
}

/** A site whose replica is there and whose bus is away, with these targets. */
async function createOffline(targets: (site: Site) => readonly Record<string, unknown>[]) {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'first');
  writeConfiguration(site, [{ type: 'files', folder }]);
  await promisify(execFile)(process.execPath, [program, 'once'], {
    cwd: site.folder,
    env: { ...process.env, ...compiled },
  });
  rmSync(join(site.folder, 'bus.db'));
  writeConfiguration(site, targets(site));
  return site;
}

test('without its bus the service is ready once the files of its replica are written, and says when it stops', async () => {
  const site = await createOffline(({ folder }) => [
    { type: 'files', folder: join(folder, 'certs') },
    // One that is not running yet starts with the files.
    { type: 'haproxy', folder: join(folder, 'haproxy'), socket: join(folder, 'missing.sock') },
  ]);
  const files = [
    join(site.folder, 'certs', 'current', 'a.test', 'cert.pem'),
    join(site.folder, 'haproxy', 'a.test.pem'),
  ];
  const service = startService(site, files);
  const ready = `--pid=${service.pid} READY=1 ${files.join(' ')}`;
  await settled(() => expect(service.told()).toEqual([ready]));
  expect(await service.stop()).toBe(0);
  expect(service.told()).toEqual([ready, expect.stringContaining(`--pid=${service.pid} STOPPING=1`)]);
});

test('a balancer that hangs keeps the service from nothing: it is ready with the files of all targets', async () => {
  const socket = createServer((client) => void client.on('error', () => {}).resume());
  onTestFinished(() => void socket.close());
  const site = await createOffline(({ folder }) => [
    { type: 'haproxy', folder: join(folder, 'haproxy'), socket: join(folder, 'hangs.sock') },
    // This one never ends by itself.
    {
      ...{ type: 'files', name: 'stuck', folder: join(folder, 'stuck') },
      test: { command: ['/bin/sleep', '600'], timeoutMs: 600_000 },
    },
    { type: 'files', folder: join(folder, 'certs') },
  ]);
  socket.listen(join(site.folder, 'hangs.sock'));
  await once(socket, 'listening');
  const files = ['haproxy/a.test.pem', 'stuck/current/a.test/cert.pem', 'certs/current/a.test/cert.pem'].map((path) =>
    join(site.folder, path),
  );
  const service = startService(site, files);
  await settled(() => expect(service.told()).not.toEqual([]));
  const [ready = ''] = service.told();
  expect(ready.split(' ').slice(1).sort()).toEqual(['READY=1', ...files].sort());
  expect(service.said()).not.toMatch(/^stuck: /m);
  expect(await service.stop()).toBe(0);
});
