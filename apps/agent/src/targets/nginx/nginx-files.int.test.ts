import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart } from 'certbus-services';
import { isFull } from 'certbus-services/vitest';
import { describe, expect, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { testTarget } from '../../conformance/suite.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { MAP_FILE } from './map.ts';
import { createNginxWithFilesOf, type NginxVersion } from './nginx.builders.ts';

// Debian's, which is unpacked together with Lua, and at full counts the newer one of PyPI as well.
const versions: readonly NginxVersion[] = isFull ? ['1.22', '1.31'] : ['1.22'];
const parts = versions.map((version) => requirePart(version === '1.22' ? 'nginx-lua' : 'nginx'));
const part = parts.find(({ skip }) => skip) ?? requirePart('nginx-lua');

describe.skipIf(part.skip).each(versions)(part.title('the target nginx %s by files and reloads'), (version) => {
  const createNginxWithFiles = createNginxWithFilesOf(version);
  testTarget(createNginxWithFiles);

  test('a reload that goes on after its command has ended is waited for, before what is shown is compared', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginxWithFiles(site);
    const first = await site.start([target]);
    await first.started;
    await start();
    await first.stop();
    const agent = await site.start([{ ...target, address: `127.0.0.1:${port}` }]);
    await agent.started;
    const renewed = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    await settled(() => expect(agent.status().targets[0]?.certificates[renewed.certificateId]?.leafHash).toBeDefined());
    expect(agent.status().targets[0]?.error).toBeNull();
    expect(site.lines.join('\n')).not.toContain('shows');
  });

  test('names that a map has a meaning of its own for are names, and a dot at the end of one says nothing', async () => {
    const site = await createSite();
    const names = ['default', 'include', 'hostnames', 'a.test'];
    const serials: string[] = [];
    for (const name of names) serials.push((await site.bus.issue([name])).serialNumber);
    const { start, port, target } = await createNginxWithFiles(site);
    const agent = await site.start([target]);
    await agent.started;
    await start();
    for (const [n, name] of names.entries())
      for (const typed of [name, `${name}.`]) expect([typed, await shown(port, typed)]).toEqual([typed, serials[n]]);
    for (const unknown of ['b.test', '-', undefined]) expect(await shown(port, unknown)).toBeUndefined();
  });

  test('an nginx that took no reload goes on with the newest files of the names that it knows', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginxWithFiles(site);
    // As where the master refuses a configuration after the command that tells it to read it has ended.
    const agent = await site.start([{ ...target, after: { command: ['/bin/true'] } }]);
    await agent.started;
    await start();
    for (let change = 0; change < 3; change += 1) {
      const renewed = await site.bus.issue(['a.test']);
      const file = join(String(target['folder']), 'current', 'a.test.pem');
      await settled(() => expect(new X509Certificate(readFileSync(file)).serialNumber).toBe(renewed.serialNumber));
      if (change < 2) expect(await shown(port, 'a.test')).toBeDefined();
      else await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    }
  });

  test('what the user of the agent writes into the map is never a directive, wherever a brace is, and names nothing but files', async () => {
    const site = await createSite();
    const { file, start, port, target, log, isTaken } = await createNginxWithFiles(site);
    const folder = String(target['folder']);
    const map = join(folder, 'current', MAP_FILE);
    mkdirSync(join(folder, 'current'), { recursive: true });
    const canary = join(site.folder, 'canary');
    const directive = `error_log ${canary};`;
    const included = join(site.folder, 'included.conf');
    writeFileSync(included, `} ${directive} map $x $y {`);
    const smuggled = [
      directive,
      `} ${directive}`,
      `}\n${directive}\nmap $x $y {\n`,
      `"a.test" { ${directive} }`,
      `"a.test" "b";\n} server { ${directive} }`,
      `default "x"; ${directive}`,
      `include ${included};`,
      `"a.test" "b;\n} ${directive}";`,
    ];
    for (const text of smuggled) {
      writeFileSync(map, text);
      const taken = isTaken();
      expect({ text, taken, isObeyed: existsSync(canary) }).toEqual({ text, taken, isObeyed: false });
    }
    // The same is obeyed where it is not inside the block.
    const own = readFileSync(file, 'utf8');
    writeFileSync(file, own.replace('access_log off;', `access_log off; ${directive}`));
    writeFileSync(map, '');
    expect(isTaken()).toBe(true);
    expect(existsSync(canary)).toBe(true);
    writeFileSync(file, own);
    writeFileSync(map, `"a.test" "engine:${included}:key";\n"b.test" "data:x";\n`);
    await start();
    for (const name of ['a.test', 'b.test']) expect(await shown(port, name)).toBeUndefined();
    expect(log()).toContain(`"${folder}/engine:${included}:key"`);
    expect(log()).not.toContain('ENGINE_by_id');
  });

  test('takes back what the test of its configuration names, and goes on with the others', async () => {
    const site = await createSite();
    const bad = await site.bus.issue(['bad.test']);
    const { start, port, target } = await createNginxWithFiles(site);
    const folder = String(target['folder']);
    const agent = await site.start([target]);
    await agent.started;
    await start();
    await agent.stop();
    const before = readFileSync(join(folder, 'current', 'bad.test.pem'), 'utf8');
    writeFileSync(join(site.folder, 'refused'), `${folder}/current/bad.test.pem`);
    await site.bus.issue(['bad.test']);
    const good = await site.bus.issue(['good.test']);
    // What is refused is refused until it is mended: here as soon as it is out of the way.
    const second = await site.start([{ ...target, test: { command: [mendedOnce(site.folder)] } }]);
    await settled(async () => expect(await shown(port, 'good.test')).toBe(good.serialNumber));
    expect(readFileSync(join(folder, 'current', 'bad.test.pem'), 'utf8')).toBe(before);
    expect(await shown(port, 'bad.test')).toBe(bad.serialNumber);
    const problem = () => second.status().targets[0]?.certificates[bad.certificateId]?.problem?.code;
    await settled(() => expect(problem()).toBe('CERTBUS_AGENT_COMMAND_FAILED'));
    expect(site.lines.join('\n')).not.toContain('PRIVATE KEY');
  });
});

/** A test of the configuration that refuses the pair that is named while that is the newest one of its name. */
function mendedOnce(folder: string): string {
  const path = join(folder, 'test-once');
  const text = `#!/bin/sh
refused=$(cat ${folder}/refused)
[ -e ${folder}/seen ] || md5sum "$refused" > ${folder}/seen
if md5sum --status -c ${folder}/seen; then echo "cannot load $refused"; exit 1; fi
`;
  writeFileSync(path, text, { mode: 0o700 });
  return path;
}
