/** Tests of what the build makes, as commands read it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { readBuiltFile } from './built-file.ts';

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

test('a file of the build is read, and one that is not there says how it is made', async () => {
  const file = join(folder, 'lambda.zip');
  await expect(readBuiltFile(file)).rejects.toMatchObject({
    code: 'CERTBUS_CLI_FILE_PROBLEM',
    message: expect.stringMatching(/lambda\.zip is not there: the build makes it\. .*npm run install-packed/),
  });
  writeFileSync(file, 'PK');
  expect((await readBuiltFile(file)).toString()).toBe('PK');
  // Something else is wrong with it, and the build would not change that.
  await expect(readBuiltFile(folder)).rejects.toMatchObject({ code: 'EISDIR' });
});
