/** Makes the store of a bus, for `certbus bus bootstrap`. */
import type { Policies } from '@certbus/lambda/policies';
import { parseCheckpointReference, parseReference } from '@certbus/runtime/local';
import { type ArchiveAddress, parseAddress, parseArchiveAddress, tableNameOf } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import type { Outgoing } from '@certbus/store/outgoing';
import { CliError } from './errors.ts';

/** What the policies of a table are about, besides the table. */
export interface PolicyRequest {
  /** Address of the archive; `undefined` for none. */
  readonly archive: string | undefined;
  /** Ids of hosted zones in Route 53. */
  readonly zones: readonly string[];
  /** Patterns of the names that challenges are delegated to. */
  readonly delegated: readonly string[];
  /** References to the secrets that the manager reads. */
  readonly secrets: readonly string[];
  /** Reference to the parameter of the checkpoint; `undefined` for none. */
  readonly checkpoint: string | undefined;
  /** Reference to the parameter with the identity of the function for ACM; `undefined` for none. */
  readonly identity: string | undefined;
  /** ARN of a KMS key; `undefined` for none of one's own. */
  readonly kmsKey: string | undefined;
  /** Ids of other accounts with load balancers. */
  readonly accounts: readonly string[];
}

interface BootstrapOptions {
  readonly outgoing: Outgoing | undefined;
  readonly signal: AbortSignal;
}

const partition = (tableArn: string): string => tableArn.split(':')[1] ?? 'aws';

/** What the flags of policies have to look like, by flag. */
const FORMS: readonly {
  readonly flag: string;
  readonly pattern: RegExp;
  readonly form: string;
  readonly of: (request: PolicyRequest) => readonly string[];
}[] = [
  { flag: '--zone', pattern: /^[A-Z0-9]{1,32}$/, form: 'the id of a hosted zone', of: ({ zones }) => zones },
  {
    flag: '--delegated',
    // Route 53 compares with names in small letters.
    pattern: /^[a-z\d_*?-]+(?:\.[a-z\d_*?-]+)+$/,
    form: 'a pattern in small letters such as *.acme.example.net',
    of: ({ delegated }) => delegated,
  },
  { flag: '--account', pattern: /^\d{12}$/, form: 'the 12 digits of an account', of: ({ accounts }) => accounts },
  {
    flag: '--kms-key',
    pattern: /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/,
    form: 'the ARN of a KMS key',
    of: ({ kmsKey }) => (kmsKey === undefined ? [] : [kmsKey]),
  },
  {
    flag: '--checkpoint',
    pattern: /^ssm:/,
    form: 'a reference such as ssm:/certbus/prod/checkpoint',
    of: ({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint]),
  },
  {
    flag: '--identity',
    pattern: /^ssm:/,
    form: 'a reference such as ssm:/certbus/prod/acm-identity',
    of: ({ identity }) => (identity === undefined ? [] : [identity]),
  },
];

/** Throws `CERTBUS_CLI_USAGE` for a flag that no policy can be made of: a wrong one would allow nothing, or too much. */
function check(request: PolicyRequest): void {
  for (const { flag, pattern, form, of } of FORMS)
    for (const value of of(request))
      if (!pattern.test(value)) throw new CliError('CERTBUS_CLI_USAGE', `${flag} ${value} is not ${form}.`);
}

/** The archive's place in S3, for policies; `undefined` where it is a folder, or there is none. */
function archivePlace(address: ArchiveAddress | undefined, tableArn: string) {
  if (address?.kind !== 's3') return undefined;
  return { bucketArn: `arn:${partition(tableArn)}:s3:::${address.bucket}`, prefix: address.prefix };
}

/**
 * Makes the store that an address names, where it is not there; for a table the policies of those who use it. A table of another account is not
 * made: with these credentials it would be another one of the same name, in this account.
 */
export async function bootstrap(
  address: string,
  request: PolicyRequest,
  { outgoing, signal }: BootstrapOptions,
): Promise<{ policies: Policies | undefined; account: string | undefined }> {
  check(request);
  const place = parseAddress(address);
  const archive = request.archive ? parseArchiveAddress(request.archive) : undefined;
  const secrets = request.secrets.map((text) => parseReference(text, '--secret'));
  const checkpoint =
    request.checkpoint === undefined ? undefined : parseCheckpointReference(request.checkpoint, '--checkpoint');
  const identity = request.identity === undefined ? undefined : parseReference(request.identity, '--identity');
  if (place.kind !== 'dynamodb') {
    await (await openLog(place, { create: true, signal })).close();
    return { policies: undefined, account: undefined };
  }
  const { bootstrapTable } = await import('@certbus/store/dynamodb');
  const { createPolicies, secretArn } = await import('@certbus/lambda/policies');
  const { table, stream, region, endpoint, account } = place;
  const options = { table, outgoing, signal, ...(region ? { region } : {}), ...(endpoint ? { endpoint } : {}) };
  const { tableArn } = account === undefined ? await bootstrapTable(options) : { tableArn: tableNameOf(place) };
  const arnsOf = (service: 'ssm' | 'secretsmanager') =>
    secrets.filter((secret) => secret.service === service).map((secret) => secretArn(secret, tableArn));
  const policies = createPolicies({
    tableArn,
    stream,
    archive: archivePlace(archive, tableArn),
    zoneArns: request.zones.map((id) => `arn:${partition(tableArn)}:route53:::hostedzone/${id}`),
    delegated: request.delegated,
    parameterArns: arnsOf('ssm'),
    secretArns: arnsOf('secretsmanager'),
    checkpointArn: checkpoint && secretArn(checkpoint, tableArn),
    identityArn: identity && secretArn(identity, tableArn),
    keyArn: request.kmsKey,
    accounts: request.accounts,
  });
  return { policies, account };
}
