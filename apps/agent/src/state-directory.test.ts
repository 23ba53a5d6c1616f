import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { STATUS_FILE } from './reporting/status.ts';
import { stateDirectoryFor, stateDirectoryOfAgent } from './state-directory.ts';

const isRoot = process.getuid?.() === 0;

test('the state of another user is looked into by no command, and that user is named', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const stateDirectory = join(path, 'state');
  expect(stateDirectoryFor({ stateDirectory })).toBe(stateDirectory);
  mkdirSync(stateDirectory);
  expect(stateDirectoryFor({ stateDirectory })).toBe(stateDirectory);
  // Another user's can be made by root alone, who is the other one for everybody else.
  if (isRoot) chownSync(stateDirectory, 4711, 4711);
  expect(() => stateDirectoryFor({ stateDirectory: isRoot ? stateDirectory : '/' })).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_AGENT_OTHER_USER',
      message: expect.stringMatching(
        isRoot ? /user 4711,.* "runuser -u '#4711' --"/ : /user root \(0\),.* "sudo -u root --"/,
      ),
    }),
  );
});

test('in a folder that everyone can write to each user has one, and a pause is not for that of another one', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  chmodSync(path, 0o777);
  const own = join(path, `certbus-${process.getuid?.() ?? 0}`);
  const other = join(path, 'certbus-4711');
  const write = (folder: string) => {
    mkdirSync(folder);
    writeFileSync(join(folder, STATUS_FILE), '{}');
  };
  expect(() => stateDirectoryOfAgent({ stateDirectory: path })).toThrow('No agent has written a status in');
  write(other);
  expect(stateDirectoryFor({ stateDirectory: path })).toBe(own);
  expect(() => stateDirectoryOfAgent({ stateDirectory: path })).toThrow('This agent runs as user 4711');
  write(own);
  expect(stateDirectoryOfAgent({ stateDirectory: path })).toBe(own);
});
