/** A proxy in front of a double of AWS that refuses what the policies of the caller do not allow, in AWS's words. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { ACCOUNT, type IamJudge, type IamRequest, type IamSubject } from './judge.ts';
import { type HttpRequest, iamRequestOf, scopeOf } from './requests.ts';

/** The doubles behind a proxy, by the name of the service in signatures. */
export type Targets = Readonly<
  Partial<Record<'dynamodb' | 'ssm' | 'secretsmanager' | 's3' | 'route53' | 'acm', string>>
>;

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
  /** Credentials of a role of this account, or of another one. */
  addRole(
    name: string,
    policies: readonly unknown[],
    options?: { readonly account?: string; readonly resourcePolicy?: unknown; readonly boundary?: unknown },
  ): { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

/** Who asks the doubles, no matter which role asked the proxy. */
const ACCESS_KEY_ID = 'AKIAALLROLES';

interface Role extends IamSubject {
  readonly name: string;
}

function pass(target: string, call: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const { hostname: host, port } = new URL(target);
  // DynamoDB Local has a database for each access key, and moto an account.
  const authorization = call.headers.authorization?.replace(/Credential=[^/]+/, `Credential=${ACCESS_KEY_ID}`);
  const headers = { ...call.headers, authorization };
  const options = { host, port, path: call.url, method: call.method, headers };
  const onward = httpRequest(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
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
    const target = scope && targets[scope.service as keyof Targets];
    if (!scope || !role || !target) return void response.destroy();
    const request = iamRequestOf(http, scope);
    const allowed = await judge.isAllowed(role, request);
    decided.push({ role: role.name, ...request, allowed });
    if (allowed) pass(target, call, body, response);
    else refuse(response, scope.service, role, request);
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
    addRole(name, policies, { account = ACCOUNT, resourcePolicy, boundary } = {}) {
      const accessKeyId = `AK${crypto.randomUUID().replaceAll('-', '')}`;
      const principal = `arn:aws:iam::${account}:role/${name}`;
      roles.set(accessKeyId, { name, principal, policies, resourcePolicy, boundary });
      return { accessKeyId, secretAccessKey: 'made-up' };
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
