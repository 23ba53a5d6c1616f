/** Tests that what anyone wrote on the bus moves no terminal when it is shown. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createId, parseManagerKey, parseRootKey, parseTrust } from '@certbus/events';
import { BEGINNING, type Checkpoint, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certbus } from './cli.builders.ts';
import { commandOf } from './commands.builders.ts';
import { loadConfig, printed } from './in-process.builders.ts';

const temporary = temporaryFolder();
const site = temporary.path;
afterAll(() => temporary.remove());

/** Sets the window's title, clears the screen by one character, turns text round. */
const EVIL = '\u001b]0;owned\u0007\u009b2J\u202eafter\r\u0000';

beforeAll(async () => {
  const dns = ['--dns-provider', 'challtestsrv', '--dns-url', 'http://127.0.0.1:1'];
  const made = await certbus(site, ['init', '--agree-tos', '--directory', 'https://127.0.0.1:1/dir', ...dns]);
  expect(made).toMatchObject({ status: 0 });
  const text = (file: string) => readFileSync(join(site, file), 'utf8');
  const log = await openLog(`sqlite:${join(site, 'bus.db')}#certbus`);
  const trust = parseTrust(text('bus.pub'));
  const [root, { signer }] = [parseRootKey(text('root.key')), parseManagerKey(text('manager.key'))];
  let checkpoint: Checkpoint = (await openBus(log, 'certbus', { trust }).read(BEGINNING)).checkpoint;
  const say = async (as: typeof root, ...events: WrittenEvent[]) => {
    const bus = openBus(log, 'certbus', { trust, signer: as });
    ({ checkpoint } = await bus.append(checkpoint, events, { at: new Date() }));
  };
  const [{ recipient = '' } = {}] = checkpoint.managers;
  const managers = [{ name: `alice${EVIL}`, signingKey: signer.publicKey, recipient }];
  const renamed = signRootEvent(root, trust.busId, checkpoint.rootSequence + 1, { type: 'ManagersUpdated', managers });
  await say(root, renamed);
  const ids = { issuanceId: createId(), certificateId: createId() };
  await say(
    signer,
    {
      ...{ type: 'IssuanceFailed', ...ids, problem: `urn:${EVIL}`, class: 'temporary', detail: `it said ${EVIL}` },
      ...{ attempt: 1, notBefore: new Date().toISOString() },
    } as WrittenEvent,
    { type: `Evil${EVIL}` } as unknown as WrittenEvent,
  );
  await log.close();
});

test.each([
  ['at once', [], ''],
  ['while it is followed', ['--follow'], 'it said'],
])('what is shown of the bus %s has no control character of anybody else', async (_, flags, interruptAt) => {
  const { stdout, stderr } = await certbus(site, ['bus', 'log', ...flags], { interruptAt });
  expect(stdout).toMatch(/^\d+ {2}\S+ {2}by alice\ufffd\]0;owned\ufffd/m);
  expect(stdout).toMatch(/IssuanceFailed .*it said \ufffd\]0;owned/);
  const own = (stdout + stderr).replaceAll(/[\n\t]/g, '');
  expect(own).not.toMatch(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u);
});

test('as JSON its escapes are escaped, so that they come back as they were written', async () => {
  const { stdout } = await certbus(site, ['bus', 'log', '--json']);
  expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
  expect(stdout).toContain('\\u001b]0;owned');
});

test('what people are shown is not kept in memory, which can be smaller than the bus', async () => {
  const kept: unknown[] = [];
  const shown = await printed(async () =>
    kept.push(await commandOf('bus:log').run(['--config', join(site, 'certbus.json')], await loadConfig())),
  );
  expect(shown).toMatch(/^1 {2}.*\n +BusCreated/m);
  expect(kept).toEqual([undefined]);
});
