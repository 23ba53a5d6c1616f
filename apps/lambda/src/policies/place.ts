/** What policies are about: the table and the stream of a bus, its archive, zones, secrets, and who else reads. */

/** The bus and all that its roles use. ARNs, ids and names may be texts with `${…}` of CloudFormation in them. */
export interface PolicyPlace {
  /** ARN of the table. */
  readonly tableArn: string;
  readonly stream: string;
  /** The archive's bucket and the path in it; default no archive. */
  readonly archive?: { readonly bucketArn: string; readonly prefix: string | undefined } | undefined;
  /** ARNs of the hosted zones of Route 53 that the manager writes to. Default none. */
  readonly zoneArns?: readonly string[];
  /** Patterns of the names that challenges are delegated to, such as `*.acme.example.net`. Default none. */
  readonly delegated?: readonly string[];
  /** ARNs of SSM parameters that the manager reads. Default none. */
  readonly parameterArns?: readonly string[];
  /** ARNs of secrets in Secrets Manager that the manager reads. Default none. */
  readonly secretArns?: readonly string[];
  /** ARN of the SSM parameter in which the manager keeps its checkpoint. Default none. */
  readonly checkpointArn?: string | undefined;
  /** ARN of a KMS key of your own that table, archive or parameters are encrypted with. Default none. */
  readonly keyArn?: string | undefined;
  /** ARN of the SSM parameter with the identity of the function that imports into ACM. Default none. */
  readonly identityArn?: string | undefined;
  /** Ids of other accounts whose load balancers read the bus. Default none. */
  readonly accounts?: readonly string[];
}

/** The partition of an ARN: aws, aws-cn, aws-us-gov, or CloudFormation's name for it where the ARN is one of its texts. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation puts the value in.
export const partitionOf = (arn: string): string => /^arn:([\w-]+):/.exec(arn)?.[1] ?? '${AWS::Partition}';

/** A parameter of SSM or a secret of Secrets Manager, as a reference names it. */
interface Named {
  readonly service: 'ssm' | 'secretsmanager';
  /** Name or ARN. */
  readonly name: string;
  readonly region?: string | undefined;
}

/** The version or the label of a parameter, which is not part of its ARN. */
const VERSION = /(?<=\/[^:]*):[^:/]*$/;

/**
 * What Secrets Manager adds to each name: a dash and six characters. It takes an ARN that ends in them for a whole one, and any other for one
 * that lacks them, whose secret it finds by its name.
 */
const SUFFIX = /-[a-zA-Z0-9]{6}$/;

/** The ARN by which IAM knows the parameter or the secret of a reference: a name is one of the account and the region of a table. */
export function secretArn({ service, name, region }: Named, tableArn: string): string {
  const isArn = name.startsWith('arn:');
  const [, partition, , tableRegion, account] = tableArn.split(':');
  const place = `arn:${partition}:${service}:${region ?? tableRegion}:${account}`;
  if (service === 'ssm') return (isArn ? name : `${place}:parameter${name}`).replace(VERSION, '');
  if (isArn && SUFFIX.test(name)) return name;
  return `${isArn ? name : `${place}:secret:${name}`}-??????`;
}
