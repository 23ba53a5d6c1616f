/** A bus in DynamoDB as an account of AWS has it: behind a judge of policies, with a CA, Route 53, SSM and S3. */
import { join } from 'node:path';
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import { type Route53Fake, startRoute53Fake } from '@certbus/acme-server/route53';
import { formatTrust } from '@certbus/events';
import type { Manager } from '@certbus/manager';
import { beginTestBus } from '@certbus/manager/testing';
import { type ManagerSettings, type OpenBus, readEnvironment, withManager } from '@certbus/runtime';
import type { WriteLine } from '@certbus/runtime/local';
import { openLog } from '@certbus/store/open';
import { type AwsAccount, type RoleOptions, requirePart, startAwsAccount, temporaryFolder } from 'certbus-services';
import { createPolicies, type Policies, type PolicyPlace } from './policies/index.ts';

const STREAM = 'prod';
const ZONE = 'Z0123456789ABC';
/** A zone of the account that no policy of the bus names. */
const OTHER_ZONE = { id: 'Z9876543210XYZ', name: 'other.test' };
const KEY = '/certbus/prod/manager-key';
const CHECKPOINT = '/certbus/prod/checkpoint';
const BUCKET = 'certbus-archive';

/** Why this machine cannot have such an account; `undefined` when it can. */
export const missingPart: ReturnType<typeof requirePart> | undefined = [
  requirePart('dynamodb-local'),
  requirePart('moto'),
  requirePart('iam-judge'),
].find(({ skip }) => skip);

/** Variables of an environment. */
type Texts = Readonly<Record<string, string>>;

/** The account, and the bus in it. */
export interface Site extends AsyncDisposable {
  readonly account: AwsAccount;
  readonly ca: AcmeServer;
  readonly route53: Route53Fake;
  readonly place: PolicyPlace;
  readonly policies: Policies;
  readonly managerKey: string;
  /** Text of the root key. */
  readonly rootKey: string;
  /** Text of a load balancer's identity. */
  readonly identity: string;
  readonly folder: string;
  /** The variables of the function, without its folder. */
  readonly variables: Texts;
  /** The configuration of the bus, with more settings of Route 53. */
  configuration(route53: object): object;
  /**
   * Acts from now on as a role with these policies, of this account unless more is said of it: each call of the SDK in this process. Returns the
   * credentials as variables.
   */
  actAs(role: string | (RoleOptions & { readonly name: string }), ...policies: readonly unknown[]): Texts;
  /** Runs with a manager on a machine of its own, which has nothing but the variables. */
  manage<T>(
    run: (manager: Manager, open: OpenBus) => Promise<T>,
    options?: { readonly variables?: Texts; readonly settings?: ManagerSettings; readonly writeLine?: WriteLine },
  ): Promise<T>;
}

/** Starts everything, and makes a table as the template does; the bus itself is begun under the manager's policy. */
export async function createSite({
  dynamodb,
}: {
  /** Where a DynamoDB Local is. */
  readonly dynamodb: string;
}): Promise<Site> {
  const { path: folder, remove } = temporaryFolder();
  const route53 = await startRoute53Fake({ zones: [{ id: ZONE, name: 'example.test' }, OTHER_ZONE] });
  const [account, ca] = await Promise.all([
    startAwsAccount({ dynamodb, route53: route53.endpoint }),
    startAcmeServer({ validation: { dnsServer: route53.dns } }),
  ]);
  const { arn, endpoint, proxy, region } = account;
  await account.createBucket(BUCKET);
  const table = `certbus-${crypto.randomUUID()}`;
  const place: PolicyPlace = {
    tableArn: arn('dynamodb', `table/${table}`),
    stream: STREAM,
    archive: { bucketArn: `arn:aws:s3:::${BUCKET}`, prefix: 'certbus/prod' },
    zoneArns: [`arn:aws:route53:::hostedzone/${ZONE}`],
    parameterArns: [arn('ssm', `parameter${KEY}`)],
    checkpointArn: arn('ssm', `parameter${CHECKPOINT}`),
  };
  const policies = createPolicies(place);
  const query = `region=${region}&endpoint=${endpoint}`;
  const address = `dynamodb://${table}/${STREAM}?${query}`;
  const before = { ...process.env };
  const actAs: Site['actAs'] = (role, ...documents) => {
    const { name, ...more } = typeof role === 'string' ? { name: role } : role;
    const { accessKeyId, secretAccessKey } = proxy.addRole(name, documents, more);
    const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region };
    Object.assign(process.env, credentials);
    return credentials;
  };
  actAs('administrator', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'dynamodb:*', Resource: '*' }],
  });
  await (await openLog(address, { create: true })).close();
  actAs('certbus-manager', policies.manager);
  const log = await openLog(address, { create: true });
  const { managerKey, rootKey, identity, trust } = await beginTestBus(log, STREAM, { manager: 'lambda' });
  await log.close();
  await account.putParameter(KEY, managerKey);
  const variables = {
    CERTBUS_BUS: address,
    CERTBUS_TRUST: formatTrust(trust),
    CERTBUS_MANAGER_KEY: `ssm:${KEY}?${query}`,
    CERTBUS_CHECKPOINT: `ssm:${CHECKPOINT}?${query}`,
    CERTBUS_ARCHIVE: `s3://${BUCKET}/certbus/prod?${query}`,
  };
  const manage: Site['manage'] = (run, { variables: own = {}, settings, ...options } = {}) => {
    const CERTBUS_STATE_DIR = join(folder, crypto.randomUUID());
    const environment = readEnvironment({ variables: { ...variables, CERTBUS_STATE_DIR, ...own }, ...options });
    return withManager(environment, run, settings);
  };
  const configuration = (more: object) => ({
    version: 1,
    authorities: { ca: { directory: ca.directory, termsOfServiceAgreed: true, roots: ca.roots } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'route53', endpoint, resolver: [route53.dns], nameServers: false, ...more }],
  });
  await manage((manager) => manager.configure(configuration({})));
  return {
    ...{
      account,
      ca,
      route53,
      place,
      policies,
      managerKey,
      rootKey,
      identity,
      folder,
      variables,
      configuration,
      actAs,
      manage,
    },
    async [Symbol.asyncDispose]() {
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION']) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      await Promise.all([account.stop(), ca[Symbol.asyncDispose](), route53[Symbol.asyncDispose]()]);
      remove();
    },
  };
}
