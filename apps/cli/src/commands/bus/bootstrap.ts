/** `certbus bus bootstrap`. */
import type { Policies } from '@certbus/lambda/policies';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';

/** The policies by the names that people use. */
const POLICIES = {
  manager: 'manager',
  'load-balancer': 'loadBalancer',
  operator: 'operator',
  acm: 'acm',
  table: 'table',
  bucket: 'bucket',
} as const satisfies Record<string, keyof Policies>;

type PolicyName = keyof typeof POLICIES;

/** Policies that are not those of every bus, and the flags that they need. */
const NEEDS: Partial<Record<PolicyName, string>> = {
  acm: '--identity',
  table: '--account',
  bucket: '--account and --archive',
};

const isPolicyName = (name: string): name is PolicyName => Object.hasOwn(POLICIES, name);

export default class BusBootstrap extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Make the store of a bus, and print the AWS policies for who uses it.';
  static override description =
    'For DynamoDB: a table with on-demand billing, point-in-time recovery and deletion protection. One that is there is left as it is, its protection switched on. Where the address names another account, no table is made. The bus itself is made by "certbus init".';
  static override examples = [
    '<%= config.bin %> <%= command.id %> "dynamodb://certbus/prod?region=eu-central-1"',
    '<%= config.bin %> <%= command.id %> --archive s3://my-bucket/certbus',
    '<%= config.bin %> <%= command.id %> --policy manager --zone Z0123456789ABC > manager.json',
  ];
  static override args = {
    bus: Args.string({ description: 'address of the bus; default that of the local configuration' }),
  };
  static override flags = {
    archive: Flags.string({
      description: 'address of the archive, for the policies; without BUS, default that of the local configuration',
      env: 'CERTBUS_ARCHIVE',
    }),
    policy: Flags.string({
      options: Object.keys(POLICIES),
      description:
        'print this policy alone, for "aws iam"; acm is that of the function that imports into ACM; table and bucket are those of the resources, for load balancers of other accounts',
    }),
    zone: Flags.string({ multiple: true, description: 'id of a hosted zone that the manager writes to' }),
    delegated: Flags.string({
      multiple: true,
      description: 'pattern of names that challenges are delegated to by CNAME, such as *.acme.example.net',
    }),
    secret: Flags.string({
      multiple: true,
      description: 'reference to a secret that the manager reads, such as ssm:/certbus/prod/manager-key',
    }),
    checkpoint: Flags.string({
      description: "reference to the parameter of the manager's checkpoint, such as ssm:/certbus/prod/checkpoint",
    }),
    identity: Flags.string({
      description: 'reference to the identity of the function for ACM, such as ssm:/certbus/prod/acm-identity',
    }),
    'kms-key': Flags.string({ description: 'ARN of a KMS key of your own that these are encrypted with' }),
    account: Flags.string({
      multiple: true,
      description: 'id of another account whose load balancers read the bus',
    }),
  };

  async run(): Promise<{ bus: string; policies: Policies | undefined }> {
    const { args, flags } = await this.parse(BusBootstrap);
    const { bootstrap } = await import('../../bootstrap.ts');
    const { resolveAddress } = await import('@certbus/store');
    const { createOutgoing } = await import('@certbus/store/outgoing');
    const config = args.bus ? undefined : this.environment(flags).config;
    const address = config ? config.bus : resolveAddress(args.bus ?? '', process.cwd());
    if (flags.policy && address.startsWith('sqlite:')) {
      const what = 'A bus in SQLite has no policies: the owner and the mode of its file are its access.';
      throw new CliError('CERTBUS_CLI_USAGE', what);
    }
    const outgoing = createOutgoing({ environment: process.env });
    const request = {
      archive: flags.archive ?? config?.archive,
      zones: flags.zone ?? [],
      delegated: flags.delegated ?? [],
      secrets: flags.secret ?? [],
      checkpoint: flags.checkpoint,
      identity: flags.identity,
      kmsKey: flags['kms-key'],
      accounts: flags.account ?? [],
    };
    const { policies, account } = await bootstrap(address, request, { outgoing, signal: this.signal });
    this.progress(
      account === undefined
        ? `the store of ${address} is there`
        : `the table of ${address} is in account ${account}, which has to make it: nothing was looked at there`,
    );
    if (policies) this.log(JSON.stringify(this.#wanted(policies, flags.policy), undefined, 2));
    return { bus: address, policies };
  }

  #wanted(policies: Policies, name: string | undefined): unknown {
    if (name === undefined || !isPolicyName(name)) return policies;
    const policy = policies[POLICIES[name]];
    if (policy) return policy;
    const what = `The policy "${name}" needs ${NEEDS[name]}. Add what is missing and run this again; "certbus bus bootstrap --help" shows the form.`;
    throw new CliError('CERTBUS_CLI_USAGE', what);
  }
}
