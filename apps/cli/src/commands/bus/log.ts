/** `certbus bus log`. */
import { printableJson } from '@certbus/events';
import { BEGINNING, type Commit, type ReadEvent } from '@certbus/events/history';
import { clean, nothingThere } from '@certbus/runtime/local';
import { follow } from '@certbus/store';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

interface Entry {
  readonly position: number;
  readonly at: string;
  readonly by: string;
  readonly events: readonly unknown[];
}

const LONG = 60;

/** What is worth a glance of an event: everything short. */
function describe({ type, event }: ReadEvent): string {
  if (!event) return `${type} (not known to this release)`;
  const fields = Object.entries(event)
    .filter(([field, value]) => field !== 'type' && value !== undefined)
    .map(([field, value]): [string, string] => [field, typeof value === 'string' ? value : JSON.stringify(value)])
    .filter(([, value]) => value.length <= LONG);
  return [type, ...fields.map(([field, value]) => `${field}=${value}`)].join(' ');
}

export default class BusLog extends BaseCommand {
  static override summary = 'Show what was said on the bus, verified.';
  static override description =
    'With --follow it goes on until Ctrl-C; with --json as well, a line of JSON for each commit.';
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on with what comes' }),
    after: Flags.integer({ min: 0, default: 0, description: 'begin behind this position' }),
  };

  async run(): Promise<{ commits: Entry[] } | undefined> {
    const { flags } = await this.parse(BusLog);
    const { openLocalBus } = await import('@certbus/runtime');
    const environment = this.environment(flags);
    const { config } = environment;
    const { bus, close } = await openLocalBus(environment);
    const commits: Entry[] = [];
    try {
      let told = '';
      const onError = (error: Error) => {
        // Without --follow a bus that can be right again later is of no use.
        if (!flags.follow) throw error;
        const { message } = error;
        if (message !== told) this.progress(message);
        told = message;
      };
      const isLine = this.jsonEnabled() && flags.follow;
      for await (const batch of follow(bus, BEGINNING, { intervalMs: 1_000, onError, signal: this.signal })) {
        for (const commit of batch.commits.filter(({ position }) => position > flags.after)) {
          const entry = this.#show(commit);
          if (isLine) process.stdout.write(`${printableJson(entry)}\n`);
          else commits.push(entry);
        }
        if (flags.follow || !batch.live) continue;
        if (batch.checkpoint.position === 0) throw nothingThere(config.bus);
        break;
      }
    } catch (error) {
      // With --follow the end by Ctrl-C is the expected one.
      if (!flags.follow || !this.signal.aborted) throw error;
      return undefined;
    } finally {
      await close();
    }
    return { commits };
  }

  #show({ position, at, by, events }: Commit): Entry {
    if (!this.jsonEnabled()) {
      this.log(clean(`${position}  ${at.toISOString()}  by ${by}`));
      for (const event of events) this.log(clean(`      ${describe(event)}`));
    }
    return { position, at: at.toISOString(), by, events: events.map(({ type, event }) => event ?? { type }) };
  }
}
