/** Files that are to have another form than they were written in: another mode, encoding, layout or password. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { AgentError } from '../../errors.ts';
import { bring, createWanted, type TestWanted } from '../target.builders.ts';
import { resolveAccess } from './access.ts';
import { createFilesTarget, type FilesSettings } from './files.ts';

const refusal = new AgentError('CERTBUS_AGENT_PAIR_REFUSED', 'it has ended');
const unopened = (wanted: TestWanted): TestWanted => ({ ...wanted, open: () => Promise.reject(refusal) });

async function createPlace(replaceBy: FilesSettings['replaceBy']) {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const folder = join(path, 'certs');
  const live = replaceBy === 'swap' ? join(folder, 'current') : folder;
  const settings: FilesSettings = {
    ...{ name: 'files', folder, layout: 'combined', keyEncoding: 'pkcs8', replaceBy },
    ...{ access: await resolveAccess({}), test: undefined, after: undefined, address: undefined },
  };
  const read = (name: string) => {
    const text = readFileSync(join(live, `${name}.pem`), 'utf8');
    const [, key] = /BEGIN ((?:EC )?PRIVATE KEY)/.exec(text) ?? [];
    return { serial: new X509Certificate(text).serialNumber, key };
  };
  return { path, live, settings, read };
}

test.each(['swap', 'replace'] as const)(
  'with %s, each certificate keeps the name of its files, and one that cannot be opened stays as it is until it can',
  async (replaceBy) => {
    const { live, settings, read } = await createPlace(replaceBy);
    const [later, first] = [await createWanted('z', ['a.test']), await createWanted('a', ['a.test'])];
    const before = createFilesTarget(settings);
    await bring(before, [later]);
    await bring(before, [first, later]);
    const other = 'a.test-a';
    expect([read('a.test').serial, read(other).serial]).toEqual([later.serialNumber, first.serialNumber]);
    const next = createFilesTarget({ ...settings, keyEncoding: 'traditional' });
    const { refused } = await bring(next, [first, unopened(later)]);
    expect(refused).toEqual(new Map([['z', refusal]]));
    expect(read('a.test')).toEqual({ serial: later.serialNumber, key: 'PRIVATE KEY' });
    expect(read(other)).toEqual({ serial: first.serialNumber, key: 'EC PRIVATE KEY' });
    // Also over a restart, and in yet another form.
    const layouts = createFilesTarget({ ...settings, layout: 'lego' });
    await bring(layouts, [first, unopened(later)]);
    expect(read('a.test').serial).toBe(later.serialNumber);
    expect(existsSync(join(live, `${other}.pem`))).toBe(false);
    const last = createFilesTarget({ ...settings, keyEncoding: 'traditional' });
    await bring(last, [first, later]);
    expect(read('a.test')).toEqual({ serial: later.serialNumber, key: 'EC PRIVATE KEY' });
    expect(read(other)).toEqual({ serial: first.serialNumber, key: 'EC PRIVATE KEY' });
    expect(existsSync(join(live, 'a.test.crt'))).toBe(false);
    expect(await bring(last, [first, later])).toEqual({ isInEffect: true, refused: undefined });
  },
);

test.each(['swap', 'replace'] as const)(
  'with %s, what a test refuses in its new form is what it was before, in its old one',
  async (replaceBy) => {
    const { path, settings, read } = await createPlace(replaceBy);
    const script = join(path, 'test');
    writeFileSync(
      script,
      '#!/bin/sh\ngrep -q "BEGIN EC" "$CERTBUS_FOLDER/a.test.pem" || exit 0\necho "in /a.test.pem"; exit 1\n',
      {
        mode: 0o700,
      },
    );
    const [a, b] = [await createWanted('a', ['a.test']), await createWanted('b', ['b.test'])];
    await bring(createFilesTarget({ ...settings, test: { command: ['/bin/true'] } }), [a, b]);
    const next = createFilesTarget({ ...settings, keyEncoding: 'traditional', test: { command: [script] } });
    expect([...((await bring(next, [a, b])).refused?.keys() ?? [])]).toEqual(['a']);
    expect(read('a.test')).toEqual({ serial: a.serialNumber, key: 'PRIVATE KEY' });
    expect(read('b.test')).toEqual({ serial: b.serialNumber, key: 'EC PRIVATE KEY' });
  },
);

test.each(['swap', 'replace'] as const)(
  'with %s, a certificate that cannot be opened becomes the default one with the files that it has, and ceases to be it',
  async (replaceBy) => {
    const { live, settings, read } = await createPlace(replaceBy);
    const [a, b] = [await createWanted('a', ['a.test']), await createWanted('b', ['b.test'])];
    const target = createFilesTarget(settings);
    await bring(target, [a, b], { defaultId: 'a' });
    const ended = [a, b].map(unopened);
    for (const [defaultId, serial] of [
      ['b', b.serialNumber],
      ['a', a.serialNumber],
    ] as const) {
      await bring(target, ended, { defaultId });
      expect([read('default').serial, read('a.test').serial, read('b.test').serial]).toEqual([
        serial,
        a.serialNumber,
        b.serialNumber,
      ]);
    }
    await bring(target, ended);
    expect(existsSync(join(live, 'default.pem'))).toBe(false);
    expect(await bring(target, ended)).toEqual({ isInEffect: true, refused: undefined });
    expect([read('a.test').serial, read('b.test').serial]).toEqual([a.serialNumber, b.serialNumber]);
  },
);
