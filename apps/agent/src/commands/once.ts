/** `certbus-agent once`. */
import { Flags } from '@oclif/core';
import { startAgent } from '../agent.ts';
import { BaseCommand } from '../command-line/base-command.ts';
import { UnhealthyError } from '../errors.ts';
import { lineWriter } from '../reporting/lines.ts';
import { unhealthyTargets } from '../reporting/status.ts';

export default class Once extends BaseCommand {
  static override summary =
    'Bring the targets up to date once: for cron, for containers, and before a balancer starts.';
  static override examples = ['<%= config.bin %> <%= command.id %> --offline'];
  static override flags = {
    offline: Flags.boolean({ description: 'go by the replica on this machine and do not wait for the bus' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Once);
    const log = lineWriter(process.stderr);
    // Challenges, pages and check-ins are the service's: it may be running, and have the ports.
    const {
      http01: _,
      tlsAlpn01: _alpn,
      endpoints: _pages,
      checkIn: _url,
      ...configuration
    } = this.configuration(flags);
    const agent = await startAgent(configuration, {
      log,
      isOffline: flags.offline,
      waitsForBus: !flags.offline,
      signal: this.signal,
    });
    try {
      await Promise.race([agent.started, this.stopped()]);
      this.signal.throwIfAborted();
      const status = agent.status();
      for (const { name, isPaused } of status.targets) if (isPaused) log(`${name}: paused, and left as it is`);
      const failed = unhealthyTargets(status).join(', ');
      if (failed !== '') {
        const what = `Not everything is in place at ${failed}; "certbus-agent status" shows what and why.`;
        throw new UnhealthyError(what, status);
      }
      if (status.live || flags.offline) return status;
      const what = `The bus did not answer: the targets are as the replica has it, at position ${status.position}. With --offline that is enough.`;
      throw new UnhealthyError(what, status);
    } finally {
      await agent.stop();
    }
  }
}
