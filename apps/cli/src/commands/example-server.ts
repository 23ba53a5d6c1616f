/** `certbus example-server`. */
import { once } from 'node:events';
import { clean, readKey } from '@certbus/runtime/local';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';

export default class ExampleServer extends BaseCommand {
  static override enableJsonFlag = false;
  static override summary = 'Run an HTTPS server that serves the certificates of the bus, and answers HTTP-01.';
  static override examples = ['<%= config.bin %> <%= command.id %> --port 8443 --http-port 80'];
  static override flags = {
    host: Flags.string({ default: '127.0.0.1', description: 'address to listen on' }),
    port: Flags.integer({ default: 8443, min: 0, max: 65_535, description: 'port for HTTPS' }),
    'http-port': Flags.integer({ default: 5002, min: 0, max: 65_535, description: 'port for HTTP-01' }),
    interval: Flags.integer({
      default: 10_000,
      min: 100,
      description: 'time between two looks at a quiet bus, milliseconds',
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(ExampleServer);
    const { startExampleServer } = await import('certbus-example-server');
    const environment = this.environment(flags);
    const { config, stateDirectory } = environment;
    const server = await startExampleServer({
      bus: config.bus,
      trust: config.trust,
      identity: await readKey(environment, 'identity', { signal: this.signal }),
      archive: config.archive,
      stateDirectory,
      host: flags.host,
      port: flags.port,
      httpPort: flags['http-port'],
      intervalMs: flags.interval,
      log: (line) => this.log(clean(line)),
    });
    if (!this.signal.aborted) await once(this.signal, 'abort');
    await server.close();
  }
}
