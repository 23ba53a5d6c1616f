/** Builds Go programs from their sources. */
import { createHash } from 'node:crypto';
import { cp, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { installOnce } from './install.ts';
import { run } from './process.ts';

/** What a Go module of one program consists of. Its `go.sum` pins every dependency by hash. */
const FILES = ['go.mod', 'go.sum', 'main.go'];

/**
 * Builds a Go program whose source lies in a folder, once for each state of the source, with its dependencies from the Go module
 * proxy. Returns the program's path.
 */
export async function buildGoProgram(source: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(await readFile(join(source, file)));
  const name = basename(source);
  const folder = await installOnce(
    `${name}-${hash.digest('hex').slice(0, 12)}`,
    `${name}, built by Go`,
    async (made) => {
      for (const file of FILES) await cp(join(source, file), join(made, file));
      await run('go', ['build', '-o', name, '.'], { cwd: made, env: { CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' } });
    },
  );
  return join(folder, name);
}
