import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { createSite, type Site } from '../agent.builders.ts';

const program = fileURLToPath(new URL('../../bin/dev.js', import.meta.url));
const killer = new URL('kill-at-step.builders.ts', import.meta.url).href;
/** A pass over two certificates changes files in fewer steps. */
const MOST_STEPS = 200;

/** Runs `certbus-agent once`, killed at a step; resolves with whether it was. */
const runOnce = (site: Site, step: number): Promise<{ isKilled: boolean; status: number | undefined }> =>
  new Promise((resolve) => {
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const env = { PATH, NODE_COMPILE_CACHE, HOME: site.folder, CERTBUS_KILL_AT_STEP: String(step) };
    const args = ['--conditions=certbus:source', '--import', killer, program, 'once'];
    execFile(process.execPath, args, { cwd: site.folder, env, timeout: 120_000 }, (error) =>
      resolve({ isKilled: error?.signal === 'SIGKILL', status: error ? Number(error.code) : 0 }),
    );
  });

/** Every pair that programs can see belongs together. */
function expectWholePairs(live: string): void {
  for (const name of existsSync(live) ? readdirSync(live) : []) {
    if (name.startsWith('.')) continue;
    const text = readFileSync(join(live, name), 'utf8');
    expect(new X509Certificate(text).checkPrivateKey(createPrivateKey(text)), name).toBe(true);
  }
}

test.each(['swap', 'replace'])(
  'killed at any step with %s, it leaves whole pairs, and the next pass is right',
  { tags: 'full' },
  async (replaceBy) => {
    const apart = sized({ small: 23, full: 3 });
    const site = await createSite();
    await site.bus.issue(['a.test']);
    await site.bus.issue(['b.test']);
    const folder = join(site.folder, 'certs');
    const content = {
      ...{
        bus: 'sqlite:bus.db#test',
        trust: 'bus.pub',
        identity: 'loadbalancer.key',
        stateDirectory: join(site.folder, 'state'),
      },
      targets: [{ type: 'files', folder, layout: 'combined', replaceBy }],
    };
    writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
    const live = replaceBy === 'swap' ? join(folder, 'current') : folder;
    let kills = 0;
    for (let step = 1; step < MOST_STEPS; step += apart) {
      const { serialNumber } = await site.bus.issue(['a.test']);
      const { isKilled, status } = await runOnce(site, step);
      expectWholePairs(live);
      if (!isKilled) {
        expect(status).toBe(0);
        break;
      }
      kills += 1;
      expect(await runOnce(site, 0)).toEqual({ isKilled: false, status: 0 });
      expect(new X509Certificate(readFileSync(join(live, 'a.test.pem'), 'utf8')).serialNumber).toBe(serialNumber);
      const left = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.new'));
      expect(left).toEqual([]);
    }
    expect(kills).toBeGreaterThan(0);
  },
);
