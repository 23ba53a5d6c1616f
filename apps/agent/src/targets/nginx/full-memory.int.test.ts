/** What visitors and operators see where nginx has no room for a certificate, and once it has. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCertificate } from '@certbus/client/testing';
import { requirePart } from 'certbus-services';
import { describe, expect, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import type { Agent } from '../../agent.ts';
import { settled, shown } from '../tls.builders.ts';
import { createNginxOf, createNginxWithLuaOf } from './nginx.builders.ts';

const SMALL = '32k';
const LARGE = '8m';
/** More than fit into the small one. */
const MANY = 20;

const kinds = [
  { kind: 'njs', part: requirePart('nginx'), create: createNginxOf, limit: 'client_max_body_size' },
  { kind: 'Lua', part: requirePart('nginx-lua'), create: createNginxWithLuaOf, limit: 'client_body_buffer_size' },
];

const replaceIn = (file: string, old: string, by: string) => {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(old);
  writeFileSync(file, text.replace(old, by));
};

const problemOf = (agent: Agent, { certificateId }: TestCertificate) =>
  agent.status().targets[0]?.certificates[certificateId]?.problem;

describe.each(kinds)('nginx with $kind', ({ part, create, limit }) => {
  const full =
    'with a full memory shows what fits and what it had, names the rest, and shows all as soon as its memory is larger';
  test.skipIf(part.skip)(part.title(full), async () => {
    const site = await createSite();
    const { start, file, port, prefix, target, log } = await create(SMALL)(site);
    await start();
    const agent = await site.start([target]);
    await agent.started;
    const taken: TestCertificate[] = [];
    let refused: TestCertificate | undefined;
    for (let n = 0; n < MANY && !refused; n += 1) {
      const certificate = await site.bus.issue([`${n}.test`]);
      await settled(() => expect(problemOf(agent, certificate)).toBeDefined());
      if (problemOf(agent, certificate)) refused = certificate;
      else taken.push(certificate);
    }
    const [first] = taken;
    if (!first || !refused) throw new Error('some of them fit, and not all');
    const subject = `nginx did not take certificate ${refused.certificateId} (${taken.length}.test) through ${target.socket}`;
    const message = `${subject}: the zone is full; make "js_shared_dict_zone", or with Lua "lua_shared_dict", larger.`;
    expect(problemOf(agent, refused)).toMatchObject({ code: 'CERTBUS_AGENT_TARGET_REFUSED', message });
    expect(site.lines.filter((line) => line.startsWith('alarm:'))).toEqual([`alarm: nginx: ${message}`]);
    expect(agent.status().targets[0]?.error).toBeNull();
    const showing = () => Promise.all([...taken, refused].map((_, n) => shown(port, `${n}.test`)));
    const serials = taken.map(({ serialNumber }) => serialNumber);
    expect(await showing()).toEqual([...serials, undefined]);
    // There is room for a renewal only where it takes the place of the one before it.
    const renewed = await site.bus.issue(['0.test']);
    await settled(async () => {
      const now = problemOf(agent, renewed) ? first : renewed;
      expect(agent.status().targets[0]?.position).toBe(agent.status().position);
      expect(await shown(port, '0.test')).toBe(now.serialNumber);
    });
    expect((await showing()).slice(1)).toEqual([...serials.slice(1), undefined]);
    replaceIn(file, SMALL, LARGE);
    // Memory of another size is another one, and empty.
    process.kill(Number(readFileSync(join(prefix, 'nginx.pid'), 'utf8')), 'SIGHUP');
    const newest = [renewed.serialNumber, ...serials.slice(1), refused.serialNumber];
    await settled(async () => expect(await showing()).toEqual(newest));
    await settled(() => expect(agent.health().targets[0]?.certificates).toMatchObject({ failing: 0 }));
    for (const text of [log(), site.lines.join('\n')]) expect(text).not.toContain('PRIVATE KEY');
  });

  const several = 'with a memory that is full takes of many at one time those that fit, and names the others';
  test.skipIf(part.skip)(part.title(several), async () => {
    const site = await createSite();
    const { start, port, target } = await create(SMALL)(site);
    await start();
    const all: TestCertificate[] = [];
    for (let n = 0; n < MANY; n += 1) all.push(await site.bus.issue([`${n}.test`]));
    const agent = await site.start([target]);
    await agent.started;
    const refused = all.filter((each) => problemOf(agent, each));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(MANY);
    for (const each of refused) expect(problemOf(agent, each)?.message).toContain('the zone is full');
    const serials = all.map((each) => (refused.includes(each) ? undefined : each.serialNumber));
    expect(await Promise.all(all.map((_, n) => shown(port, `${n}.test`)))).toEqual(serials);
  });

  const alone = 'with room for one request of one certificate, and not of many, takes them one after the other';
  test.skipIf(part.skip)(part.title(alone), async () => {
    const site = await createSite();
    const { start, file, port, target } = await create(LARGE)(site);
    replaceIn(file, `${limit} 256k`, `${limit} 8k`);
    await start();
    const all: TestCertificate[] = [];
    for (let n = 0; n < MANY; n += 1) all.push(await site.bus.issue([`${n}.test`]));
    const agent = await site.start([target]);
    await agent.started;
    expect(agent.health().targets[0]?.certificates).toMatchObject({ inPlace: MANY, failing: 0 });
    const serials = all.map(({ serialNumber }) => serialNumber);
    expect(await Promise.all(all.map((_, n) => shown(port, `${n}.test`)))).toEqual(serials);
  });

  const large = 'names the limit that a certificate is too large for, and shows it as soon as that is larger';
  test.skipIf(part.skip)(part.title(large), async () => {
    const site = await createSite();
    const { start, file, port, target } = await create(LARGE)(site);
    replaceIn(file, `${limit} 256k`, `${limit} 1k`);
    const running = await start();
    const agent = await site.start([target]);
    await agent.started;
    const names = Array.from({ length: 40 }, (_, n) => `label-${n}.a-longer-name-for-more-bytes.test`);
    const certificate = await site.bus.issue(['a.test', ...names]);
    await settled(() => expect(problemOf(agent, certificate)).toBeDefined());
    const message = problemOf(agent, certificate)?.message;
    expect(message).toContain(`nginx did not take certificate ${certificate.certificateId} (`);
    expect(message).toContain(`) through ${target.socket}: it is larger than "${limit}"; make that larger.`);
    expect(await shown(port, 'a.test')).toBeUndefined();
    await running.stop();
    replaceIn(file, `${limit} 1k`, `${limit} 256k`);
    await start();
    await settled(async () => expect(await shown(port, 'a.test')).toBe(certificate.serialNumber));
  });
});
