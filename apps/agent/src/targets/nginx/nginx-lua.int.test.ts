import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart } from 'certbus-services';
import { describe, expect, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { testTarget } from '../../conformance/suite.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { createNginxWithLua } from './nginx.builders.ts';

const part = requirePart('nginx-lua');

describe.skipIf(part.skip)(part.title('the target nginx with Lua'), () => {
  testTarget(createNginxWithLua);

  test('starts with the names, the default and the removals of its files while the agent is down', async () => {
    const site = await createSite();
    const better = await site.bus.issue(['a.test'], { days: 90 });
    const other = await site.bus.issue(['b.test', 'a.test'], { days: 30 });
    const gone = await site.bus.issue(['gone.test']);
    const { start, port, target } = await createNginxWithLua(site, { defaultName: 'b.test' });
    const first = await start();
    const agent = await site.start([{ ...target, default: 'b.test' }]);
    await agent.started;
    await site.bus.remove(gone.certificateId);
    await settled(async () => expect(await shown(port, 'gone.test')).toBeUndefined());
    await settled(() => expect(readdirSync(join(String(target['folder']), 'current'))).not.toContain('gone.test.pem'));
    await agent.stop();
    await first.stop();
    await start();
    expect(await shown(port, 'a.test')).toBe(better.serialNumber);
    expect(await shown(port, 'B.test')).toBe(other.serialNumber);
    expect(await shown(port)).toBe(other.serialNumber);
    expect(await shown(port, 'gone.test')).toBeUndefined();
    expect(lstatSync(join(String(target['folder']), 'current', 'a.test.pem')).mode & 0o777).toBe(0o600);
  });
});
