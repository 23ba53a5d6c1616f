/** What commands show on a terminal of 80 and of 160 columns, and piped: the same as `transcripts.txt`, which people review. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requirePart } from 'certbus-services';
import { isFull, sized } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forEach } from '../certificates/bulk.ts';
import { certbus, resultOf } from '../cli.builders.ts';
import { COMMANDS } from '../commands.builders.ts';
import { createRunner, type RunCommand } from '../in-process.builders.ts';
import { STOPS } from './ctrl-c.builders.ts';
import { type StartedSite, startSite } from './site.builders.ts';
import { type SlowDnsHost, startSlowDnsHost } from './slow-dns.builders.ts';
import {
  openTranscript,
  PLACES,
  type Place,
  partOf,
  show,
  showService,
  startOnTerminal,
  titleOf,
} from './transcript.builders.ts';
import { drawGiven, showWriting } from './writing.builders.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const { titles, hold } = openTranscript(file('transcripts.txt'));
const writing = openTranscript(file('writing.txt'));

/** What is shown of each command that only reads. The first ones are also shown in `npm test`. */
const READING: readonly string[] = [
  'cert ls',
  'cert status shpo.test',
  'cert check',
  'cert ls --colums',
  'cert lst',
  'help exit-codes',
  'cert ls --failing --columns id,names,why',
  'cert ls --name *.shop.test --sort name',
  'cert check --name shop.test',
  'cert check --name shpo.test',
  'cert status shop.test',
  'cert status blocked.test',
  'cert mk a.test b.test --dry-run',
  'cert mk --from none.txt',
  'cert mk shop.test',
  'cert renewable',
  'bus log --type CertificateObtaind',
  'conf use prodction',
  'provider ls',
  'provider show route53',
  'keys check',
  'account ls',
  'cert cat shop.test',
  'cert history shop.test',
  'cert renewable 2099-01-01',
  'cert rm -h',
  'conf display',
  'conf validate good.json',
  'conf validate bad.json',
  'doctor --domain shop.test --no-write-dns',
  'manager ls',
  'plan',
  'version',
  'example-server --host 192.0.2.1 --port 8443',
];
/** What is shown on a site of its own: keys and accounts that other parts do not use, and a service that finds nothing to do. */
const OF_ITS_OWN: readonly string[] = [
  'keygen manager',
  'keygen loadbalancer',
  'account rollover',
  'aws bundle code.zip',
];
/** It names a day of the week, whose length moves the columns of a table. */
const PIPED_ONLY = new Set(['plan']);
/** For all of them on a machine that is busy. */
const LONG_MS = 900_000;
/** How many of them `npm test` shows, at 80 columns and piped. */
const SMALL = 3;

/** What is not in the transcript, and why. A new command is in one of the two lists. */
const NOT_SHOWN: Readonly<Record<string, string>> = {
  'aws:template': 'prints a template, whatever the terminal',
  complete: 'is for shells',
  completion: 'is for shells',
  'conf:schema': 'prints a schema, whatever the terminal',
  inspect: 'needs a server',
};

/** An issuance that waits, as rows: its step, what the last look found, and how long it goes on. */
const WAITING_ROWS =
  /slow\.test: waits until its answers can be seen \(dns-01\) \(\d+ s\)\n\W*last look: _acme-challenge\.slow\.test: \S+ does not show it\n\W*given up at \d\d:\d\d:\d\d UTC, in (?:\d min \d\d|\d+) s$/m;

/** Has the names of a site proved at a DNS host that shows them late. */
async function useSlowDns({ folder, dns }: StartedSite, { url }: SlowDnsHost): Promise<void> {
  dns.set('slow.test', 'SOA', [{ mname: 'ns1.slow.test', rname: 'admin.slow.test' }]);
  const { position: _, ...stored } = resultOf(await certbus(folder, ['conf', 'display', '--json']));
  const server = [dns.address];
  const settings = { zones: ['*'], provider: 'httpreq', url, resolver: server, nameServers: server };
  const input = JSON.stringify({ ...stored, dns: [settings] });
  expect(await certbus(folder, ['conf', 'update'], { input })).toMatchObject({ status: 0 });
}

const wordsOf = (command: string): string[] => command.split(' ');
const tmux = requirePart('tmux');
let site: StartedSite;

