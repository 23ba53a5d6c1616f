/** Runs of `certbus-agent once` that are killed. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledAgent } from 'certbus-services/vitest';
import type { Site } from '../agent.builders.ts';

const killer = new URL('kill-at-step.builders.ts', import.meta.url).href;

/** How a run ended. */
export interface Run {
  readonly isKilled: boolean;
  /** Its exit status; `NaN` where it was killed. */
  readonly status: number;
}

/** Writes the `agent.json` of a site, with the folders that agents of its tests have. */
export function writeConfiguration(site: Site, targets: readonly Readonly<Record<string, unknown>>[]): void {
  const content = {
    ...{ bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key' },
    stateDirectory: join(site.folder, 'state'),
    targets,
  };
  writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
}

/** Runs `certbus-agent once` for what {@link writeConfiguration} wrote, killed by SIGKILL at a step; 0 for none. */
export async function runOnce(site: Site, step: number): Promise<Run> {
  const { path, env: compiled } = await bundledAgent();
  const env = { ...compiled, PATH: process.env['PATH'], HOME: site.folder, CERTBUS_KILL_AT_STEP: String(step) };
  const options = { cwd: site.folder, env, timeout: 280_000 };
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', killer, path, 'once'], options, (error) =>
      resolve({ isKilled: error?.signal === 'SIGKILL', status: error ? Number(error.code ?? Number.NaN) : 0 }),
    );
  });
}
