import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './machine.ts';
import { requirePart } from './parts.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SELF = relative(ROOT, fileURLToPath(import.meta.url));
const part = requirePart('disks');

test.skipIf(part.skip)(part.title('a program of a repository in a closed folder runs as another user'), () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const closed = join(path, 'closed');
  const repository = join(closed, 'repository');
  mkdirSync(repository, { recursive: true, mode: 0o700 });
  const file = join(repository, SELF);
  // What is imported there runs as 4713 what reads this file.
  const program = `
    import { execFileSync } from 'node:child_process';
    import { asUser } from '${join(repository, 'services/src/other-users.ts')}';
    const read = 'console.log(process.getuid(), process.getgid(), require("node:fs").readFileSync(process.argv[1], "utf8").length)';
    const [command, ...args] = asUser(4713, [process.execPath, '--eval', read, '${file}']);
    process.stdout.write(execFileSync(command, args));`;
  const node = process.execPath.startsWith(ROOT)
    ? join(repository, relative(ROOT, process.execPath))
    : process.execPath;
  const script = `mount --bind '${ROOT}' ${repository} && exec ${node} --input-type=module --eval "$0"`;
  const said = execFileSync('unshare', ['--mount', 'sh', '-c', script, program], { encoding: 'utf8' });
  expect(said).toMatch(/^4713 4713 \d{3,}\n$/);
});
