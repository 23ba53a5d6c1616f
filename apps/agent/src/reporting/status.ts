/** What the agent tells about itself: a file that the command `status` reads. */
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import type { Standing } from '../reconcile/pass.ts';
import type { TargetStatus } from '../reconcile/worker.ts';

/** How one certificate stands at a target, in JSON. */
export interface CertificateStatus {
  readonly names: readonly string[];
  /** SHA-256 of the leaf's DER that the target holds, base64url; `null` where it holds none. */
  readonly leafHash: string | null;
  /** ISO 8601. */
  readonly notAfter: string;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** How the agent and its targets stand, in JSON. */
export interface AgentStatus {
  readonly pid: number;
  /** What tells this process from a later one with its number; `null` where the system does not say. */
  readonly processMark: string | null;
  /** When it was written, ISO 8601. */
  readonly at: string;
  /** The bus position that the agent has reached. */
  readonly position: number;
  /** Whether it has caught up with the bus. */
  readonly live: boolean;
  readonly targets: readonly {
    readonly name: string;
    readonly isPaused: boolean;
    readonly position: number | null;
    readonly checkedAt: string | null;
    readonly error: { readonly code: string; readonly message: string } | null;
    readonly certificates: Readonly<Record<string, CertificateStatus>>;
  }[];
}

/** Where an agent writes its status, in its state directory. */
export const STATUS_FILE = 'agent-status.json';

/** An error as it is reported. */
export function describe(error: Error): { readonly code: string; readonly message: string } {
  return { code: 'code' in error ? String(error.code) : 'CERTBUS_UNEXPECTED', message: error.message };
}

const describeCertificate = ({ names, leafHash, notAfter, problem }: Standing): CertificateStatus => ({
  names,
  leafHash: leafHash ?? null,
  notAfter: notAfter.toISOString(),
  problem: problem ? describe(problem) : null,
});

/** A target's status in JSON. */
export function describeTarget(status: TargetStatus): AgentStatus['targets'][number] {
  const { name, isPaused, position, checkedAt, error, standings } = status;
  const certificates = [...standings].map(([id, standing]) => [id, describeCertificate(standing)]);
  return {
    name,
    isPaused,
    position: position ?? null,
    checkedAt: checkedAt?.toISOString() ?? null,
    error: error ? describe(error) : null,
    certificates: Object.fromEntries(certificates),
  };
}

/** Names of the targets at which not everything is in place. */
export const unhealthyTargets = ({ targets }: AgentStatus): readonly string[] =>
  targets
    .filter(({ error, certificates }) => error || Object.values(certificates).some(({ problem }) => problem))
    .map(({ name }) => name);

/** A number of things in words. */
export const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

/** Certificates whose text is written in one step. */
const TOGETHER = 500;

/** The status as JSON, in pieces: with thousands of certificates the whole is megabytes. */
function* textOf({ targets, ...status }: Omit<AgentStatus, 'targets'> & { readonly targets: readonly TargetStatus[] }) {
  yield `${JSON.stringify(status).slice(0, -1)},"targets":[`;
  for (const [n, target] of targets.entries()) {
    const { certificates: _, ...own } = describeTarget({ ...target, standings: new Map() });
    yield `${n === 0 ? '' : ','}${JSON.stringify(own).slice(0, -1)},"certificates":{`;
    let lines: string[] = [];
    let separator = '';
    for (const [id, standing] of target.standings) {
      lines.push(`${separator}${JSON.stringify(id)}:${JSON.stringify(describeCertificate(standing))}`);
      separator = ',';
      if (lines.length < TOGETHER) continue;
      yield lines.join('');
      lines = [];
    }
    yield `${lines.join('')}}}`;
  }
  yield ']}';
}

/** Writes the status. It holds nothing secret; that it cannot be written stops nothing. */
export function writeStatus(
  stateDirectory: string,
  status: Omit<AgentStatus, 'targets'> & { readonly targets: readonly TargetStatus[] },
): void {
  const path = join(stateDirectory, STATUS_FILE);
  try {
    // Left by a kill, or by somebody else: what it leads to is not written.
    rmSync(`${path}.new`, { force: true });
    const file = openSync(`${path}.new`, 'wx', 0o640);
    try {
      for (const piece of textOf(status)) writeFileSync(file, piece);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
  } catch {
    // A full disk: the certificates are what counts.
  }
}

/** Reads the status that an agent wrote. Throws `CERTBUS_AGENT_CONFIG_MISSING` where none did. */
export function readStatus(stateDirectory: string): AgentStatus {
  try {
    return JSON.parse(readFileSync(join(stateDirectory, STATUS_FILE), 'utf8')) as AgentStatus;
  } catch (cause) {
    const what = `No agent has written a status in ${stateDirectory} yet. Start one with "certbus-agent run". If one runs, write its "stateDirectory" into agent.json.`;
    throw new AgentError('CERTBUS_AGENT_CONFIG_MISSING', what, { cause });
  }
}
