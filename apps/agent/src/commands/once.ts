/** `certbus-agent once`. */
import { cleanLine } from '@certbus/events';
import { Flags } from '@oclif/core';
import { startAgent } from '../agent.ts';
import { UnhealthyError } from '../errors.ts';
import { BaseCommand } from './base-command.ts';

export default class Once extends BaseCommand {
  static override summary =
    'Bring the targets up to date once: for cron, for containers, and before a balancer starts.';
  static override examples = ['<%= config.bin %> <%= command.id %> --offline'];
  static override flags = {
    offline: Flags.boolean({ description: 'go by the replica on this machine and do not wait for the bus' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Once);
    const log = (line: string) => process.stderr.write(`${cleanLine(line)}\n`);
    // Challenges are the service's: it may be running, and have the port.
    const { http01: _, ...configuration } = this.configuration(flags);
    const agent = await startAgent(configuration, { log, isOffline: flags.offline });
    try {
      if (!flags.offline) await agent.caughtUp;
      await agent.started;
      const status = agent.status();
      const failed = status.targets.filter(
        ({ error, certificates }) => error || Object.values(certificates).some(({ problem }) => problem),
      );
      if (failed.length === 0) return status;
      const names = failed.map(({ name }) => name).join(', ');
      throw new UnhealthyError(
        `Not everything is in place at ${names}; "certbus-agent status" says what and why.`,
        status,
      );
    } finally {
      await agent.stop();
    }
  }
}