/** Makes certificates in several states, one after the other, so that positions are the same in each run. */
beforeAll(async () => {
  if (tmux.skip) return;
  site = await startSite();
  const run = (...args: string[]) => certbus(site.folder, args);
  for (const names of [
    ['shop.test', 'www.shop.test'],
    ['bücher.test', '*.bücher.test'],
    ['blocked.test', 'other.test'],
  ]) {
    await run('cert', 'mk', ...names);
    // No two end at one time, or their random ids would decide which is listed first.
    site.ca.clock.advance(1_000);
  }
  const { position: _, ...stored } = resultOf(await run('conf', 'display', '--json'));
  writeFileSync(join(site.folder, 'good.json'), JSON.stringify(stored));
  writeFileSync(join(site.folder, 'bad.json'), JSON.stringify({ ...stored, giveUpAfterDay: 3 }));
  const { certificates } = resultOf(await run('cert', 'ls', '--sort', 'name', '--json'));
  for (const [index, { certificateId }] of certificates.entries())
    site.known.set(certificateId, `certificat${index + 1}`);
});
afterAll(() => site?.[Symbol.asyncDispose]());

describe.skipIf(tmux.skip)(tmux.title('commands on terminals and in pipes'), () => {
  test('read as the transcript says', { tags: 'full', timeout: LONG_MS }, async () => {
    const commands = sized({ small: READING.slice(0, SMALL), full: READING });
    const places = sized<readonly Place[]>({ small: [80, 'piped'], full: PLACES });
    const asked = commands
      .flatMap((command) => places.map((place) => ({ command, place })))
      .filter(({ command, place }) => place === 'piped' || !PIPED_ONLY.has(command));
    const { signal } = new AbortController();
    await forEach(asked, { parallel: 4, signal }, async ({ command, place }) =>
      hold(await show(site, place, wordsOf(command))),
    );
  });

  test('init asks, takes a mistake, and shows all before it makes anything', async () => {
    const args = [
      'init',
      '--directory',
      site.ca.directory,
      '--roots',
      'roots.pem',
      '--name',
      'manager1',
      '--dir',
      'first',
    ];
    await using terminal = await startOnTerminal(site, 80, args);
    const dialogue = [
      ['Which?', 'sqlte'],
      ['Which?', '1'],
      ['File of the bus:', ''],
      ['E-mail', 'ops@example'],
      ['E-mail', 'ops@example.com'],
      ['Do you agree', 'y'],
      ['Which?', 'none'],
      ['A domain', 'example.test'],
      ['Create this?', '3'],
      ['E-mail', 'hostmaster@example.com'],
      ['Create this?', ''],
    ] as const;
    for (const [question, answer] of dialogue) {
      await terminal.waitFor(question);
      await terminal.type(answer);
    }
    const status = await terminal.ended();
    const shown = { text: await terminal.screen(), status };
    hold(partOf(titleOf(['init', '--directory', 'URL', '--roots', 'roots.pem', '--dir', 'first'], 80), shown, site));
  });

  test('a question that is answered with no leaves all as it was', async () => {
    const args = ['cert', 'rm', 'shop.test'];
    await using terminal = await startOnTerminal(site, 80, args);
    await terminal.waitFor('(y/N)');
    await terminal.type('n');
    const status = await terminal.ended();
    const shown = { text: await terminal.screen(), status };
    expect(shown).toEqual({ status: 130, text: expect.stringContaining('CERTBUS_CLI_DECLINED') });
    hold(partOf(`${titleOf(args, 80)}, then n`, shown, site));
    const kept = await certbus(site.folder, ['cert', 'status', 'shop.test', '--json']);
    expect(resultOf(kept)).toMatchObject({ status: 'valid' });
  });

  if (isFull)
    test('on a site of its own read as the transcript says', { tags: 'full', timeout: LONG_MS }, async () => {
      await using own = await startSite();
      for (const place of PLACES) {
        for (const command of OF_ITS_OWN) hold(await show(own, place, wordsOf(command)));
        hold(await showService(own, place, ['run', '--port', '0'], { until: 'ready, at position' }));
      }
    });

  if (isFull)
    test('of commands that write read as the transcript says', { tags: 'full', timeout: 2 * LONG_MS }, async () => {
      const given = await drawGiven(site);
      // One after the other: their records in DNS have the same names.
      for (const place of PLACES) for await (const part of showWriting(site, place, given)) writing.hold(part);
    });

  if (isFull)
    describe('Ctrl-C on a terminal', { timeout: LONG_MS }, () => {
      let inProcess: RunCommand;
      beforeAll(async () => {
        const at = (name: string) => join(site.folder, name);
        inProcess = await createRunner({ CERTBUS_CONFIG: at('certbus.json'), CERTBUS_STATE_DIR: at('state') });
      });

      test.each(Object.entries(STOPS))(
        'leaves an issuance that is %s without a claim and a record, and the next run completes it',
        { tags: 'full' },
        async (stop, { shows, isOrdered, isPresented, isKept = false, arrange }) => {
          const name = `${stop}.interrupted.test`;
          const record = () => site.dns.get(`_acme-challenge.${name}`, 'TXT');
          const hasArrived = arrange(site);
          const args = ['cert', 'mk', '--subdomain', name];
          await using terminal = await startOnTerminal(site, 80, args);
          await terminal.waitFor(shows);
          await expect.poll(hasArrived, { timeout: LONG_MS }).toBe(true);
          expect(record().length > 0).toBe(isPresented);
          await terminal.press('C-c');
          const status = await terminal.ended();
          const shown = { text: await terminal.screen(), status };
          expect(shown).toEqual({ status: 130, text: expect.stringContaining('CERTBUS_CLI_INTERRUPTED') });
          expect(record()).toEqual([]);
          const { result } = await inProcess(['cert', 'status', name]);
          expect(result).toMatchObject({ status: 'not-issued', why: 'an attempt was interrupted' });
          expect(result).not.toHaveProperty('claim');
          if (isKept) hold(partOf(`${titleOf(args, 80)}, then Ctrl-C`, shown, site));

          site.ca.faults.clear();
          const orders = site.ca.orderCount;
          expect(await inProcess(args)).toMatchObject({ result: { outcome: 'issued', names: [name] } });
          expect(site.ca.orderCount - orders).toBe(isOrdered ? 0 : 1);
          expect(record()).toEqual([]);
          const issued = site.ca.certificates().filter(({ names }) => names.includes(name));
          expect(issued).toHaveLength(1);
        },
      );

      test('leaves neither a claim nor a record while DNS does not show the answer; the rows have shown what is waited for', {
        tags: 'full',
      }, async () => {
        await using own = await startSite();
        await using host = await startSlowDnsHost(own.dns);
        await useSlowDns(own, host);
        const args = ['cert', 'mk', '--subdomain', 'slow.test'];
        await using terminal = await startOnTerminal(own, 80, args);
        await terminal.waitFor('given up at');
        expect(await terminal.screen()).toMatch(WAITING_ROWS);
        expect(host.names()).toEqual(['_acme-challenge.slow.test.']);
        await terminal.press('C-c');
        expect(await terminal.ended()).toBe(130);
        expect(await terminal.screen()).toContain('CERTBUS_CLI_INTERRUPTED');
        expect(host.names()).toEqual([]);
        const status = resultOf(await certbus(own.folder, ['cert', 'status', 'slow.test', '--json']));
        expect(status).toMatchObject({ status: 'not-issued', why: 'an attempt was interrupted' });
        expect(status).not.toHaveProperty('claim');

        host.publish();
        const orders = own.ca.orderCount;
        const again = await certbus(own.folder, [...args, '--json']);
        expect(resultOf(again)).toMatchObject({ outcome: 'issued', names: ['slow.test'] });
        expect(own.ca.orderCount).toBe(orders);
        expect(host.names()).toEqual([]);
      });
    });

  test('are all in the transcript, or in the list of those that are not', () => {
    const shown = [...titles, ...writing.titles].map((title) => title.replace(/^=== certbus | [-(].*/g, ''));
    const isShown = (id: string) => shown.some((command) => `${command} `.startsWith(`${id.replaceAll(':', ' ')} `));
    const ids = Object.entries(COMMANDS).flatMap(([id, { hidden }]) => (hidden ? [] : [id]));
    expect(ids.filter((id) => isShown(id) === id in NOT_SHOWN)).toEqual([]);
    expect(Object.keys(NOT_SHOWN).filter((id) => !(id in COMMANDS))).toEqual([]);
  });
});
