/** An account of AWS on this machine: doubles of its services behind a judge of policies. */
import { ACCOUNT, startIamJudge } from './iam/judge.ts';
import { type IamProxy, startIamProxy, type Targets } from './iam/proxy.ts';
import { type Moto, startMoto } from './moto.ts';

/** An account. What moto has of it is made here by an administrator, and read by the roles of the proxy. */
export interface AwsAccount {
  readonly region: string;
  /** Where roles ask every service. */
  readonly endpoint: string;
  readonly proxy: IamProxy;
  readonly moto: Moto;
  /** The ARN of something of this account. */
  arn(service: string, resource: string): string;
  /** Keeps a text in a parameter of SSM, encrypted. */
  putParameter(name: string, value: string): Promise<void>;
  /** Keeps a text, or bytes, in a new secret of Secrets Manager, and returns its ARN, which ends in a dash and six characters. */
  createSecret(name: string, value: string | Uint8Array): Promise<string>;
  createBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

const REGION = 'eu-central-1';

/**
 * Starts SSM, Secrets Manager, S3, ACM and DynamoDB of moto, and the judge.
 *
 * @param others where doubles of further services are: Route 53, and a DynamoDB in place of moto's.
 */
export async function startAwsAccount(
  others: Omit<Targets, 'ssm' | 'secretsmanager' | 's3' | 'acm'> = {},
): Promise<AwsAccount> {
  const [moto, judge] = await Promise.all([startMoto(), startIamJudge()]);
  const { endpoint } = moto;
  const proxy = await startIamProxy(judge, {
    dynamodb: endpoint,
    ...others,
    ssm: endpoint,
    secretsmanager: endpoint,
    s3: endpoint,
    acm: endpoint,
  });

  /** Asks moto as an administrator does: it does not check who signs. */
  async function ask(service: string, path: string, init: RequestInit): Promise<string> {
    const scope = `Credential=AKIAALLROLES/20260101/${REGION}/${service}/aws4_request`;
    const authorization = `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=x`;
    const answer = await fetch(`${endpoint}${path}`, { ...init, headers: { ...init.headers, authorization } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${service}: ${text}`);
    return text;
  }
  const call = (service: string, target: string, input: unknown) =>
    ask(service, '/', {
      method: 'POST',
      headers: { 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.1' },
      body: JSON.stringify(input),
    });

  const account: AwsAccount = {
    region: REGION,
    endpoint: proxy.endpoint,
    proxy,
    moto,
    arn: (service, resource) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`,
    async putParameter(Name, Value) {
      await call('ssm', 'AmazonSSM.PutParameter', { Name, Value, Type: 'SecureString' });
    },
    async createSecret(Name, value) {
      const content =
        typeof value === 'string' ? { SecretString: value } : { SecretBinary: Buffer.from(value).toString('base64') };
      const ClientRequestToken = crypto.randomUUID();
      const made = await call('secretsmanager', 'secretsmanager.CreateSecret', {
        Name,
        ClientRequestToken,
        ...content,
      });
      return (JSON.parse(made) as { readonly ARN: string }).ARN;
    },
    async createBucket(name) {
      const body = `<CreateBucketConfiguration><LocationConstraint>${REGION}</LocationConstraint></CreateBucketConfiguration>`;
      await ask('s3', `/${name}`, { method: 'PUT', body });
    },
    async stop() {
      await Promise.all([proxy.stop(), judge.stop(), moto.stop()]);
    },
  };
  return account;
}
