import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, createServer, type SecureContext } from 'node:tls';
import { openMaterial } from '@certbus/client/material';
import { createIdentity, sha256 } from '@certbus/events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createSite, type Site } from '../agent.builders.ts';
import type { Change, Target } from '../targets/target.ts';
import { settled, shown } from '../targets/tls.builders.ts';
import { type Knowledge, runPass } from './pass.ts';
import { openUnseen } from './unseen.ts';

/** A balancer that shows the files of a folder, except for the names that it is stuck at, for a number of questions. */
async function startBalancer(folder: string) {
  const stuck = new Map<string, SecureContext>();
  const left = new Map<string, number>();
  const fileOf = (name: string) => join(folder, 'current', `${name.replace(/^.*\.wild\.test$/, '_.wild.test')}.pem`);
  const read = (name: string) => {
    const pem = readFileSync(fileOf(name), 'utf8');
    return createSecureContext({ cert: pem, key: pem });
  };
  function stuckAt(file: string): SecureContext | undefined {
    const questions = left.get(file) ?? 0;
    left.set(file, questions - 1);
    return questions > 0 ? stuck.get(file) : undefined;
  }
  const asked: string[] = [];
  const server = createServer({
    SNICallback: (name, done) => {
      asked.push(name);
      try {
        done(null, stuckAt(fileOf(name)) ?? read(name));
      } catch (error) {
        done(error as Error);
      }
    },
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return {
    port,
    asked,
    target: { type: 'files', folder, layout: 'combined', address: `127.0.0.1:${port}` },
    stickTo(name: string, questions = Number.POSITIVE_INFINITY) {
      stuck.set(fileOf(name), read(name));
      left.set(fileOf(name), questions);
    },
  };
}

const serialIn = (site: Site, file: string) =>
  new X509Certificate(readFileSync(join(site.folder, 'certs', 'current', `${file}.pem`))).serialNumber;

test('what is not shown is put back, with an alarm, and the others go on', async () => {
  const site = await createSite();
  const stuck = await site.bus.issue(['stuck.test']);
  const wild = await site.bus.issue(['*.wild.test']);
  await site.bus.issue(['good.test']);
  const address = await site.bus.issue(['192.0.2.1']);
  const { port, target, stickTo } = await startBalancer(join(site.folder, 'certs'));
  const agent = await site.start([target]);
  await agent.started;
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const problems = () =>
    Object.entries(agent.status().targets[0]?.certificates ?? {}).flatMap(([id, { problem }]) =>
      problem ? [[id, problem.code]] : [],
    );
  expect(problems()).toEqual([]);
  expect(serialIn(site, '192.0.2.1')).toBe(address.serialNumber);
  stickTo('stuck.test');
  stickTo('x.wild.test');
  await site.bus.issue(['stuck.test']);
  await site.bus.issue(['*.wild.test']);
  const good = await site.bus.issue(['good.test']);
  await settled(async () => {
    // How long the balancer has to look at the files.
    vi.advanceTimersByTime(20_000);
    expect(await shown(port, 'good.test')).toBe(good.serialNumber);
  });
  const unserved = [stuck, wild].map(({ certificateId }) => [certificateId, 'CERTBUS_AGENT_NOT_SERVED']).sort();
  await settled(() => {
    vi.advanceTimersByTime(20_000);
    expect(problems().sort()).toEqual(unserved);
  });
  expect(serialIn(site, 'stuck.test')).toBe(stuck.serialNumber);
  expect(serialIn(site, '_.wild.test')).toBe(wild.serialNumber);
  const alarm = `Target "files" took certificate ${stuck.certificateId} (stuck.test) and shows another certificate.`;
  expect(site.lines.join('\n')).toContain(alarm);
});

test('what an agent put and had not seen when it was killed is asked for by the next start, and nothing else is', async () => {
  const site = await createSite();
  const { certificateId } = await site.bus.issue(['a.test']);
  await site.bus.issue(['b.test']);
  const { target, asked } = await startBalancer(join(site.folder, 'certs'));
  const askedByStart = async () => {
    asked.length = 0;
    const agent = await site.start([target]);
    await agent.started;
    await agent.stop();
    return [...asked].sort();
  };
  expect(await askedByStart()).toEqual(['a.test', 'b.test']);
  expect(await askedByStart()).toEqual([]);
  const noted = join(site.folder, 'state', 'turns', 'files', 'unseen');
  writeFileSync(noted, `${certificateId}\n`);
  expect(await askedByStart()).toEqual(['a.test']);
  expect(existsSync(noted)).toBe(false);
});

test('a program that looks at the files by itself has time to, and shows what was renewed', async () => {
  const site = await createSite();
  const { certificateId } = await site.bus.issue(['a.test']);
  const { target, stickTo } = await startBalancer(join(site.folder, 'certs'));
  const agent = await site.start([target]);
  await agent.started;
  stickTo('a.test', 2);
  const { certificate, serialNumber } = await site.bus.issue(['a.test']);
  const leafHash = sha256(new X509Certificate(certificate).raw);
  // As it stands once a pass is over.
  const standing = () => agent.status().targets[0]?.certificates[certificateId];
  await settled(() => expect(standing()?.leafHash).toBe(leafHash));
  expect(standing()?.problem).toBeNull();
  expect(serialIn(site, 'a.test')).toBe(serialNumber);
});

test('a name that shows another certificate of the bus is not an alarm', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test'], { days: 90 });
  const { target } = await startBalancer(join(site.folder, 'certs'));
  const agent = await site.start([target]);
  await agent.started;
  // Its file has another name, which the balancer above does not know.
  const other = await site.bus.issue(['a.test', 'b.test'], { days: 30 });
  await settled(() => expect(agent.status().targets[0]?.certificates).toHaveProperty(other.certificateId));
  expect(Object.values(agent.status().targets[0]?.certificates ?? {}).map(({ problem }) => problem)).toEqual([
    null,
    null,
  ]);
});

test('what is removed while a target is given it does not stay there', async () => {
  const site = await createSite();
  const gone = await site.bus.issue(['gone.test']);
  await site.bus.issue(['stays.test']);
  const folder = join(site.folder, 'certs');
  const [gate, begun, script] = [join(site.folder, 'gate'), join(site.folder, 'begun'), join(site.folder, 'script')];
  execFileSync('mkfifo', [gate]);
  // The first change is under way until somebody writes into the gate.
  writeFileSync(script, `#!/bin/sh\n[ -e ${begun} ] && exit 0; echo > ${begun}; cat ${gate}\n`, { mode: 0o700 });
  const agent = await site.start([{ type: 'files', folder, layout: 'combined', test: { command: [script] } }]);
  await settled(() => expect(existsSync(begun)).toBe(true));
  const file = join(folder, 'current', 'gone.test.pem');
  expect(existsSync(file)).toBe(true);
  const { position } = agent.status();
  await site.bus.remove(gone.certificateId);
  await settled(() => expect(agent.status().position).toBeGreaterThan(position));
  writeFileSync(gate, '');
  await settled(() => expect(existsSync(file)).toBe(false));
  expect(existsSync(join(folder, 'current', 'stays.test.pem'))).toBe(true);
});

/** Passes over a target that takes what `take` does, and shows what `shows` says. */
async function passesOver(
  site: Site,
  { take, shows }: { take(change: Change): Promise<void>; shows(): ReadonlyMap<string, string> },
) {
  const { trust, identity } = site.bus;
  const source = await openMaterial({
    bus: `sqlite:${join(site.folder, 'bus.db')}#test`,
    trust,
    identity,
    replica: ':memory:',
    intervalMs: 100,
  });
  onTestFinished(() => source.close());
  const clock = { now: new Date() };
  const target: Target = {
    name: 'memory',
    held: async () => ({ leafHashes: new Map(), defaultId: undefined, isInEffect: true }),
    apply: async (change) => {
      await take(change);
      return { refused: new Map() };
    },
    served: async () => shows(),
    problems: async () => [],
    close: async () => {},
  };
  const { signal } = new AbortController();
  const unseen = openUnseen();
  const pass = (since?: { knowledge: Knowledge; ids: ReadonlySet<string> }) =>
    runPass({ target, source, selection: {}, now: () => clock.now, defaultName: undefined, unseen, signal }, since);
  return { source, clock, pass };
}

test('a target that opens a certificate twice gets the same leaf twice, also where it is renewed in between', async () => {
  const site = await createSite();
  const { certificateId } = await site.bus.issue(['a.test']);
  const opened: (string | undefined)[] = [];
  const { source, pass } = await passesOver(site, {
    async take({ put: [wanted] }) {
      opened.push((await wanted?.open())?.leafHash);
      const renewed = new Promise((resolve) => source.on('changed', resolve));
      await site.bus.issue(['a.test']);
      await renewed;
      opened.push((await wanted?.open())?.leafHash);
    },
    shows: () => new Map([[certificateId, opened[0] ?? '']]),
  });
  const { held } = await pass();
  expect(opened).toEqual([held.get(certificateId), held.get(certificateId)]);
  expect(source.certificate(certificateId)?.leafHash).not.toBe(opened[0]);
});

test('a certificate that was never shown stays a problem, and is offered again after a time', async () => {
  const site = await createSite();
  const { certificateId } = await site.bus.issue(['a.test']);
  let offered = 0;
  let shown = new Map<string, string>();
  const { clock, pass } = await passesOver(site, {
    take: async ({ put }) => {
      for (const wanted of put) await wanted.open();
      offered += put.length;
    },
    shows: () => shown,
  });
  const ids = new Set([certificateId]);
  let knowledge = await pass();
  const problem = () => knowledge.standings.get(certificateId)?.problem;
  expect(problem()).toMatchObject({ code: 'CERTBUS_AGENT_NOT_SERVED' });
  knowledge = await pass({ knowledge, ids });
  expect(problem()).toMatchObject({ code: 'CERTBUS_AGENT_NOT_SERVED' });
  expect(offered).toBe(1);
  clock.now = new Date(clock.now.getTime() + 300_000);
  shown = new Map(knowledge.held);
  knowledge = await pass({ knowledge, ids });
  expect(offered).toBe(2);
  expect(problem()).toBeUndefined();
});

test('a start at which all is in place opens no key, and writes and runs nothing', async () => {
  const site = await createSite();
  for (const name of ['a.test', 'b.test', 'c.test']) await site.bus.issue([name]);
  const folder = join(site.folder, 'certs');
  const ran = join(site.folder, 'ran');
  const [script, after] = [join(site.folder, 'after'), { command: [join(site.folder, 'after')] }];
  writeFileSync(script, `#!/bin/sh\necho ran >> ${ran}\n`, { mode: 0o700 });
  const target = { type: 'files', folder, default: 'a.test', after, windowMs: 0 };
  const first = await site.start([target]);
  await first.started;
  await first.stop();
  const contents = () => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    // The lock on the folder is SQLite's, which has a second file while it is held.
    const own = names.filter((name) => !name.startsWith('.certbus-agent-lock'));
    return own.map((name) => {
      const { ino, ctimeMs } = lstatSync(join(folder, name));
      return { name, ino, ctimeMs };
    });
  };
  const before = contents();
  // An identity that opens nothing: where a key is opened all the same, that is an alarm.
  writeFileSync(join(site.folder, 'loadbalancer.key'), await createIdentity(), { mode: 0o600 });
  const second = await site.start([target]);
  await second.started;
  expect(second.health()).toMatchObject({
    unopenedKeyCount: 0,
    targets: [{ certificates: { wanted: 3, inPlace: 3, failing: 0 }, passes: { inPlace: 1 } }],
  });
  expect(contents()).toEqual(before);
  expect(readFileSync(ran, 'utf8')).toBe('ran\n');
  expect(site.lines.join('\n')).not.toContain('alarm');
});
