/** An account of AWS for the commands of a guide: doubles of its services, the command line of AWS, and functions that run under their roles. */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRoute53Fake } from '@certbus/acme-server/route53';
import { findAwsCli, findMoto, run, startAwsAccount, startLambdaEmulator, temporaryFolder } from 'certbus-services';
import type { MachineOptions } from './machine.builders.ts';

const STACK = fileURLToPath(new URL('./stack.py', import.meta.url));
/** Writes what `certbus aws bundle` copies. */
const BUILD = fileURLToPath(new URL('../../../lambda/src/bundle/build.builders.ts', import.meta.url));
const INVOCATIONS = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/** What a function is run with, as `stack.py` prints it. */
interface DeployedFunction {
  readonly variables: Readonly<Record<string, string>>;
  readonly handler: string;
  readonly role: string;
  readonly policies: readonly unknown[];
}

/** An account that a machine uses as its administrator. */
export interface GuideAccount {
  readonly machine: MachineOptions;
  /** Has functions trust what is in this PEM file, from now on. */
  trust(addressRoots: string): void;
  stop(): Promise<void>;
}

/** Starts an account with one hosted zone. */
export async function startGuideAccount(zone: { readonly id: string; readonly name: string }): Promise<GuideAccount> {
  const temporary = temporaryFolder();
  const [aws, moto] = [await findAwsCli(), await findMoto()];
  await run(process.execPath, ['--conditions=certbus:source', BUILD]);
  const route53 = await startRoute53Fake({ zones: [zone] });
  const account = await startAwsAccount({ route53: route53.endpoint });
  let roots = '';
  const administrator = {
    AWS_ACCESS_KEY_ID: 'AKIAALLROLES',
    AWS_SECRET_ACCESS_KEY: 'made-up',
    AWS_DEFAULT_REGION: account.region,
    AWS_REGION: account.region,
    AWS_ENDPOINT_URL: account.moto.endpoint,
  };
  const memory = { ROOT: temporary.path };

  /** Invokes a function of the stack by a cold start, under the policies of its role. */
  async function invoke(name: string): Promise<string> {
    const folder = join(temporary.path, crypto.randomUUID());
    const TMPDIR = join(folder, 'tmp');
    mkdirSync(TMPDIR, { recursive: true });
    const task = join(folder, 'task');
    const told = await run(moto, [STACK, 'function', name, task], { env: { ...administrator, ...memory } });
    const { variables, handler, role, policies }: DeployedFunction = JSON.parse(told);
    const { accessKeyId, secretAccessKey } = account.proxy.addRole(role, policies);
    const emulator = await startLambdaEmulator({
      task,
      handler,
      variables: {
        ...variables,
        TMPDIR,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_REGION: account.region,
        AWS_ENDPOINT_URL: account.endpoint,
        NODE_EXTRA_CA_CERTS: roots,
      },
    });
    try {
      return await emulator.invoke();
    } finally {
      await emulator.stop();
    }
  }

  // moto runs functions in containers, which not every machine has.
  const lambda = createServer((request, response) => {
    const [, name = ''] = INVOCATIONS.exec(request.url ?? '') ?? [];
    request.resume();
    invoke(decodeURIComponent(name)).then(
      (answer) => {
        const failed = answer.includes('"errorType"') ? { 'x-amz-function-error': 'Unhandled' } : {};
        response.writeHead(200, { 'x-amz-executed-version': '$LATEST', ...failed }).end(answer);
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => lambda.listen(0, '127.0.0.1', resolve));
  const { port } = lambda.address() as AddressInfo;
  return {
    machine: {
      dnsServer: route53.dns,
      programs: {
        // Installed already.
        certbus: 'exec "$ROOT/certbus" "$@"',
        aws: `case "$1 $2" in
  "cloudformation deploy") shift 2; unset AWS_ENDPOINT_URL_LAMBDA; ROOT="${memory.ROOT}" exec "${moto}" "${STACK}" deploy "$@";;
esac
exec "${aws}" -m awscli "$@"`,
      },
      variables: {
        ...administrator,
        AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${port}`,
        AWS_ENDPOINT_URL_ROUTE_53: route53.endpoint,
      },
    },
    trust: (addressRoots) => (roots = addressRoots),
    async stop() {
      lambda.closeAllConnections();
      lambda.close();
      await Promise.all([account.stop(), route53[Symbol.asyncDispose]()]);
      temporary.remove();
    },
  };
}
