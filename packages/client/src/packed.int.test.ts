import { execFile, spawn } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findNode, freePort, OLD_NODE, requirePart, startConnectProxy, temporaryFolder } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal, usePacked } from 'certbus-services/vitest';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createTestBus } from './testing.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const example = join(root, 'examples', 'load-balancer.mjs');
// What npm hands down to the scripts that it runs is not what a user's shell has.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name)));
const nodes = requirePart('node-versions');
const dynamoDb = requirePart('dynamodb-local');
const temporary = temporaryFolder();
const project = join(temporary.path, 'project');

beforeAll(async () => {
  await usePacked('@certbus/client', project);
  copyFileSync(example, join(project, 'load-balancer.mjs'));
});
afterAll(() => temporary.remove());

test('the README shows the example that is run here, word for word', () => {
  expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(readFileSync(example, 'utf8').trim());
});

test("the README's load balancer runs on nothing but the packed client, and serves", async () => {
  const bus = await createTestBus({ address: `sqlite:${project}/bus.db` });
  const { serialNumber } = await bus.issue(['packed.test']);
  writeFileSync(join(project, 'loadbalancer.key'), bus.identity, { mode: 0o600 });
  writeFileSync(join(project, 'bus.pub'), bus.trust);
  const [port, httpPort] = [await freePort(), await freePort()];
  const own = {
    ...env,
    PORT: String(port),
    HTTP_PORT: String(httpPort),
    CERTBUS_STATE_DIR: join(project, 'state'),
  };
  const server = spawn(process.execPath, ['load-balancer.mjs'], { cwd: project, env: own, stdio: 'inherit' });
  const visit = () =>
    new Promise<string>((resolve, reject) => {
      const call = request(
        { host: '127.0.0.1', port, servername: 'packed.test', ca: bus.roots, agent: false },
        (response) => {
          response.resume();
          resolve(String((response.socket as TLSSocket).getPeerCertificate().serialNumber));
        },
      );
      call.on('error', reject).end();
    });
  try {
    await expect.poll(visit).toBe(serialNumber);
    expect((await fetch(`http://127.0.0.1:${httpPort}/`)).status).toBe(404);
  } finally {
    server.kill('SIGKILL');
    await bus.close();
  }
});

test.skipIf(nodes.skip)(nodes.title('a Node that is too old is told so, in a sentence'), async () => {
  const old = await findNode(OLD_NODE);
  const script = "import('@certbus/client').catch((error) => console.log(error.code, error.message))";
  const { stdout } = await run(old, ['--input-type=module', '-e', script], { cwd: project });
  expect(stdout).toMatch(/^CERTBUS_STORE_NODE_TOO_OLD CertBus needs Node 22\.15 or later, .* this is Node 20\.20\.2\./);
});

test.skipIf(dynamoDb.skip)(
  dynamoDb.title('the packed client reads a DynamoDB bus through the proxy of its environment'),
  async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    const { accessKeyId, secretAccessKey } = drawCredentials();
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
    onTestFinished(() => void vi.unstubAllEnvs());
    const address = `dynamodb://packed/test?region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
    const bus = await createTestBus({ address });
    onTestFinished(() => bus.close());
    await bus.issue(['proxied.test']);
    const proxy = await startConnectProxy();
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const script = `
      import { connect } from '@certbus/client';
      const [bus, identity, trust] = process.argv.slice(1);
      const client = await connect({ bus, identity, trust, replica: ':memory:' });
      console.log([...client.certificates()].flatMap(({ names }) => names).join());
      await client.close();`;
    const own = { ...env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const args = ['--input-type=module', '-e', script, address, bus.identity, bus.trust];
    const read = (variables: object) =>
      run(process.execPath, args, { cwd: project, env: { ...own, ...variables } as NodeJS.ProcessEnv });
    expect((await read({ HTTP_PROXY: proxy.url })).stdout.trim()).toBe('proxied.test');
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(endpoint).host]));
    const before = proxy.tunnels.length;
    expect((await read({ HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.0/8' })).stdout.trim()).toBe('proxied.test');
    expect(proxy.tunnels).toHaveLength(before);
  },
);

test('importing the packed client loads neither the AWS SDK, nor an HTTP client, nor any ACME code', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import('@certbus/client');
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project });
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded.some((url) => url.endsWith('/client/dist/connect.js'))).toBe(true);
  expect(loaded.filter((url) => /aws-sdk|smithy|acme|undici/.test(url))).toEqual([]);
});
