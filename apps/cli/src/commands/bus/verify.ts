/** `certbus bus verify`. */
import { BaseCommand } from '../../base-command.ts';
import { allAre, allOf, many } from '../../counts.ts';

/** Commits between two lines of progress. */
const TELL_EVERY = 10_000;

export default class BusVerify extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Check the whole bus: every position, link, signature and id.';
  static override description =
    'Ends with status 9 and the position where the history breaks, if it does, or lacks what this machine has read before.';

  static override examples = ['<%= config.bin %> <%= command.id %>'];
  async run(): Promise<{ commits: number; hash: string | null }> {
    const { flags } = await this.parse(BusVerify);
    const { verifyBus } = await import('@certbus/store');
    const { openLocalBus } = await import('@certbus/runtime');
    const { checkNothingLost } = await import('@certbus/runtime');
    const environment = this.environment(flags);
    const { bus, close } = await openLocalBus(environment, { signal: this.signal });
    try {
      let told = 0;
      const onProgress = (position: number) => {
        if (position - told < TELL_EVERY) return;
        told = position;
        this.progress(`${many(position, 'commit')} good so far`);
      };
      const { checkpoint, repeated } = await verifyBus(bus, { signal: this.signal, onProgress });
      await checkNothingLost(bus, checkpoint, { environment, signal: this.signal }).catch((error: unknown) => {
        const are = checkpoint.position === 1 ? 'is' : 'are';
        this.progress(`${allOf(checkpoint.position, 'commit')} that ${are} there ${are} good`);
        throw error;
      });
      if (repeated) {
        this.progress(
          `${allAre(checkpoint.position, 'commit')} signed and linked, and not all have an id of their own`,
        );
        throw repeated;
      }
      this.show(`${allAre(checkpoint.position, 'commit')} good; the last one's hash is ${checkpoint.hash}`);
      return { commits: checkpoint.position, hash: checkpoint.hash };
    } finally {
      await close();
    }
  }
}
