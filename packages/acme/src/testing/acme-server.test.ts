import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createChallTestSrvSolver } from '../adapters/solvers/challtestsrv.ts';
import { createHttp01ClientsSolver } from '../adapters/solvers/http-01-clients.ts';
import { createCsr } from '../certificates.builders.ts';
import { accountThumbprint, createAcme, generateAccountKey, obtain, registerAccount } from '../index.ts';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from './index.ts';

const signal = AbortSignal.timeout(60_000);
const accountKey = await generateAccountKey();
let dns: DnsServer;
let server: AcmeServer;
const web = createServer(({ url = '' }, response) => {
  response.end(`${url.replace('/.well-known/acme-challenge/', '')}.${accountThumbprint(accountKey)}`);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  dns = await startDnsServer();
  const { port: httpPort } = web.address() as AddressInfo;
  server = await startAcmeServer({ validation: { dnsServer: dns.address, httpPort } });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
  web.closeAllConnections();
  web.close();
});

function connect() {
  const ca = createAcme({ directory: server.directory, roots: server.roots, accountKey });
  onTestFinished(() => ca.close());
  return ca;
}

test("CertBus's own client obtains certificates by dns-01 and http-01", async () => {
  const ca = connect();
  await registerAccount(ca, { termsOfServiceAgreed: true, signal });
  const onOrder = async () => {};
  const wild = ['*.own.test', 'own.test'];
  const solver = createChallTestSrvSolver({ url: dns.url });
  await obtain(ca, { names: wild, csr: (await createCsr(wild)).csr, challenge: 'dns-01', solver, onOrder, signal });
  const names = ['www.own.test'];
  const clients = createHttp01ClientsSolver({
    port: (web.address() as AddressInfo).port,
    resolver: [dns.address],
  });
  await obtain(ca, {
    names,
    csr: (await createCsr(names)).csr,
    challenge: 'http-01',
    solver: clients,
    onOrder,
    signal,
  });
  expect(server.certificates().map((each) => each.names)).toEqual([wild, names]);
  expect(server.requests.filter(({ nonceState }) => nonceState === 'replayed')).toEqual([]);
});
