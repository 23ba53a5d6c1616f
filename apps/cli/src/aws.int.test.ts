/** Tests of what the command line prints for AWS. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUNDLE } from '@certbus/lambda/bundle';
import { TEMPLATE } from '@certbus/lambda/template';
import { mountDisk, requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

test('aws template prints the template, small enough to be given as text', async () => {
  const { status, stdout } = await certbus(folder, ['aws', 'template']);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(TEMPLATE)));
  // CloudFormation's quota for a template that is not in a bucket.
  expect(Buffer.byteLength(stdout)).toBeLessThan(51_200);
});

// The build makes it, which CI runs before the tests.
describe.skipIf(!existsSync(BUNDLE) && !process.env['CI'])('aws bundle', () => {
  test('writes the archive of the build, and its hash as Lambda shows it', async () => {
    const ended = await certbus(folder, ['aws', 'bundle', 'code.zip', '--json']);
    const written = readFileSync(join(folder, 'code.zip'));
    expect(written.equals(readFileSync(BUNDLE))).toBe(true);
    const sha256 = createHash('sha256').update(written).digest('base64');
    expect(resultOf(ended)).toEqual({ file: join(folder, 'code.zip'), bytes: written.length, sha256 });
    expect(written.length).toBeLessThan(1_000_000);
    expect(await certbus(folder, ['aws', 'bundle', 'no/such/code.zip'])).toMatchObject({ status: 3 });
    writeFileSync(join(folder, 'root.key'), 'a key');
    const refused = await certbus(folder, ['aws', 'bundle', 'root.key']);
    expect(refused).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('root.key is there already, is not a ZIP'),
    });
    expect(readFileSync(join(folder, 'root.key'), 'utf8')).toBe('a key');
    expect(await certbus(folder, ['aws', 'bundle', 'code.zip'])).toMatchObject({ status: 0 });
  });

  const disks = requirePart('disks');
  test.skipIf(disks.skip)(disks.title('leaves no half archive on a full disk, and the one before'), async () => {
    const disk = mountDisk(join(folder, 'disk'), { megabytes: 1 });
    try {
      writeFileSync(join(disk.path, 'full'), Buffer.alloc(500_000));
      const full = { status: 3, stderr: expect.stringContaining('lambda.zip: its disk is full; make room (ENOSPC') };
      expect(await certbus(disk.path, ['aws', 'bundle'])).toMatchObject(full);
      expect(readdirSync(disk.path)).toEqual(['full']);
      rmSync(join(disk.path, 'full'));
      expect(await certbus(disk.path, ['aws', 'bundle'])).toMatchObject({ status: 0 });
      expect(await certbus(disk.path, ['aws', 'bundle'])).toMatchObject(full);
      expect(readFileSync(join(disk.path, 'lambda.zip')).equals(readFileSync(BUNDLE))).toBe(true);
      expect(readdirSync(disk.path)).toEqual(['lambda.zip']);
    } finally {
      disk.remove();
    }
  });
});
