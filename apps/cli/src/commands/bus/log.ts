/** `certbus bus log`. */
import { printableJson } from '@certbus/events';
import { BEGINNING, type Commit } from '@certbus/events/history';
import { clean, nothingThere } from '@certbus/runtime/local';
import { follow } from '@certbus/store';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { createEventFilter, signedBy } from '../../event-filter.ts';
import { createSurvey } from '../../event-survey.ts';
import { describeEvent } from '../../event-text.ts';

interface Entry {
  readonly position: number;
  readonly at: string;
  readonly by: string;
  readonly events: readonly unknown[];
}

export default class BusLog extends BaseCommand {
  static override summary = 'Show the events of the bus, verified.';
  static override description =
    'With --follow it goes on until Ctrl-C; with --json as well, a line of JSON for each commit.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --follow',
    '<%= config.bin %> <%= command.id %> --name example.com --type CertificateObtained',
  ];
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on with what comes', exclusive: ['at'] }),
    after: Flags.integer({ min: 0, default: 0, description: 'start after this position' }),
    type: Flags.string({ multiple: true, description: 'only events of this type, such as CertificateObtained' }),
    name: Flags.string({ description: 'only events about certificates with this id or name' }),
    at: AT_FLAG,
  };

  async run(): Promise<{ commits: Entry[] } | undefined> {
    const { flags } = await this.parse(BusLog);
    const { openLocalBus } = await import('@certbus/runtime');
    const environment = this.environment(flags);
    const { config } = environment;
    const { bus, close } = await openLocalBus(environment, { signal: this.signal });
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
      const filter = createEventFilter({ types: flags.type, subject: flags.name });
      const survey = createSurvey({ types: flags.type, subject: flags.name, after: flags.after });
      let isSurveyed = false;
      const isLine = this.jsonEnabled() && flags.follow;
      for await (const batch of follow(bus, BEGINNING, { intervalMs: 1_000, onError, signal: this.signal })) {
        const shown = signedBy(batch.commits, flags.at);
        const isCut = shown.length < batch.commits.length;
        for (const commit of shown) {
          if (!isSurveyed) survey.add(commit);
          const events = filter(commit.events);
          if (commit.position <= flags.after || events.length === 0) continue;
          const entry = this.#show({ ...commit, events });
          if (isLine) process.stdout.write(`${printableJson(entry)}\n`);
          // What people were shown is not kept: it can be more than the memory holds, and with --follow it never ends.
          else if (this.jsonEnabled()) commits.push(entry);
        }
        if (!(batch.live || isCut)) continue;
        if (batch.checkpoint.position === 0 && !flags.follow) throw nothingThere(config.bus);
        const unmatched = isSurveyed ? undefined : survey.unmatched();
        isSurveyed = true;
        if (!flags.follow && unmatched) throw unmatched;
        // It can still come.
        if (unmatched) this.warn(unmatched);
        if (!flags.follow) break;
      }
    } catch (error) {
      // With --follow the end by Ctrl-C is the expected one.
      if (!flags.follow || !this.signal.aborted) throw error;
      return undefined;
    } finally {
      await close();
    }
    return this.jsonEnabled() ? { commits } : undefined;
  }

  #show({ position, at, by, events }: Commit): Entry {
    if (!this.jsonEnabled()) {
      this.log(clean(`${position}  ${at.toISOString()}  by ${by}`));
      for (const event of events) this.show(`      ${describeEvent(event)}`, { indent: 8 });
    }
    return { position, at: at.toISOString(), by, events: events.map(({ type, event }) => event ?? { type }) };
  }
}
