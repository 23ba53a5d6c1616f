import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSite } from '../agent.builders.ts';
import { createTarget } from './create-target.ts';
import { createLateTarget } from './late-target.ts';
import { settled } from './tls.builders.ts';

test('a target that cannot be opened at the start is named, holds up no other, and is fed once it can be', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const passwordFile = join(site.folder, 'password');
  const agent = await site.start([
    { type: 'files', name: 'good', folder: join(site.folder, 'good') },
    { type: 'files', name: 'stranger', folder: join(site.folder, 'stranger'), owner: 'no-such-user' },
    { type: 'files', name: 'late', folder: join(site.folder, 'late'), layout: 'pkcs12', passwordFile },
  ]);
  await agent.started;
  const standing = () =>
    agent.health().targets.map(({ certificates, trouble }) => [certificates.inPlace, trouble?.code]);
  const refused = [0, 'CERTBUS_AGENT_CONFIG_INVALID'];
  expect(standing()).toEqual([[1, undefined], refused, refused]);
  writeFileSync(passwordFile, 'one\n', { mode: 0o600 });
  await settled(() => expect(standing()).toEqual([[1, undefined], refused, [1, undefined]]));
});

test('a target is opened once, however much is asked of it, and again where that failed', async () => {
  const site = await createSite();
  const configuration = { type: 'files', name: 'files', folder: join(site.folder, 'certs') } as const;
  let [tried, isAway] = [0, true];
  const target = createLateTarget(configuration, async (each) => {
    tried += 1;
    if (isAway) throw new Error('the directory is away');
    return createTarget(each);
  });
  const { signal } = new AbortController();
  await expect(target.problems(signal)).rejects.toThrow('the directory is away');
  isAway = false;
  expect(await Promise.all([target.problems(signal), target.problems(signal)])).toEqual([[], []]);
  expect(tried).toBe(2);
  await target.close();
});
