/** `certbus-agent status`. */
import { clean } from '@certbus/events';
import { stateDirectoryFor } from '../agent.ts';
import { AgentError } from '../errors.ts';
import { type AgentStatus, readStatus } from '../status.ts';
import { BaseCommand } from './base-command.ts';

/** Whether a process is there; one of another user is, too. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

type Target = AgentStatus['targets'][number];

function* linesOf({ name, isPaused, position, checkedAt, error, certificates }: Target): Iterable<string> {
  const all = Object.entries(certificates);
  const wrong = all.filter(([, { problem }]) => problem);
  const state = isPaused ? 'paused' : error ? 'failed' : wrong.length > 0 ? 'in part' : 'in place';
  yield `${name}: ${state}, ${all.length - wrong.length} of ${all.length} certificates, position ${position ?? 'unknown'}, compared ${checkedAt ?? 'never'}`;
  if (error) yield `  ${error.message} Code: ${error.code}.`;
  for (const [id, { names, problem }] of wrong)
    yield `  ${id} ${names.slice(0, 3).join(', ')}: ${problem?.message} Code: ${problem?.code}.`;
}

export default class Status extends BaseCommand {
  static override summary = 'Show which certificates are in place at each target, and what failed and why.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Status);
    const folder = stateDirectoryFor(this.configuration(flags));
    const status = readStatus(folder);
    if (!status) {
      const what = `No agent has written a status in ${folder} yet. Start one with "certbus-agent run".`;
      throw new AgentError('CERTBUS_AGENT_CONFIG_MISSING', what);
    }
    const running = isRunning(status.pid);
    this.log(`${running ? `running as process ${status.pid}` : 'not running'}, as of ${status.at}`);
    this.log(`${status.live ? 'caught up with the bus' : 'behind the bus'}, position ${status.position}`);
    for (const target of status.targets) for (const line of linesOf(target)) this.log(clean(line));
    return { ...status, isRunning: running };
  }
}
