import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { createSite } from '../agent.builders.ts';
import { runOnce, writeConfiguration } from './killed-agent.builders.ts';

/** A pass over two certificates changes files in fewer steps. */
const MOST_STEPS = 200;

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
    writeConfiguration(site, [{ type: 'files', folder, layout: 'combined', replaceBy }]);
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
