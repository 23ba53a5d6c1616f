/** A bus in DynamoDB as an account of AWS has it: behind a judge of policies, with a CA, Route 53, SSM and S3. */
import { join } from 'node:path';
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import { type Route53Fake, startRoute53Fake } from '@certbus/acme-server/route53';
import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  formatTrust,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { createBus, type Manager } from '@certbus/manager';
import { type OpenBus, readEnvironment, type Variables, withManager } from '@certbus/runtime';
import { openLog } from '@certbus/store/open';
import {
  type IamJudge,
  type IamProxy,
  type Moto,
  requirePart,
  startIamJudge,
  startIamProxy,
  startMoto,
  temporaryFolder,
} from 'certbus-services';
import { sharedDynamoDbLocal } from 'certbus-services/vitest';
import { vi } from 'vitest';
import { createPolicies, type Policies, type PolicyPlace } from './policies/index.ts';

const REGION = 'eu-central-1';
const ACCOUNT = '123456789012';
const STREAM = 'prod';
const ZONE = 'Z0123456789ABC';
const KEY = '/certbus/prod/manager-key';
const CHECKPOINT = '/certbus/prod/checkpoint';
const BUCKET = 'certbus-archive';

/** Why this machine cannot have such an account; `undefined` when it can. */
export const missingPart: ReturnType<typeof requirePart> | undefined = [
  requirePart('dynamodb-local'),
  requirePart('moto'),
  requirePart('iam-judge'),
].find(({ skip }) => skip);

/** The account, and the bus in it. */
export interface Site extends AsyncDisposable {
  readonly proxy: IamProxy;
  readonly ca: AcmeServer;
  readonly route53: Route53Fake;
  readonly moto: Moto;
  readonly policies: Policies;
  readonly managerKey: string;
  /** Text of a load balancer's identity. */
  readonly identity: string;
  readonly folder: string;
  /** The variables of the function, without its folder. */
  readonly variables: Variables;
  /** Acts from now on as a role with these policies: each call of the SDK in this process. */
  actAs(role: string, ...policies: readonly unknown[]): void;
  /** Runs with a manager on a machine of its own, which has nothing but the variables. */
  manage<T>(run: (manager: Manager, open: OpenBus) => Promise<T>, variables?: Variables): Promise<T>;
}

/** Sends a request to moto as an administrator does. */
async function prepareMoto({ endpoint }: Moto, managerKey: string): Promise<void> {
  const scope = (service: string) =>
    `AWS4-HMAC-SHA256 Credential=AKIAALLROLES/20260101/${REGION}/${service}/aws4_request, SignedHeaders=host, Signature=x`;
  const put = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: scope('ssm'),
      'x-amz-target': 'AmazonSSM.PutParameter',
      'content-type': 'application/x-amz-json-1.1',
    },
    body: JSON.stringify({ Name: KEY, Value: managerKey, Type: 'SecureString' }),
  });
  const made = await fetch(`${endpoint}/${BUCKET}`, {
    method: 'PUT',
    headers: { authorization: scope('s3') },
    body: `<CreateBucketConfiguration><LocationConstraint>${REGION}</LocationConstraint></CreateBucketConfiguration>`,
  });
  if (!put.ok || !made.ok) throw new Error(`${await put.text()} ${await made.text()}`);
}

/** Starts everything, and makes a table as the template does; the bus itself is begun under the manager's policy. */
export async function createSite(): Promise<Site> {
  const { path: folder, remove } = temporaryFolder();
  const { endpoint: dynamodb } = await sharedDynamoDbLocal();
  const [moto, judge, route53] = await Promise.all([
    startMoto(),
    startIamJudge(),
    startRoute53Fake({ zones: [{ id: ZONE, name: 'example.test' }] }),
  ]);
  const ca = await startAcmeServer({ validation: { dnsServer: route53.dns } });
  const targets = { dynamodb, ssm: moto.endpoint, s3: moto.endpoint, route53: route53.endpoint };
  const proxy = await startIamProxy(judge satisfies IamJudge, targets);
  const [managerKey, identity] = [await createManagerKey(), await createIdentity()];
  await prepareMoto(moto, managerKey);
  const table = `certbus-${crypto.randomUUID()}`;
  const arn = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;
  const place: PolicyPlace = {
    tableArn: arn('dynamodb', `table/${table}`),
    stream: STREAM,
    archive: { bucketArn: `arn:aws:s3:::${BUCKET}`, prefix: 'certbus/prod' },
    zoneArns: [`arn:aws:route53:::hostedzone/${ZONE}`],
    parameterArns: [arn('ssm', `parameter${KEY}`)],
    checkpointArn: arn('ssm', `parameter${CHECKPOINT}`),
  };
  const policies = createPolicies(place);
  const query = `region=${REGION}&endpoint=${proxy.endpoint}`;
  const address = `dynamodb://${table}/${STREAM}?${query}`;
  const actAs = (role: string, ...documents: readonly unknown[]) => {
    const { accessKeyId, secretAccessKey } = proxy.addRole(role, documents);
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  };
  vi.stubEnv('AWS_REGION', REGION);
  const root = parseRootKey(createRootKey());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  actAs('administrator', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'dynamodb:*', Resource: '*' }],
  });
  await (await openLog(address, { create: true })).close();
  actAs('certbus-manager', policies.manager);
  const log = await openLog(address, { create: true });
  const { floor } = await createBus(log, STREAM, {
    trust,
    root,
    managers: [
      {
        name: 'lambda',
        signingKey: parseManagerKey(managerKey).signer.publicKey,
        recipient: (await parseIdentityFile(managerKey)).recipient,
      },
    ],
    recipients: [{ name: 'balancers', recipient: (await parseIdentityFile(identity)).recipient }],
  });
  await log.close();
  const variables = {
    CERTBUS_BUS: address,
    CERTBUS_TRUST: formatTrust({ ...trust, floor }),
    CERTBUS_MANAGER_KEY: `ssm:${KEY}?${query}`,
    CERTBUS_CHECKPOINT: `ssm:${CHECKPOINT}?${query}`,
    CERTBUS_ARCHIVE: `s3://${BUCKET}/certbus/prod?${query}`,
  };
  const manage: Site['manage'] = (run, own = {}) => {
    const CERTBUS_STATE_DIR = join(folder, crypto.randomUUID());
    return withManager(readEnvironment({ variables: { ...variables, CERTBUS_STATE_DIR, ...own } }), run);
  };
  await manage((manager) =>
    manager.configure({
      version: 1,
      authorities: { ca: { directory: ca.directory, termsOfServiceAgreed: true, roots: ca.roots } },
      defaultAuthority: 'ca',
      dns: [
        {
          zones: ['*'],
          provider: 'route53',
          endpoint: proxy.endpoint,
          resolver: [route53.dns],
          nameServers: false,
        },
      ],
    }),
  );
  return {
    ...{ proxy, ca, route53, moto, policies, managerKey, identity, folder, variables, actAs, manage },
    async [Symbol.asyncDispose]() {
      vi.unstubAllEnvs();
      await Promise.all([proxy.stop(), judge.stop(), moto.stop()]);
      await Promise.all([ca[Symbol.asyncDispose](), route53[Symbol.asyncDispose]()]);
      remove();
    },
  };
}
