/** `certbus-agent run`. */
import { notifySystemd } from '@certbus/store/service';
import { startAgent } from '../agent.ts';
import { BaseCommand } from '../command-line/base-command.ts';
import { lineWriter } from '../reporting/lines.ts';
import { counted } from '../reporting/status.ts';

/** A balancer is not kept from its start by a bus or a target that hangs. */
const READY_AFTER_MS = 10_000;

export default class Run extends BaseCommand {
  static override enableJsonFlag = false;
  static override summary = 'Keep the targets up to date until it is stopped: the service.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<void> {
    const { flags } = await this.parse(Run);
    const log = lineWriter(process.stdout);
    const { signal } = this;
    const agent = await startAgent(this.configuration(flags), { log, signal }).catch((error: unknown) => {
      if (error === signal.reason) return undefined;
      throw error;
    });
    if (!agent) return log('stopped before the bus was read; the next start reads it');
    if (agent.http01) log(`answering HTTP-01 on ${agent.http01}`);
    if (agent.tlsAlpn01) log(`answering TLS-ALPN-01 on ${agent.tlsAlpn01}`);
    if (agent.endpoints) log(`showing /healthz and /metrics on ${agent.endpoints}`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, READY_AFTER_MS);
    });
    await Promise.race([agent.started, late, this.stopped()]);
    clearTimeout(timer);
    if (!signal.aborted) {
      await notifySystemd('READY=1');
      const { targets, position } = agent.health();
      log(`ready: ${counted(targets.length, 'target')}, at position ${position} of the bus`);
    }
    await this.stopped();
    await notifySystemd('STOPPING=1');
    await agent.stop();
    log('stopped; the balancers go on with what they have');
  }
}
