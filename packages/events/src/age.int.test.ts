import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createIdentity, parseIdentityFile } from './keys.ts';
import { seal } from './sealed-key.ts';

const hasAge = spawnSync('age', ['--version']).status === 0;
const skip = !hasAge && !process.env['CI'];
const reason = skip ? ' (skipped: the program age is not installed)' : '';

test.skipIf(skip)(`a stock age opens what is sealed on the bus, with the key file as it is${reason}`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'certbus-age-'));
  try {
    const text = await createIdentity();
    const keyFile = join(folder, 'loadbalancer.key');
    writeFileSync(keyFile, text, { mode: 0o600 });
    const recipient = { name: 'edge', recipient: (await parseIdentityFile(text)).recipient };
    const sealed = await seal('-----BEGIN PRIVATE KEY-----', [recipient]);
    const opened = execFileSync('age', ['--decrypt', '--identity', keyFile], { input: Buffer.from(sealed, 'base64') });
    expect(opened.toString()).toBe('-----BEGIN PRIVATE KEY-----');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
