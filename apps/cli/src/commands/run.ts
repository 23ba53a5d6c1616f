/** `certbus run`. */
import { Flags } from '@oclif/core';
import { SigningCommand } from '../base-command.ts';

/** The port of the pages, unless told. */
const PORT = 9780;
/** What is not released by then, of a bus that hangs, ends by itself. */
const EXIT_MS = 8_000;

export default class Run extends SigningCommand {
  static override enableJsonFlag = false;
  static override summary = 'Renew whatever is due, when it is due, until it is stopped: the service.';
  static override description =
    'Follows the bus, takes up at once what other managers leave there, and reads a changed configuration by itself. Any number of these can share a bus. /healthz and /metrics are served to this machine alone, unless --host names another address. SIGTERM and Ctrl-C release what is under way within 5 seconds.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];
  static override flags = {
    port: Flags.integer({
      description: 'port of /healthz and /metrics; 0 for any',
      default: PORT,
      min: 0,
      max: 65_535,
    }),
    host: Flags.string({
      description: 'address that they are on; who can reach it can read them',
      default: '127.0.0.1',
    }),
    pages: Flags.boolean({ description: 'serve /healthz and /metrics', default: true, allowNo: true }),
    interval: Flags.integer({
      description: 'time between two looks at a bus that does not report when it is written to, milliseconds',
      default: 10_000,
      min: 100,
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Run);
    const { runDaemon } = await import('@certbus/runtime/daemon');
    const { createDisplay } = await import('../progress/display.ts');
    const progress = (line: string, fields?: Readonly<Record<string, unknown>>) => this.progress(line, fields);
    const nothingDrawn = { board: undefined, isShared: false, data: progress };
    const { onProgress } = createDisplay({ ...nothingDrawn, progress, now: () => new Date() });
    const hangs = () => setTimeout(() => process.exit(1), EXIT_MS).unref();
    this.signal.addEventListener('abort', hangs, { once: true });
    await runDaemon(this.environment(flags), {
      signal: this.signal,
      port: flags.pages ? flags.port : undefined,
      // Without the brackets that an IPv6 address has in a URL.
      host: flags.host.replace(/^\[(.*)\]$/, '$1'),
      intervalMs: flags.interval,
      log: (line, level) => this.note(line, level),
      onProgress,
    });
  }
}
