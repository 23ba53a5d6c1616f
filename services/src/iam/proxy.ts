/** A proxy in front of a double of AWS that refuses what the policies of the caller do not allow, in AWS's words. */
import { randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { ACCOUNT, type IamJudge, type IamRequest, type IamSubject } from './judge.ts';
import { type HttpRequest, iamRequestOf, scopeOf } from './requests.ts';

/** The doubles behind a proxy, by the name of the service in signatures. */
export type Targets = Readonly<Partial<Record<Service, string>>>;

type Service = 'dynamodb' | 'ssm' | 'secretsmanager' | 's3' | 'route53' | 'acm';

/** What is known of a role besides its policies. */
export interface RoleOptions {
  /** Default that of the resources. */
  readonly account?: string;
  /** Policies of the resources that it asks for, by their services: of the table, and of the bucket. Default none. */
  readonly resourcePolicies?: Readonly<Partial<Record<Service, unknown>>>;
  /** Its permissions boundary. Default none. */
  readonly boundary?: unknown;
}

/** What was decided about a request. */
export interface Decided extends IamRequest {
  readonly role: string;
  readonly allowed: boolean;
}

/** A proxy that runs. */
export interface IamProxy {
  readonly endpoint: string;
  /** Every request so far. */
  readonly decided: readonly Decided[];
  /** Credentials of a role of this account, or of another one. Their secret key is drawn, and as long as AWS's. */
  addRole(
    name: string,
    policies: readonly unknown[],
    options?: RoleOptions,
  ): { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

/** Who asks the doubles, no matter which role asked the proxy. */
const ACCESS_KEY_ID = 'AKIAALLROLES';

interface Role extends Omit<IamSubject, 'resourcePolicy'>, Required<Pick<RoleOptions, 'resourcePolicies'>> {
  readonly name: string;
}

/** Bytes of a secret access key, whose text has 40 characters. */
const SECRET_BYTES = 30;

/** A request on its way to a double, and its answer. */
interface Passing {
  readonly call: IncomingMessage;
  readonly body: Buffer;
  readonly response: ServerResponse;
  /** Answers in place of "not there", where the caller may not know that. */
  readonly refuseMissing?: (() => void) | undefined;
  /** What has to be done at the double before its answer is passed on. */
  readonly settle?: (() => Promise<unknown>) | undefined;
}

function pass(target: string, { call, body, response, refuseMissing, settle }: Passing): void {
  const { hostname: host, port } = new URL(target);
  // DynamoDB Local has a database for each access key, and moto an account.
  const authorization = call.headers.authorization?.replace(/Credential=[^/]+/, `Credential=${ACCESS_KEY_ID}`);
  const headers = { ...call.headers, authorization };
  const options = { host, port, path: call.url, method: call.method, headers };
  const onward = httpRequest(options, (answer) => {
    if (answer.statusCode === 404 && refuseMissing) {
      answer.resume();
      return refuseMissing();
    }
    const passOn = () => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    };
    if (settle) return void settle().then(passOn, () => response.destroy());
    return passOn();
  });
  onward.on('error', () => response.destroy()).end(body);
}

/** Refuses as the service does. */
function refuse(
  response: ServerResponse,
  service: string,
  { name, principal }: Role,
  { action, resource }: IamRequest,
) {
  const [, , , , account] = principal.split(':');
  const user = `arn:aws:sts::${account}:assumed-role/${name}/session`;
  const why = `because no identity-based policy allows the ${action} action`;
  const message = `User: ${user} is not authorized to perform: ${action} on resource: ${resource} ${why}`;
  if (service === 's3') {
    const xml = `<Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`;
    response.writeHead(403, { 'content-type': 'application/xml' }).end(xml);
    return;
  }
  if (service === 'route53') {
    const xml = `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>${message}</Message></Error></ErrorResponse>`;
    response.writeHead(403, { 'content-type': 'text/xml' }).end(xml);
    return;
  }
  // DynamoDB spells it with a small m, the others with a large one.
  const json = { __type: 'AccessDeniedException', message, Message: message };
  response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(json));
}

/** Tags of a certificate of ACM. */
type Tags = readonly { readonly Key: string; readonly Value: string }[];

/** Asks ACM about the certificate of a request, with its signature. */
async function askAcm(
  target: string,
  { authorization }: HttpRequest,
  operation: string,
  input: object,
): Promise<unknown> {
  const answer = await fetch(target, {
    method: 'POST',
    headers: {
      authorization: authorization.replace(/Credential=[^/]+/, `Credential=${ACCESS_KEY_ID}`),
      'x-amz-target': `CertificateManager.${operation}`,
      'content-type': 'application/x-amz-json-1.1',
    },
    body: JSON.stringify(input),
  });
  const text = await answer.text();
  return text === '' ? {} : JSON.parse(text);
}

/** The tags of the certificate that a request is about, which policies can name. */
async function tagsOf(target: string, http: HttpRequest, { resource }: IamRequest): Promise<Tags> {
  const answer = await askAcm(target, http, 'ListTagsForCertificate', { CertificateArn: resource });
  return (answer as { readonly Tags?: Tags }).Tags ?? [];
}

const requestOf = ({ method = '', url = '', headers }: IncomingMessage, body: Buffer): HttpRequest => ({
  method,
  url,
  target: String(headers['x-amz-target'] ?? ''),
  authorization: headers.authorization ?? '',
  body: body.toString(),
});

/** Starts a proxy in front of some doubles. A caller that is not one of its roles is refused. */
export async function startIamProxy(judge: Pick<IamJudge, 'isAllowed'>, targets: Targets): Promise<IamProxy> {
  const roles = new Map<string, Role>();
  const decided: Decided[] = [];
  async function decide(call: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(call);
    const http = requestOf(call, body);
    const scope = scopeOf(http);
    const role = scope && roles.get(scope.accessKeyId);
    const service = scope?.service as Service;
    const target = targets[service];
    if (!scope || !role || !target) return void response.destroy();
    const { resourcePolicies, ...identity } = role;
    const subject: IamSubject = { ...identity, resourcePolicy: resourcePolicies[service] };
    const asked = iamRequestOf(http, scope);
    const isCertificate = scope.service === 'acm' && !asked.resource.endsWith('*');
    const tags = isCertificate ? await tagsOf(target, http, asked) : [];
    const ofResource = Object.fromEntries(tags.map(({ Key, Value }) => [`aws:ResourceTag/${Key}`, Value]));
    const request = { ...asked, context: { ...asked.context, ...ofResource } };
    const allowed = await judge.isAllowed(subject, request);
    decided.push({ role: role.name, ...request, allowed });
    if (!allowed) return refuse(response, scope.service, role, request);
    // S3 says that an object is not there to those only who may list its whole bucket.
    const listing = { action: 's3:ListBucket', resource: request.resource.replace(/\/.*$/, '') };
    const mayKnow = request.action !== 's3:GetObject' || (await judge.isAllowed(subject, listing));
    const refuseMissing = mayKnow ? undefined : () => refuse(response, scope.service, role, listing);
    // moto forgets the tags of a certificate over which another one is imported, and ACM keeps them.
    const isAgain = tags.length > 0 && request.action === 'acm:ImportCertificate';
    const tag = () => askAcm(target, http, 'AddTagsToCertificate', { CertificateArn: asked.resource, Tags: tags });
    return pass(target, { call, body, response, refuseMissing, settle: isAgain ? tag : undefined });
  }
  const server = createServer((call, response) => {
    decide(call, response).catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decided,
    addRole(name, policies, { account = ACCOUNT, resourcePolicies = {}, boundary } = {}) {
      const accessKeyId = `AK${crypto.randomUUID().replaceAll('-', '')}`;
      const principal = `arn:aws:iam::${account}:role/${name}`;
      roles.set(accessKeyId, { name, principal, policies, resourcePolicies, boundary });
      return { accessKeyId, secretAccessKey: randomBytes(SECRET_BYTES).toString('base64') };
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
