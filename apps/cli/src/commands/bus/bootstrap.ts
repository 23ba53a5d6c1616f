/** `certbus bus bootstrap`. */
import type { Policies } from '@certbus/store/dynamodb-policies';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

export default class BusBootstrap extends BaseCommand {
  static override summary = 'Make the store of a bus, and print the AWS policies for who uses it.';
  static override description =
    'For DynamoDB: a table with on-demand billing, point-in-time recovery and deletion protection. One that is there is left as it is, its protection switched on. The bus itself is begun by "certbus init".';
  static override examples = [
    '<%= config.bin %> <%= command.id %> "dynamodb://certbus/prod?region=eu-central-1"',
    '<%= config.bin %> <%= command.id %> --archive s3://my-bucket/certbus',
  ];
  static override args = {
    bus: Args.string({ description: 'address of the bus; default that of the local configuration' }),
  };
  static override flags = {
    archive: Flags.string({
      description: 'address of the archive, for the policies; without BUS, default that of the local configuration',
      env: 'CERTBUS_ARCHIVE',
    }),
  };

  async run(): Promise<{ bus: string; policies: Policies | undefined }> {
    const { args, flags } = await this.parse(BusBootstrap);
    const { bootstrap } = await import('../../bootstrap.ts');
    const { resolveAddress } = await import('@certbus/store');
    const { createOutgoing } = await import('@certbus/store/outgoing');
    const config = args.bus ? undefined : this.environment(flags).config;
    const address = config ? config.bus : resolveAddress(args.bus ?? '', process.cwd());
    const archive = flags.archive ?? config?.archive;
    const outgoing = createOutgoing({ environment: process.env });
    const { policies } = await bootstrap(address, { archive, outgoing, signal: this.signal });
    this.progress(`the store of ${address} is there`);
    if (policies) this.log(JSON.stringify(policies, undefined, 2));
    return { bus: address, policies };
  }
}
