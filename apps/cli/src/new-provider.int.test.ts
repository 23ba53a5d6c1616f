/** Tests that a new DNS provider needs its own files and one line in the registry. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { resultOf, certbus as runCertbus } from './cli.builders.ts';
import { copyWithNewProvider } from './new-provider.builders.ts';

const temporary = temporaryFolder();
const copy = join(temporary.path, 'copy');
const RING = 'NL-2026-1234567';
const TSC = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')));
let bin: string;

/** The command line of the copy. */
function certbus(folder: string, args: readonly string[], input = '') {
  return runCertbus(folder, args, { bin, env: { CERTBUS_SECRET_RING: RING }, input });
}

beforeAll(() => {
  bin = copyWithNewProvider(copy);
});
afterAll(() => temporary.remove());

function newFolder(name: string): string {
  const folder = join(temporary.path, name);
  mkdirSync(folder);
  return folder;
}

/** A DNS server, and a loft that lets pigeons with the right ring write to it. */
async function startLoft() {
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const flights: string[] = [];
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { dnsName, dnsValue } = JSON.parse(text);
    if (request.headers.authorization !== `attic ${RING}`) return void response.writeHead(401).end();
    flights.push(`${request.url} ${dnsName}`);
    if (request.url === '/present') dns.add(dnsName, 'TXT', dnsValue);
    else dns.remove(dnsName, 'TXT', dnsValue);
    response.end();
  }
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise((resolve) => void server.close(() => resolve()));
  });
  return { dns, flights, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a DNS provider of three files and its line in the registry', () => {
  test('fits the types', async () => {
    const project = join(copy, 'tsconfig.new.json');
    const include = ['packages/solvers/src/index.ts', 'packages/acme/src/**/*.d.ts'];
    writeFileSync(
      project,
      JSON.stringify({ extends: './tsconfig.json', include, compilerOptions: { incremental: false } }),
    );
    await promisify(execFile)(process.execPath, [TSC, '-p', project]);
  });

  test('is listed and shown', async () => {
    const folder = newFolder('nowhere');
    const listed = await certbus(folder, ['provider', 'ls', '--json']);
    expect(resultOf(listed).providers.at(-1)).toEqual({ name: 'pigeons', summary: 'carrier pigeons' });
    const shown = await certbus(folder, ['provider', 'show', 'pigeons', '--json']);
    expect(resultOf(shown)).toMatchObject({
      name: 'pigeons',
      example: { ring: { env: 'CERTBUS_SECRET_RING' } },
      fields: [
        { name: 'zones', isRequired: true, isSecret: false },
        { name: 'url', isRequired: true, isSecret: false },
        { name: 'loft', isRequired: true, isSecret: false, description: 'where they live' },
        { name: 'ring', isRequired: true, isSecret: true },
      ],
    });
  });

  test('has flags of init and questions', async () => {
    const folder = newFolder('questions');
    const help = (await certbus(folder, ['init', '--help'])).stdout.replaceAll(/\s+/g, ' ');
    expect(help).toContain('--dns-loft=<value> name of the loft for pigeons');
    expect(help).toContain('address of powerdns, acme-dns, httpreq, challtestsrv or pigeons');
    const refused = await certbus(folder, ['init', '--agree-tos', '--dns-provider', 'pigeons']);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('needs --dns-url and --dns-loft') });
    const script = `
      const { neededFlags, providerNamed } = await import(${JSON.stringify(join(copy, 'apps/cli/src/dns-flags.ts'))});
      console.log(JSON.stringify(neededFlags(providerNamed('pigeons'), { 'dns-url': 'https://a.test' }, {})));`;
    const args = ['--conditions=certbus:source', '--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toEqual([{ name: 'dns-loft', question: 'Name of the loft:' }]);
  });

  test('is configured, redacted, and answers a CA', async () => {
    const { dns, flights, url } = await startLoft();
    const ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
    onTestFinished(() => ca[Symbol.asyncDispose]());
    const site = newFolder('site');
    writeFileSync(join(site, 'roots.pem'), ca.roots);
    const run = (args: readonly string[], input = '') => certbus(site, args, input);

    const flags = ['--dns-provider', 'pigeons', '--dns-url', url, '--dns-loft', 'attic'];
    const made = await run(['init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', ...flags]);
    expect(made.status).toBe(0);
    const stored = JSON.parse((await run(['conf', 'display'])).stdout);
    expect(stored.dns).toEqual([
      { zones: ['*'], provider: 'pigeons', url, loft: 'attic', ring: { env: 'CERTBUS_SECRET_RING' } },
    ]);
    expect((await run(['cert', 'mk', '--subdomain', 'shop.test'])).status).toBe(0);
    expect(flights).toEqual(['/present _acme-challenge.shop.test', '/cleanup _acme-challenge.shop.test']);

    const update = (ring: unknown) =>
      run(['conf', 'update'], JSON.stringify({ ...stored, dns: [{ ...stored.dns[0], ring }] }));
    expect((await update(7)).stderr).toContain('dns.0.ring must be a string or {"env": "CERTBUS_SECRET_…"}');
    expect((await update(RING)).status).toBe(0);
    const shown = JSON.parse((await run(['conf', 'display'])).stdout);
    expect(shown.dns).toEqual([{ ...stored.dns[0], ring: '<redacted>' }]);
  });
});
