/** Builds Go programs from their sources. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { lockOf } from './locks.ts';
import { run } from './process.ts';

const ENVIRONMENT = { CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' };

/**
 * Builds a Go program whose source lies in a folder, once for each state of the source, with its dependencies from the Go module
 * proxy. Its `go.sum` pins each of them by hash. Returns the program's path.
 */
export async function buildGoProgram(source: string): Promise<string> {
  const { cacheName } = lockOf(source);
  const name = cacheName.slice(0, cacheName.lastIndexOf('-'));
  const folder = await installOnce(cacheName, `${name}, built by Go`, async (made) => {
    await cp(source, made, { recursive: true });
    await run('go', ['build', '-o', name, '.'], { cwd: made, env: ENVIRONMENT });
  });
  return join(folder, name);
}

/**
 * Builds the tools that the `go.mod` of a folder of `services/locks` names, once, from the Go module proxy, and returns the folder of
 * programs. Its `go.sum` pins every module by hash: Go rejects another one before it builds.
 */
export async function buildGoTools(name: string): Promise<string> {
  const { folder, cacheName } = lockOf(name);
  return installOnce(cacheName, `${name} from the Go module proxy`, async (made) => {
    await run('go', ['install', 'tool'], { cwd: folder, env: { ...ENVIRONMENT, GOBIN: made } });
  });
}
