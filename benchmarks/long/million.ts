import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { measuredOn, mega, type Part, type PartResult } from './part.ts';
import { type Phase, runPhase } from './phase.ts';

const MAX_BYTES = 1_000_000_000;
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const CLI = at('../../apps/cli/bin/dev.js');

/**
 * A bus of a million certificates: generated, verified, snapshotted, archived, trimmed and followed from scratch, each step in a
 * process of its own that must stay within 1 GB of memory.
 */
export const million: Part = { certificates: 1_000_000, publishedFrom: 1_000_000, run };

async function run(certificates: number): Promise<PartResult> {
  const folder = temporaryFolder();
  const place = (name: string) => join(folder.path, name);
  const phases: Phase[] = [];
  const problems: string[] = [];
  const env = (role: string) => ({ ...process.env, CERTBUS_STATE_DIR: place(role), NO_COLOR: '1' });

  async function phase(name: string, args: readonly string[], role = 'manager'): Promise<Phase> {
    const done = await runPhase(name, args, { env: env(role), cwd: folder.path });
    phases.push(done);
    if (done.peakBytes > MAX_BYTES) problems.push(`"${name}" took ${Math.round(done.peakBytes / 1e6)} MB of memory`);
    return done;
  }

  function sizeOf(path: string): number {
    const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  }

  const newcomer = (archive?: string) => [
    at('newcomer.ts'),
    `sqlite:${place('bus.db')}#fleet`,
    place('loadbalancer.key'),
    place('bus.pub'),
    ...(archive ? [archive] : []),
  ];

  function checkFollowed(name: string, { output }: Phase): void {
    const { served, live } = JSON.parse(output);
    if (served !== certificates || !live) problems.push(`"${name}" serves ${served} certificates, live: ${live}`);
  }

  try {
    const generated = await phase('generate', [at('generate.ts'), folder.path, String(certificates)]);
    const { commits, randomBytes } = JSON.parse(generated.output);
    const logBytes = statSync(place('bus.db')).size;
    await phase('certbus bus verify', [CLI, 'bus', 'verify']);
    checkFollowed('by log', await phase('newcomer, from the log', newcomer(), 'by-log'));
    rmSync(place('by-log'), { recursive: true });
    await phase('certbus bus snapshot', [CLI, 'bus', 'snapshot']);
    const snapshotBytes = sizeOf(place('archive/snapshots'));
    checkFollowed(
      'by snapshot',
      await phase('newcomer, from the snapshot', newcomer(`file:${place('archive')}`), 'by-snapshot'),
    );
    rmSync(place('by-snapshot'), { recursive: true });
    await phase('certbus bus archive --trim', [CLI, 'bus', 'archive', '--trim', '--yes']);
    await phase('certbus bus verify, archived', [CLI, 'bus', 'verify']);
    const trimmed = await phase('newcomer, after the trim', newcomer(`file:${place('archive')}`), 'trimmed');
    checkFollowed('after the trim', trimmed);
    rmSync(place('archive/snapshots'), { recursive: true });
    const archived = await phase('newcomer, from the archives alone', newcomer(`file:${place('archive')}`), 'archived');
    checkFollowed('from the archives', archived);
    const size = { certificates, commits, randomBytes, logBytes, snapshotBytes };
    return { section: describe(size, { phases, problems }), problems };
  } finally {
    folder.remove();
  }
}

interface Size {
  readonly certificates: number;
  readonly commits: number;
  readonly randomBytes: number;
  readonly logBytes: number;
  readonly snapshotBytes: number;
}

function describe(
  size: Size,
  { phases, problems }: { readonly phases: readonly Phase[]; readonly problems: readonly string[] },
): string {
  const rows = phases.map(
    ({ name, seconds, peakBytes }) => `| ${name} | ${Math.round(seconds)} s | ${mega(peakBytes)} |`,
  );
  const result = problems.length === 0 ? 'Every step stayed within 1 GB and ended as it should.' : problems.join('; ');
  return `## A bus of ${size.certificates.toLocaleString('en')} certificates

${measuredOn()}: ${size.commits.toLocaleString('en')} commits, each of up to 25 orders' events;
log ${mega(size.logBytes)}, snapshot ${mega(size.snapshotBytes)}, which is ${(size.snapshotBytes / size.randomBytes).toFixed(2)} times the
random bytes in it. Each step is a process of its own; memory is the kernel's high-water mark of its resident set.

| step | time | memory |
| --- | --- | --- |
${rows.join('\n')}

${result}
`;
}
