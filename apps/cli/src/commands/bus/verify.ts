import { BEGINNING } from '@certbus/events';
import { BaseCommand } from '../../base-command.ts';

/** Commits between two lines of progress. */
const TELL_EVERY = 10_000;

export default class BusVerify extends BaseCommand {
  static override summary = 'Check the whole bus: every position, link and signature.';
  static override description =
    'Ends with status 9 and the position where the history breaks, if it does, or lacks what this machine has read before.';

  async run(): Promise<{ commits: number; hash: string | null }> {
    const { flags } = await this.parse(BusVerify);
    const { openLocalBus } = await import('../../compose.ts');
    const { checkNothingLost } = await import('../../nothing-lost.ts');
    const config = this.localConfig(flags);
    const { bus, close } = await openLocalBus(config);
    try {
      let checkpoint = BEGINNING;
      for (;;) {
        const options = { consistent: true, everySignature: true, signal: this.signal };
        const page = await bus.read(checkpoint, options);
        if (page.refused) throw page.refused;
        const before = checkpoint.position;
        ({ checkpoint } = page);
        if (page.end) break;
        if (Math.floor(before / TELL_EVERY) < Math.floor(checkpoint.position / TELL_EVERY))
          this.progress(`${checkpoint.position} commits are good so far`);
      }
      await checkNothingLost(bus, checkpoint, { config, signal: this.signal }).catch((error: unknown) => {
        this.progress(`all ${checkpoint.position} commits that are there are good`);
        throw error;
      });
      this.log(`all ${checkpoint.position} commits are good; the last one's hash is ${checkpoint.hash}`);
      return { commits: checkpoint.position, hash: checkpoint.hash };
    } finally {
      await close();
    }
  }
}
