import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { freePort, type HaproxyVersion, requirePart } from 'certbus-services';
import { isFull, sized } from 'certbus-services/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { underLoad } from '../../conformance/load.builders.ts';
import { testTarget } from '../../conformance/suite.builders.ts';
import { chainPem, keyPem } from '../../pairs/encodings.ts';
import { preview } from '../../preview.ts';
import { createTarget } from '../create-target.ts';
import { bring, createWanted, watched } from '../target.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { createCertificateStore } from './certificate-store.ts';
import { ask, createHaproxyOf, socketBefore } from './haproxy.builders.ts';
import { openRuntimeApi } from './runtime-api.ts';

const part = requirePart('haproxy');

// Debian's, and at full counts the newer one of PyPI as well.
const versions: readonly HaproxyVersion[] = isFull ? ['2.6', '2.8'] : ['2.6'];

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe.skipIf(part.skip).each(versions)(part.title('the target HAProxy %s'), (version) => {
  const createHaproxy = createHaproxyOf(version);
  testTarget(createHaproxy);

  test('writes the files for the start of a HAProxy that does not run yet', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['one.test']);
    const balancer = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([balancer.target]);
    await agent.started;
    expect(agent.status().targets[0]?.error?.message).toContain('HAProxy is not running');
    await balancer.start();
    expect(await shown(balancer.port, 'one.test')).toBe(serialNumber);
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
  });

  test('that started with no certificate shows the first one', async () => {
    const site = await createSite();
    const { port, target, start, folder } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([target]);
    await agent.started;
    expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe('');
    const first = await start();
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    const { serialNumber, certificateId } = await site.bus.issue(['a.test']);
    await settled(() => expect(agent.health().targets[0]?.certificates.inPlace).toBe(1));
    expect(await shown(port, 'a.test')).toBe(serialNumber);
    // The same once the last one was removed.
    await site.bus.remove(certificateId);
    await settled(() => expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe(''));
    await first.stop();
    await start();
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    const again = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(again.serialNumber));
  });

  test('is fed by two targets at one time, each for a list of its own', async () => {
    const site = await createSite();
    const count = 12;
    const names = Array.from({ length: count }, (_, n) => ['a', 'b'].map((list) => `h${n}.${list}.test`)).flat();
    for (const name of names) await site.bus.issue([name]);
    const [otherPort, others] = [await freePort(), join(site.folder, 'others')];
    const bind = `bind 127.0.0.1:${otherPort} ssl crt-list ${others}/crt-list.txt strict-sni`;
    const { port, target, start } = await createHaproxy(site, { defaultName: undefined, bind });
    const agent = await site.start([
      { ...target, name: 'a', certificates: { names: ['*.a.test'] } },
      { ...target, name: 'b', certificates: { names: ['*.b.test'] }, folder: others },
    ]);
    await agent.started;
    await start();
    await settled(() => expect(agent.status().targets.map(({ error }) => error)).toEqual([null, null]));
    const renewed = new Map<string, string>();
    for (const name of names) renewed.set(name, (await site.bus.issue([name])).serialNumber);
    for (const [name, serial] of renewed)
      await settled(async () => expect(await shown(name.includes('.a.') ? port : otherPort, name)).toBe(serial));
    expect(site.lines.filter((line) => line.startsWith('alarm:'))).toEqual([]);
  });

  test('ends a transaction that somebody left open, and serves no name with another certificate', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const b = await site.bus.issue(['b.test']);
    const { port, socket, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([target]);
    await agent.started;
    await start();
    const pem = readFileSync(join(folder, 'b.test.pem'), 'utf8').trimEnd();
    expect(await ask(socket, `set ssl cert ${folder}/b.test.pem <<\n${pem}\n`)).toContain('Transaction created');
    const renewed = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    expect(await shown(port, 'b.test')).toBe(b.serialNumber);
    expect(await ask(socket, 'show ssl cert')).not.toContain('*');
  });

  test('lets somebody finish a change within seconds', async () => {
    const site = await createSite();
    const [a, b] = [await createWanted('a', ['a.test']), await createWanted('b', ['b.test'])];
    const { port, socket, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    let looks = Number.NEGATIVE_INFINITY;
    let committed: string | undefined;
    const own = await socketBefore(socket, async (sent) => {
      if (sent.trim() !== 'show ssl cert') return;
      looks += 1;
      if (looks === 3) committed = await ask(socket, `commit ssl cert ${folder}/b.test.pem`);
    });
    const made = await createTarget({ ...target, type: 'haproxy', name: 'haproxy', folder, socket: own });
    await bring(made, [a, b]).catch(() => {});
    await start();
    const pem = readFileSync(join(folder, 'b.test.pem'), 'utf8').trimEnd();
    await ask(socket, `set ssl cert ${folder}/b.test.pem <<\n${pem}\n`);
    looks = 0;
    const renewed = await createWanted('a', ['a.test']);
    await bring(made, [renewed, b]);
    expect(committed).toContain('Success!');
    expect(await shown(port, 'a.test')).toBe(renewed.serialNumber);
    expect(await shown(port, 'b.test')).toBe(b.serialNumber);
    await made.close();
  });

  test.each(['set', 'commit'])(
    'where somebody else begins a change just before "%s", no name is shown with another certificate',
    async (command) => {
      const site = await createSite();
      const [a, b] = [await createWanted('a', ['a.test']), await createWanted('b', ['b.test'])];
      const { port, socket, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
      let foreign: string | undefined;
      const own = await socketBefore(socket, async (sent) => {
        if (foreign === undefined || !sent.startsWith(`${command} ssl cert ${folder}/a.test.pem`)) return;
        const begun = `set ssl cert ${folder}/b.test.pem <<\n${foreign}\n`;
        foreign = undefined;
        await ask(socket, begun);
      });
      const made = await createTarget({ ...target, type: 'haproxy', name: 'haproxy', folder, socket: own });
      await bring(made, [a, b]).catch(() => {});
      await start();
      foreign = readFileSync(join(folder, 'b.test.pem'), 'utf8').trimEnd();
      const renewed = await createWanted('a', ['a.test']);
      expect((await bring(made, [renewed, b])).refused).toEqual(new Map());
      expect(foreign).toBeUndefined();
      // HAProxy 2.6 has put the text of one into the change of the other.
      await ask(socket, `commit ssl cert ${folder}/b.test.pem`);
      expect(await shown(port, 'a.test')).toBe(renewed.serialNumber);
      expect(await shown(port, 'b.test')).toBe(b.serialNumber);
      await made.close();
    },
  );

  test('of several that are given at one time, one that is refused changes none of the others', async () => {
    const site = await createSite();
    const ids = ['a', 'b', 'c', 'd'];
    const create = () => Promise.all(ids.map((id) => createWanted(id, [`${id}.test`])));
    const { port, socket, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const made = await createTarget({ ...target, type: 'haproxy', name: 'haproxy', folder, socket });
    const first = await create();
    await bring(made, first).catch(() => {});
    await start();
    const renewed = await create();
    // With the key of another one, which HAProxy notices at the commit.
    const { key } = (await first[0]?.open()) ?? {};
    const wrong = renewed.map((each) =>
      each.certificateId === 'b' && key ? { ...each, open: async () => ({ ...(await each.open()), key }) } : each,
    );
    const { refused } = await bring(made, wrong);
    expect([...(refused?.keys() ?? [])]).toEqual(['b']);
    const showing = await Promise.all(ids.map((id) => shown(port, `${id}.test`)));
    expect(showing).toEqual([renewed[0], first[1], renewed[2], renewed[3]].map((each) => each?.serialNumber));
    expect(await ask(socket, 'show ssl cert')).not.toContain('*');
    await made.close();
  });

  const powerCut = 'what a power cut emptied is written again, and HAProxy starts with it';
  test(powerCut, { tags: ['full'] }, async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['a.test']);
    const other = await site.bus.issue(['b.test']);
    const { port, folder, target, start } = await createHaproxy(site, { defaultName: 'b.test' });
    const own = { ...target, default: 'b.test' };
    const pass = async () => {
      const agent = await site.start([own]);
      await agent.started;
      await agent.stop();
    };
    await pass();
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    // HAProxy does not read by which agent the folder is fed.
    const read = files.filter(({ name }) => !/^\.certbus-agent-(?:lock|owner)/.test(name));
    const paths = read.map(({ name }) => join(folder, name));
    expect(paths.map((path) => basename(path)).sort()).toEqual([
      ...['.certbus-agent.json', 'a.test.pem', 'b.test.pem', 'crt-list.txt', 'default.pem'],
    ]);
    // In whatever order.
    const contents = () =>
      paths.map((path) => {
        const text = readFileSync(path, 'utf8');
        if (path.endsWith('.json')) return JSON.parse(text).certificates;
        return path.endsWith('.pem') ? text : text.split('\n').sort();
      });
    const before = contents();
    // All of them, then each by itself.
    const cuts = [paths, ...paths.map((path) => [path])].slice(0, sized({ small: 1, full: Number.POSITIVE_INFINITY }));
    for (const emptied of cuts) {
      for (const path of emptied) truncateSync(path);
      await pass();
      expect({ emptied, contents: contents() }).toEqual({ emptied, contents: before });
    }
    await start();
    expect(await shown(port, 'a.test')).toBe(serialNumber);
    expect(await shown(port)).toBe(other.serialNumber);
  });

  test('a HAProxy that started with older files, or with a list that somebody edited, is put right at once', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const b = await site.bus.issue(['b.test']);
    const { port, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([target]);
    await agent.started;
    let running = await start();
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    const [pem, list] = [join(folder, 'a.test.pem'), join(folder, 'crt-list.txt')];
    const old = readFileSync(pem);
    const renewed = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    const [newest, own] = [readFileSync(pem), readFileSync(list, 'utf8')];
    // As where a reload read the files before the agent wrote them, and the process before it was told.
    const edits = [
      () => writeFileSync(pem, old),
      () => writeFileSync(list, `${folder}/b.test.pem [alpn h2] A.TEST b.test\n${folder}/a.test.pem\n`),
    ];
    for (const edit of edits) {
      await running.stop();
      edit();
      running = await start();
      writeFileSync(pem, newest);
      await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
      await settled(() => expect(readFileSync(list, 'utf8')).toBe(own));
      expect(await shown(port, 'B.test')).toBe(b.serialNumber);
      expect(await shown(port)).toBeUndefined();
    }
  });

  test('is seen to be back once after it was away, and where another process took its place', async () => {
    const site = await createSite();
    const { port, folder, target, socket, start } = await createHaproxy(site, { defaultName: undefined });
    let looks = 0;
    const look = () => {
      looks += 1;
    };
    const own = await socketBefore(socket, async () => {}, look);
    const made = await createTarget({ ...target, type: 'haproxy', name: 'haproxy', folder, socket: own });
    const wanted = await createWanted('a', ['a.test']);
    await bring(made, [wanted]).catch(() => {});
    const { reports, end } = watched(made);
    /** One look is over once the next one has begun. */
    const looked = async () => {
      const before = looks;
      await settled(() => expect(looks).toBeGreaterThan(before + 1));
    };
    await looked();
    expect(reports).toEqual([]);
    const first = await start();
    await settled(() => expect(reports).toContain('back'));
    await bring(made, [wanted]);
    await first.stop();
    await looked();
    await start();
    const backs = () => reports.filter((report) => report === 'back');
    await settled(() => expect(backs()).toHaveLength(2));
    await bring(made, [wanted]);
    await looked();
    await end();
    expect(backs()).toHaveLength(2);
    expect(await shown(port, 'a.test')).toBe(wanted.serialNumber);
  });

  const reloaded =
    'reloaded in the middle of renewals, it fails no handshake, and its new process has what was renewed meanwhile';
  test(reloaded, { tags: ['full'] }, async () => {
    const reloads = sized({ small: 1, full: 10 });
    const site = await createSite();
    const names = ['a.load.test', 'b.load.test'];
    for (const name of names) await site.bus.issue([name]);
    const { port, folder, target, start, reload } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([target]);
    await agent.started;
    await start();
    const pids: number[] = [];
    const newest = new Map<string, string>();
    const isNewestShown = () =>
      settled(async () => {
        for (const [name, serial] of newest) expect(await shown(port, name)).toBe(serial);
      });
    const report = await underLoad(port, names, async () => {
      for (let n = 0; n < reloads; n += 1) {
        const renewals = (async () => {
          for (const name of [...names, ...names]) newest.set(name, (await site.bus.issue([name])).serialNumber);
        })();
        pids.push((await reload()).pid);
        await renewals;
        await isNewestShown();
      }
      // As where the new process reads a file just before the agent writes it, and the old one is told.
      const pem = join(folder, 'a.load.test.pem');
      const old = readFileSync(pem);
      newest.set('a.load.test', (await site.bus.issue(['a.load.test'])).serialNumber);
      await isNewestShown();
      const own = readFileSync(pem);
      expect(own).not.toEqual(old);
      writeFileSync(pem, old);
      const before = await reload();
      writeFileSync(pem, own);
      await isNewestShown();
      pids.push(before.pid);
    });
    expect(report).toMatchObject({ failed: [], wrong: [] });
    expect(report.handshakes).toBeGreaterThan(0);
    expect(new Set(pids).size).toBe(reloads + 1);
    // Each process but the last one has ended by itself.
    for (const pid of pids) await settled(() => expect(isRunning(pid)).toBe(false));
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
  });

  test('what somebody changed in its files while it runs, and another form of them, takes no name from it', async () => {
    const site = await createSite();
    const { port, folder, target, socket, start } = await createHaproxy(site, { defaultName: undefined });
    const settings = { ...target, type: 'haproxy', name: 'haproxy', folder, socket } as const;
    const [a, b, c] = [
      await createWanted('a', ['a.test']),
      await createWanted('b', ['b.test']),
      await createWanted('c', ['*.c.test']),
    ];
    let made = await createTarget(settings);
    let wanted = [a, b, c];
    await bring(made, wanted).catch(() => {});
    await start();
    const renewed = await createWanted('a', ['a.test']);
    const again = await createWanted('new', ['a.test']);
    const [pem, list] = [join(folder, 'a.test.pem'), join(folder, 'crt-list.txt')];
    const changes: Readonly<Record<string, () => void | Promise<void>>> = {
      nothing: () => {},
      'a file is written over': () => writeFileSync(pem, 'meddled with'),
      'a file is removed': () => rmSync(pem),
      'the list of HAProxy is emptied': () => truncateSync(list),
      'the list of the agent is emptied': () => truncateSync(join(folder, '.certbus-agent.json')),
      'the agent was killed before it wrote the list': async () => {
        wanted = [renewed, b, c];
        writeFileSync(pem, chainPem(await renewed.open()) + keyPem(await renewed.open()));
      },
      'a certificate takes the place of one with its name': () => {
        wanted = [again, b, c];
      },
      'another mode': async () => {
        made = await createTarget({ ...settings, mode: '0640' });
      },
      'another encoding': async () => {
        made = await createTarget({ ...settings, keyEncoding: 'traditional' });
      },
    };
    for (const [what, change] of Object.entries(changes)) {
      await change();
      await bring(made, wanted);
      const names = ['a.test', 'b.test', 'x.c.test'];
      const showing = await Promise.all(names.map((name) => shown(port, name)));
      expect({ what, showing }).toEqual({ what, showing: wanted.map(({ serialNumber }) => serialNumber) });
      expect({ what, ...(await bring(made, wanted)) }).toEqual({ what, isInEffect: true, refused: undefined });
    }
    expect(readFileSync(pem, 'utf8')).toContain('BEGIN EC PRIVATE KEY');
  });

  test('knows its folder by another path, and certificates with RSA keys in the form of PKCS#1', async () => {
    const site = await createSite();
    const a = await site.bus.issue(['a.test'], { keyType: 'rsa-2048' });
    const link = join(site.folder, 'as-haproxy-sees-it');
    const { port, folder, socket, target, start } = await createHaproxy(site, { defaultName: 'a.test', link });
    const agent = await site.start([{ ...target, default: 'a.test', keyEncoding: 'traditional' }]);
    await agent.started;
    await start();
    expect(await shown(port)).toBe(a.serialNumber);
    const b = await site.bus.issue(['b.test'], { keyType: 'rsa-2048' });
    await settled(async () => expect(await shown(port, 'b.test')).toBe(b.serialNumber));
    const renewed = await site.bus.issue(['a.test'], { keyType: 'rsa-2048' });
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    await settled(async () => expect(await shown(port)).toBe(renewed.serialNumber));
    expect(readFileSync(join(folder, 'a.test.pem'), 'utf8')).toContain('-----BEGIN RSA PRIVATE KEY-----');
    await site.bus.remove(b.certificateId);
    await settled(async () => expect(await ask(socket, 'show ssl cert')).not.toContain('b.test.pem'));
    const held = (await ask(socket, 'show ssl cert')).split('\n').filter((line) => line.startsWith('/'));
    expect(held.sort()).toEqual([`${link}/a.test.pem`, `${link}/default.pem`]);
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe(`${link}/default.pem !*\n${link}/a.test.pem\n`);
  });

  test('a default that goes to another certificate is shown at once', async () => {
    const site = await createSite();
    const [one, two] = [await createWanted('one', ['a.test']), await createWanted('two', ['a.test', 'b.test'])];
    const { port, folder, target, socket, start } = await createHaproxy(site, { defaultName: 'a.test' });
    const made = await createTarget({ ...target, type: 'haproxy', name: 'haproxy', folder, socket });
    await bring(made, [one, two], { defaultId: 'one' }).catch(() => {});
    await start();
    expect(await shown(port)).toBe(one.serialNumber);
    await bring(made, [two], { defaultId: 'two' });
    expect(await shown(port)).toBe(two.serialNumber);
    expect(await bring(made, [two], { defaultId: 'two' })).toMatchObject({ isInEffect: true });
  });

  test('a look says whether its memory is what the files are, and that its default would be another one', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    await site.bus.issue(['b.test']);
    const { folder, socket, target, start } = await createHaproxy(site, { defaultName: undefined });
    const own = { ...target, default: 'a.test' };
    const agent = await site.start([own]);
    await agent.started;
    await start();
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    await agent.stop();
    const look = async (settings: Readonly<Record<string, unknown>>) => {
      const found = await preview(site.configuration([settings]), new AbortController().signal);
      return found.targets[0];
    };
    const settledLook = { problems: [], put: [], remove: [], inPlace: 2, isInEffect: true };
    expect(await look(own)).toMatchObject(settledLook);
    expect(await look({ ...own, default: 'b.test' })).toMatchObject({ ...settledLook, isInEffect: false });
    await ask(socket, `del ssl crt-list ${folder}/crt-list.txt ${folder}/b.test.pem`);
    expect(await look(own)).toMatchObject({ ...settledLook, isInEffect: false });
    const changed = await look({ ...own, mode: '0640' });
    expect({ ...changed, put: changed?.put.flat().sort() }).toMatchObject({ put: ['a.test', 'b.test'], inPlace: 0 });
  });

  test('a socket without the rights of an administrator is named', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { target, start } = await createHaproxy(site, { defaultName: undefined, level: 'operator' });
    const agent = await site.start([target]);
    await agent.started;
    await start();
    await settled(() => expect(agent.status().targets[0]?.error?.message).toContain('Add "level admin"'));
  });

  test('starts again after the certificate of its default was removed, and goes on with the others', async () => {
    const site = await createSite();
    const gone = await site.bus.issue(['gone.test']);
    const other = await site.bus.issue(['other.test']);
    const { port, target, start } = await createHaproxy(site, { defaultName: 'gone.test' });
    const agent = await site.start([{ ...target, default: 'gone.test' }]);
    await agent.started;
    const running = await start();
    expect(await shown(port)).toBe(gone.serialNumber);
    await site.bus.remove(gone.certificateId);
    const renewed = await site.bus.issue(['other.test']);
    await settled(async () => expect(await shown(port, 'other.test')).toBe(renewed.serialNumber));
    expect(renewed.serialNumber).not.toBe(other.serialNumber);
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    await running.stop();
    await start();
    expect(await shown(port, 'other.test')).toBe(renewed.serialNumber);
  });

  test('a name is in front of the certificate that ranks first alone, also after time changed which that is', async () => {
    const site = await createSite();
    const [one, two] = [
      await createWanted('one', ['a.test', 'b.test']),
      await createWanted('two', ['a.test', 'c.test']),
    ];
    const exact = await createWanted('exact', ['www.d.test']);
    const wild = await createWanted('wild', ['*.d.test']);
    const { port, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const made = await createTarget({
      ...target,
      type: 'haproxy',
      name: 'haproxy',
      folder,
      socket: String(target.socket),
    });
    const showing = async () =>
      Promise.all(['a.test', 'b.test', 'c.test', 'www.d.test', 'x.d.test'].map((name) => shown(port, name)));
    await bring(made, [one, two, exact, wild]).catch(() => {});
    const running = await start();
    const first = [one, one, two, exact, wild].map(({ serialNumber }) => serialNumber);
    expect(await showing()).toEqual(first);
    const then = [two, one, two, wild, wild].map(({ serialNumber }) => serialNumber);
    const again = [wild, two, one, exact];
    expect(await bring(made, again)).toMatchObject({ isInEffect: false });
    expect(await showing()).toEqual(then);
    expect(await bring(made, again)).toMatchObject({ isInEffect: true });
    // One that leads to no name is not on the list, and comes back to it.
    expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).not.toContain('www.d.test.pem');
    await running.stop();
    const restarted = await start();
    expect(await showing()).toEqual(then);
    await bring(made, [one, two, exact, wild]);
    expect(await showing()).toEqual(first);
    await restarted.stop();
  });

  test('the default certificate is for names that nobody has, and stands before no other', async () => {
    const site = await createSite();
    const [one, two] = [
      await createWanted('one', ['a.test', 'b.test']),
      await createWanted('two', ['a.test', 'c.test']),
    ];
    const { port, folder, target, start } = await createHaproxy(site, { defaultName: 'c.test' });
    const made = await createTarget({
      ...target,
      type: 'haproxy',
      name: 'haproxy',
      folder,
      socket: String(target.socket),
    });
    await bring(made, [one, two], { defaultId: 'two' }).catch(() => {});
    await start();
    expect(await shown(port)).toBe(two.serialNumber);
    expect(await shown(port, 'a.test')).toBe(one.serialNumber);
    expect(await shown(port, 'c.test')).toBe(two.serialNumber);
  });

  test('what just fits into its buffer is taken, certificates and names, and what does not is refused before it is sent', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { socket, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([target]);
    await agent.started;
    await agent.stop();
    await start();
    const api = await openRuntimeApi(socket, new AbortController().signal);
    onTestFinished(() => api.close());
    const [list, path] = [join(folder, 'crt-list.txt'), join(folder, 'a.test.pem')];
    const store = createCertificateStore(api, { list, bufferSize: 16_384 });
    const pem = readFileSync(path, 'utf8').trimEnd();
    const [fingerprint] = await store.fingerprints([path]);
    const refused = { code: 'CERTBUS_AGENT_TARGET_REFUSED', message: expect.stringContaining('Set "tune.bufsize"') };
    const most = 16_384 - 32;
    /** Lines outside of the blocks of PEM are skipped. */
    const pemOf = (length: number) => {
      const fill = '#'.repeat(length - pem.length - 1).replaceAll(/#{64}(?=##)/g, (line) => `${line.slice(1)}\n`);
      return `${fill}\n${pem}`;
    };
    const room = most - `set ssl cert ${path}`.length;
    expect(await store.replace(path, pemOf(room))).toBe(fingerprint);
    await expect(store.replace(path, pemOf(room + 1))).rejects.toMatchObject(refused);
    await expect(store.add(join(folder, 'b.test.pem'), pemOf(room + 1))).rejects.toMatchObject(refused);
    const namesOf = (length: number) => {
      const label = 'n'.repeat(60);
      const all = Array.from(
        { length: Math.floor(length / 256) },
        (_, n) => `${n + 100}.${[label, label, label].join('.')}`,
      );
      const rest = length - all.join(' ').length - 1;
      return [
        ...all,
        ...Array.from({ length: Math.floor(rest / 62) }, () => 'm'.repeat(61)),
        'm'.repeat(rest % 62),
      ].filter(Boolean);
    };
    const left = most - `add ssl crt-list ${list}${path} `.length;
    const names = namesOf(left);
    expect(names.join(' ')).toHaveLength(left);
    await store.offer(path, names);
    expect((await store.offered()).get(path)?.map((offer) => offer.names)).toContainEqual(names);
    await expect(store.offer(path, namesOf(left + 1))).rejects.toMatchObject(refused);
    expect(await ask(socket, 'show ssl cert')).not.toContain('b.test.pem');
  });

  test('a certificate that does not fit into its buffer is refused, and the file before it is back', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['a.test']);
    const { port, target, folder, start } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([{ ...target, bufferSize: 4_096 }]);
    await agent.started;
    await start();
    const before = readFileSync(join(folder, 'a.test.pem'), 'utf8');
    // Names enough that the certificate alone has more than 3 kB.
    const names = ['a.test', ...Array.from({ length: 60 }, (_, n) => `label-${n}.a-longer-name-for-more-bytes.a.test`)];
    const large = await site.bus.issue(names);
    const problem = () => agent.status().targets[0]?.certificates[large.certificateId]?.problem?.message;
    await settled(() => expect(problem()).toContain('Set "tune.bufsize"'));
    expect(readFileSync(join(folder, 'a.test.pem'), 'utf8')).toBe(before);
    expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe(`${folder}/a.test.pem\n`);
    expect(await shown(port, 'a.test')).toBe(serialNumber);
  });
});
