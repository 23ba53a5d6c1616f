/** `certbus-agent status`. */
import { clean } from '@certbus/events';
import { BaseCommand } from '../command-line/base-command.ts';
import { UnhealthyError } from '../errors.ts';
import { openPauses } from '../pauses.ts';
import { longestSilenceMs } from '../reconcile/schedule.ts';
import { processMark } from '../reporting/process-mark.ts';
import { type AgentStatus, counted, readStatus, unhealthyTargets } from '../reporting/status.ts';
import { stateDirectoryOfAgent } from '../state-directory.ts';

/** Whether a process is there; one of another user is, too. A later one that was given its number, as after a start of the machine, is not. */
function isRunning({ pid, processMark: mark }: Pick<AgentStatus, 'pid' | 'processMark'>): boolean {
  const found = mark === null ? undefined : processMark(pid);
  if (found !== undefined) return found === mark;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

type Target = AgentStatus['targets'][number];

/** Certificates that are listed at each target; `--json` has all of them. */
const SHOWN = 20;

const named = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

/** Whether the agent has not ended its first comparison of a target since its start. */
const isStarting = ({ isPaused, error, checkedAt }: Target): boolean =>
  !isPaused && error === null && checkedAt === null;

function stateOf(target: Target, wrong: number): string {
  if (target.isPaused) return 'paused';
  if (target.error) return 'failed';
  if (isStarting(target)) return 'starting';
  return wrong > 0 ? 'in part' : 'in place';
}

function* linesOf(target: Target): Iterable<string> {
  const { name, position, checkedAt, error, certificates } = target;
  const all = Object.entries(certificates);
  const wrong = all.filter(([, { problem }]) => problem);
  const good = all.filter(([, { problem }]) => !problem).map(([, certificate]) => certificate);
  const counts =
    checkedAt === null
      ? 'never compared'
      : `${good.length} of ${counted(all.length, 'certificate')}, position ${position ?? 'unknown'}, compared ${checkedAt}`;
  yield `${name}: ${stateOf(target, wrong.length)}, ${counts}`;
  if (error) yield `  ${error.message} Code: ${error.code}.`;
  for (const [id, { names, problem }] of wrong)
    yield `  ${id} ${named(names)}: ${problem?.message} Code: ${problem?.code}.`;
  for (const { names, notAfter } of good.slice(0, SHOWN)) yield `  ${named(names)}: until ${notAfter.slice(0, 10)}`;
  if (good.length > SHOWN) yield `  and ${good.length - SHOWN} more in place; --json lists all`;
}

export default class Status extends BaseCommand {
  protected override readonly changes = false;
  static override summary = 'Show which certificates are in place at each target, and what failed and why.';
  static override description =
    'Ends with status 10 where the agent is not running or has written nothing for long, is behind the bus, or has something that is not in place.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Status);
    const configuration = this.configuration(flags);
    const folder = stateDirectoryOfAgent(configuration);
    const status = readStatus(folder);
    const running = isRunning(status);
    const pauses = openPauses(folder);
    // A target sees its pause at its next look; from then on it is left alone, and nothing was begun in between.
    const targets = status.targets.map((target) => ({ ...target, isPaused: pauses.has(target.name) }));
    this.log(`${running ? `running as process ${status.pid}` : 'not running'}, as of ${status.at}`);
    this.log(`${status.live ? 'caught up with the bus' : 'behind the bus'}, position ${status.position}`);
    for (const target of targets) for (const line of linesOf(target)) this.log(clean(line));
    const result = { ...status, targets, isRunning: running };
    const fed = configuration.targets.filter(({ name }) => !pauses.has(name));
    // Of targets that are all paused nothing is noted.
    const isOld = fed.length > 0 && Date.now() - Date.parse(status.at) > longestSilenceMs(fed);
    const known = new Set(status.targets.map(({ name }) => name));
    const added = configuration.targets.filter(({ name }) => !known.has(name)).map(({ name }) => name);
    const wrong = [
      ...(running ? [] : ['the agent is not running']),
      ...(running && isOld
        ? [`it has written no status since ${status.at}: it hangs, or the disk of ${folder} is full`]
        : []),
      ...(status.live ? [] : ['it is behind the bus']),
      ...added.map(
        (name) => `${name} was added to ${configuration.file} after the start of the agent: restart the agent`,
      ),
      ...targets.filter(isStarting).map(({ name }) => `${name} was not compared since the start of the agent`),
      ...unhealthyTargets(status).map((name) => `not everything is in place at ${name}`),
    ];
    if (wrong.length === 0) return result;
    throw new UnhealthyError(`Something is wrong: ${wrong.join('; ')}.`, result);
  }
}
