/** `certbus cert history`. */
import { BEGINNING } from '@certbus/events/history';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { begunBy, didYouMean } from '../../did-you-mean.ts';
import { createEventFilter, signedBy } from '../../event-filter.ts';
import { addSubjects } from '../../event-survey.ts';
import { describeEvent } from '../../event-text.ts';

interface Entry {
  readonly position: number;
  readonly at: string;
  readonly by: string;
  readonly type: string;
  /** All fields; `undefined` for an event that this release does not know. */
  readonly event: unknown;
}

export default class CertHistory extends BaseCommand {
  static override summary = 'Show everything that happened to a certificate, from its first order on.';
  static override description = 'Reads the whole bus, also of certificates that were removed.';
  static override examples = ['<%= config.bin %> <%= command.id %> example.com'];
  static override args = {
    id: Args.string({ required: true, description: 'id of the certificate, or a name that it has or had' }),
  };

  static override flags = { at: AT_FLAG };

  async run(): Promise<{ events: Entry[] }> {
    const { args, flags } = await this.parse(CertHistory);
    const { openLocalBus } = await import('@certbus/runtime');
    const { bus, close } = await openLocalBus(this.environment(flags), { signal: this.signal });
    const filter = createEventFilter({ subject: args.id });
    const events: Entry[] = [];
    const known = new Set<string>();
    try {
      for (let checkpoint = BEGINNING; ; ) {
        const page = await bus.read(checkpoint, { signal: this.signal });
        const commits = signedBy(page.commits, flags.at);
        for (const { position, at, by, events: all } of commits) {
          addSubjects(known, all);
          for (const each of filter(all)) {
            events.push({ position, at: at.toISOString(), by, type: each.type, event: each.event });
            const what = `${String(position).padStart(6)}  ${at.toISOString()}  ${by}  ${describeEvent(each)}`;
            this.show(what, { indent: 8 });
          }
        }
        if (page.refused && page.commits.length === 0) throw page.refused;
        ({ checkpoint } = page);
        if (commits.length < page.commits.length || (page.end && !page.refused)) break;
      }
    } finally {
      await close();
    }
    if (events.length > 0) return { events };
    const { certificateNotFound } = await import('@certbus/manager');
    throw certificateNotFound(args.id, didYouMean(begunBy(args.id, known)));
  }
}
