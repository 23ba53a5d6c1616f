/** References to secrets that are kept in AWS: `ssm:/path` and `secretsmanager:NAME`, as a variable of the environment has them. */
import { parametersProblem } from '@certbus/store';
import { RuntimeError } from '../errors.ts';

/** Where a secret is kept. */
export interface SecretReference {
  /** SSM Parameter Store, or Secrets Manager. */
  readonly service: 'ssm' | 'secretsmanager';
  /** Name or ARN, as the service takes it; a parameter's may end in `:VERSION` or `:LABEL`. */
  readonly name: string;
  /** Default: that of the ARN, else the environment's. */
  readonly region: string | undefined;
  /** Another address of the service. */
  readonly endpoint: string | undefined;
}

const FORMS = 'ssm:/PATH or secretsmanager:NAME, each with ?region=REGION appended where the environment has no region';
const PARAMETERS = ['region', 'endpoint'];

const NAMES = {
  ssm: [/^(?:\/[\w.-]+)+(?::[\w.-]+)?$/, /^arn:[\w-]+:ssm:([\w-]+):\d{12}:parameter\/[\w./:-]+$/],
  secretsmanager: [/^[\w/+=.@-]{1,512}$/, /^arn:[\w-]+:secretsmanager:([\w-]+):\d{12}:secret:[\w/+=.@-]+$/],
} as const satisfies Record<SecretReference['service'], readonly RegExp[]>;

const WRONG_NAMES = {
  ssm: 'the name of a parameter is a path such as /certbus/prod/manager-key, or an ARN',
  secretsmanager: 'the name of a secret has 1 to 512 letters, digits, and /_+=.@-, or is an ARN',
} as const satisfies Record<SecretReference['service'], string>;

/** Whether a text refers to a secret instead of being one. */
export const isReference = (text: string): boolean => /^(?:ssm|secretsmanager):/.test(text);

function queryProblem(query: URLSearchParams): string | undefined {
  for (const key of query.keys())
    if (!PARAMETERS.includes(key)) return 'it has a parameter that is neither region nor endpoint';
  return parametersProblem(query);
}

/**
 * Reads a reference. Throws `CERTBUS_CLI_SECRET_REFERENCE_INVALID`, which does not quote the text: it may be a secret that begins like one.
 *
 * @param what names the secret in errors, such as `The manager key`.
 */
export function parseReference(text: string, what: string): SecretReference {
  const refuse = (why: string) => {
    const message = `${what} is not a reference to a secret, though it begins like one: ${why}. A reference reads ${FORMS}.`;
    return new RuntimeError('CERTBUS_CLI_SECRET_REFERENCE_INVALID', message);
  };
  const [, scheme, name = '', queryText = ''] = /^(ssm|secretsmanager):([^?]*)(?:\?(.*))?$/s.exec(text.trim()) ?? [];
  if (scheme !== 'ssm' && scheme !== 'secretsmanager') throw refuse('it names no service');
  const found = NAMES[scheme].map((pattern) => pattern.exec(name)).find((match) => match !== null);
  if (!found) throw refuse(WRONG_NAMES[scheme]);
  const query = new URLSearchParams(queryText);
  const problem = queryProblem(query);
  if (problem) throw refuse(problem);
  const region = query.get('region') ?? found[1];
  return { service: scheme, name, region, endpoint: query.get('endpoint') ?? undefined };
}

/**
 * Reads a reference to the parameter in which a checkpoint is kept. Throws as {@link parseReference}, and for what SSM writes nothing to: a secret, a
 * parameter by its ARN, and a version of one.
 */
export function parseCheckpointReference(text: string, what: string): SecretReference {
  const reference = parseReference(text, what);
  const { service, name } = reference;
  if (service === 'ssm' && !name.includes(':')) return reference;
  const form = 'a parameter of this account by its name, such as ssm:/certbus/prod/checkpoint';
  const message = `${what} is ${form}: not a secret, an ARN or a version, since it is written.`;
  throw new RuntimeError('CERTBUS_CLI_SECRET_REFERENCE_INVALID', message);
}

/** A reference as its address, for messages. */
export const shownReference = ({ service, name }: SecretReference): string => `${service}:${name}`;
