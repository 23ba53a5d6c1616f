import { writeFileSync } from 'node:fs';
import { requirePart } from 'certbus-services';
import { describe, expect, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { testTarget } from '../../conformance/suite.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { createNginx } from './nginx.builders.ts';
import { formatToken } from './token.ts';

const part = requirePart('nginx');

describe.skipIf(part.skip)(part.title('the target nginx with njs'), () => {
  testTarget(createNginx);

  test('is filled again as soon as its memory is empty', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    const first = await start();
    const agent = await site.start([target]);
    await agent.started;
    await first.stop();
    await start();
    await settled(async () => expect(await shown(port, 'a.test')).toBe(serialNumber));
  });

  test('a name of two certificates leads to the better one, and to the other when that is removed', async () => {
    const site = await createSite();
    const first = await site.bus.issue(['a.test', 'b.test'], { days: 30 });
    const second = await site.bus.issue(['a.test'], { days: 90 });
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    await start();
    const agent = await site.start([target]);
    await agent.started;
    expect(await shown(port, 'a.test')).toBe(second.serialNumber);
    await site.bus.remove(second.certificateId);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(first.serialNumber));
  });

  test('answers nobody without the token', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    await start();
    writeFileSync(String(target['tokenFile']), formatToken('another-token-that-is-wrong'), { mode: 0o600 });
    const agent = await site.start([target]);
    await agent.started;
    expect(agent.status().targets[0]?.error?.message).toContain('it does not know the token of this agent');
    expect(await shown(port, 'a.test')).toBeUndefined();
  });
});
