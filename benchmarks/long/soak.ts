import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { temporaryFolder } from 'certbus-services';
import { measuredOn, mega, type Part, type PartResult } from './part.ts';
import type { SoakLoad, SoakLoadReport } from './soak-load.ts';
import type { SoakServerReady, SoakServerReport } from './soak-server.ts';

const MINUTES = 10;
const CERTIFICATES = 1_000;
/** So that each certificate was renewed at least once before memory is compared: what its first renewals take is not a leak. */
const RENEW_EVERY_MS = 100;
const CLIENTS = 8;
const RESUMED_ONE_IN = 4;
/** Minutes that are compared: before, the heap finds its size. */
const WARM = { from: 3, to: 5 };
const LAST = { from: 8, to: 10 };
const MAX_GROWTH = 0.1;
/** Commits that a test bus begins with. */
const BEGINNING = 2;
const CATCH_UP_MS = 60_000;

/** Ten minutes of requests at full speed, while a certificate is renewed ten times a second: nothing fails, and memory stays where it is. With fewer certificates it takes less. */
export const soak: Part = { certificates: CERTIFICATES, publishedFrom: CERTIFICATES, run };

interface Minute extends SoakLoadReport {
  readonly server: SoakServerReport;
  readonly renewals: number;
}

function start(program: string, task: unknown): ChildProcess {
  const path = fileURLToPath(new URL(program, import.meta.url));
  return fork(path, [JSON.stringify(task)], { execArgv: ['--conditions=certbus:source'] });
}

async function ask<Report>(child: ChildProcess): Promise<Report> {
  const answer = once(child, 'message');
  child.send('report');
  return (await answer)[0] as Report;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

/** Renews one after the other for a while, and returns how many. */
async function renew(bus: TestBus, names: readonly string[], { ms, from }: { ms: number; from: number }) {
  const endsAt = performance.now() + ms;
  let renewals = 0;
  for (; performance.now() < endsAt; renewals += 1) {
    await bus.issue([names[(from + renewals) % names.length] ?? '']);
    await sleep(Math.min(RENEW_EVERY_MS, Math.max(0, endsAt - performance.now())));
  }
  return renewals;
}

/** Whether the server gets to a position, and is well there. */
async function serves(server: ChildProcess, position: number): Promise<boolean> {
  for (const until = performance.now() + CATCH_UP_MS; performance.now() < until; await sleep(100)) {
    const report = await ask<SoakServerReport>(server);
    if (report.position === position && report.isWell) return true;
  }
  return false;
}

function memoryIn(minutes: readonly Minute[], { from, to }: { readonly from: number; readonly to: number }): number {
  const bytes = minutes.slice(from - 1, to).map(({ server }) => server.residentBytes);
  return bytes.reduce((sum, each) => sum + each, 0) / bytes.length;
}
const growthOf = (minutes: readonly Minute[]): number => memoryIn(minutes, LAST) / memoryIn(minutes, WARM) - 1;

const count = (number: number): string => number.toLocaleString('en');
const sumOf = (minutes: readonly Minute[], of: (minute: Minute) => number): number =>
  minutes.reduce((sum, minute) => sum + of(minute), 0);

function problemsOf(minutes: readonly Minute[]): string[] {
  const failed = minutes.flatMap((minute) => minute.failed);
  const wrong = minutes.flatMap((minute) => minute.wrong);
  const unwell = minutes.filter(({ server }) => !server.isWell).length;
  const growth = growthOf(minutes);
  return [
    ...(failed.length > 0 ? [`${failed.length} connections failed, such as ${failed[0]}`] : []),
    ...(wrong.length > 0 ? [`${wrong.length} names were shown another name's certificate, such as ${wrong[0]}`] : []),
    ...(unwell > 0 ? [`the server was not well at the end of ${unwell} minutes`] : []),
    ...(growth > MAX_GROWTH ? [`memory grew by ${Math.round(growth * 100)} %`] : []),
  ];
}

interface Story {
  readonly certificates: number;
  readonly minutes: readonly Minute[];
  readonly problems: readonly string[];
}

function describe({ certificates, minutes, problems }: Story): string {
  const rows = minutes.map(({ handshakes, resumed, renewals, server: { residentBytes, heapBytes } }, n) => {
    const counts = [handshakes, resumed, renewals].map(count).join(' | ');
    return `| ${n + 1} | ${counts} | ${mega(residentBytes)} | ${mega(heapBytes)} |`;
  });
  const [failed, wrong] = [sumOf(minutes, (each) => each.failed.length), sumOf(minutes, (each) => each.wrong.length)];
  const growth = Math.round(growthOf(minutes) * 100);
  return `## Ten minutes of load on ${count(certificates)} certificates

${measuredOn()}. An HTTPS server on \`@certbus/client\` in a process of its own, and ${CLIENTS} clients in another one, on the
same cores, that ask for each name once, and then for names at full speed, half of them for a hundredth of the names; one connection in ${RESUMED_ONE_IN} offers a ticket. Meanwhile one certificate after
the other is renewed, on a SQLite bus. Memory is the least that the
server took in each minute, looked at four times a second.

| minute | connections | resumed | renewals | resident memory | heap in use |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

- ${count(sumOf(minutes, (each) => each.handshakes))} connections, ${count(failed)} failed, ${count(wrong)} were shown another name's certificate; ${count(sumOf(minutes, (each) => each.renewals))} renewals.
- Memory in minutes ${LAST.from} to ${LAST.to}, against minutes ${WARM.from} to ${WARM.to}: ${growth > 0 ? '+' : ''}${growth} %; at most +${MAX_GROWTH * 100} % is allowed.

${problems.length === 0 ? 'All of it held.' : problems.join('; ')}
`;
}

async function run(certificates: number): Promise<PartResult> {
  const folder = temporaryFolder();
  const address = `sqlite:${folder.path}/bus.db#soak`;
  const bus = await createTestBus({ address });
  const names = Array.from({ length: certificates }, (_, n) => `n${n}.soak.test`);
  for (const name of names) await bus.issue([name]);
  const { identity, trust } = bus;
  const server = start('soak-server.ts', { bus: address, identity, trust, stateDirectory: `${folder.path}/state` });
  const [{ port }] = (await once(server, 'message')) as [SoakServerReady];
  const task: SoakLoad = { port, names, clients: CLIENTS, ticketOneIn: RESUMED_ONE_IN };
  const load = start('soak-load.ts', task);
  const [{ failed: failedBefore }] = (await once(load, 'message')) as [SoakLoadReport];
  const minutes: Minute[] = [];
  let renewed = 0;
  try {
    for (let minute = 1; minute <= MINUTES; minute += 1) {
      const ms = 60_000 * Math.min(1, certificates / CERTIFICATES);
      const renewals = await renew(bus, names, { ms, from: renewed });
      renewed += renewals;
      const [report, atServer] = await Promise.all([ask<SoakLoadReport>(load), ask<SoakServerReport>(server)]);
      minutes.push({ ...report, server: atServer, renewals });
      console.error(`minute ${minute}: ${report.handshakes} connections, ${mega(atServer.residentBytes)}`);
    }
    await end(load);
    const problems = [
      ...problemsOf(minutes),
      ...failedBefore,
      ...((await serves(server, BEGINNING + certificates + renewed)) ? [] : ['the server did not catch up in the end']),
    ];
    return { section: describe({ certificates, minutes, problems }), problems };
  } finally {
    await end(server);
    await bus.close();
    folder.remove();
  }
}
