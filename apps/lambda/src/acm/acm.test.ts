/** Tests of what is in ACM more than once, and of what keeps it from getting there. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { MaterialSource } from '@certbus/client/material';
import { createIssuer, createKeys, createLeaf, privateKeyPem } from 'certbus-services';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { runAcm } from './run.ts';
import { openAcm } from './store.ts';

const { signal } = new AbortController();
const BUS = 'certbus/prod';
const ID = 'certificate1';
const keys = await createKeys();
const leaf = await createLeaf({ issuer: await createIssuer('Root'), names: ['a.test'], publicKey: keys.publicKey });
const importable = { certificateId: ID, cert: `${leaf.toString('pem')}\n`, key: await privateKeyPem(keys) };

afterEach(() => vi.unstubAllEnvs());

/** An ACM that has these ARNs, answers imports with these failures first, and notes which ARNs were imported over. */
async function startAcm({
  arns = [],
  gone = [],
  failures = [],
}: {
  readonly arns?: readonly string[];
  /** Of these, what was deleted and is still listed. */
  readonly gone?: readonly string[];
  readonly failures?: readonly string[];
} = {}) {
  const imports: (string | undefined)[] = [];
  const left = [...failures];
  const answer = (operation: string, { CertificateArn }: { readonly CertificateArn?: string }): object | string => {
    if (operation === 'ListCertificates')
      return { CertificateSummaryList: arns.map((arn) => ({ CertificateArn: arn, Type: 'IMPORTED' })) };
    if (CertificateArn !== undefined && gone.includes(CertificateArn)) return 'ResourceNotFoundException';
    if (operation === 'ListTagsForCertificate')
      return {
        Tags: [
          { Key: 'certbus:bus', Value: BUS },
          { Key: 'certbus:certificate', Value: ID },
        ],
      };
    if (operation === 'GetCertificate') return { Certificate: importable.cert };
    imports.push(CertificateArn);
    return left.shift() ?? { CertificateArn: CertificateArn ?? 'arn:new' };
  };
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const [, operation = ''] = String(request.headers['x-amz-target']).split('.');
    const said = answer(operation, (await json(request)) as object);
    const body = typeof said === 'string' ? { __type: said, message: said } : said;
    response.statusCode = said === 'InternalFailure' ? 500 : typeof said === 'string' ? 400 : 200;
    response.setHeader('content-type', 'application/x-amz-json-1.1').end(JSON.stringify(body));
  };
  const server = createServer((request, response) => void respond(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  vi.stubEnv('AWS_ENDPOINT_URL_ACM', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  const store = openAcm({ region: 'eu-central-1', bus: BUS, pauseMs: 1 });
  onTestFinished(() => {
    store.close();
    server.closeAllConnections();
    server.close();
  });
  return { store, imports };
}

/** A bus that has the certificate, with this leaf. */
const busWith = (leafHash: string) =>
  ({
    certificates: () => [{ certificateId: ID, names: ['a.test'] }],
    material: async () => ({ ...importable, issued: { leafHash } }),
  }) as unknown as Pick<MaterialSource, 'certificates' | 'material'>;

const run = (store: Awaited<ReturnType<typeof startAcm>>['store'], leafHash = 'renewed', wanted = ['*']) =>
  runAcm({ source: busWith(leafHash), store, wanted, signal });

test('a first import whose answer is lost is not sent again, and one that ACM had no room for is', async () => {
  const lost = await startAcm({ failures: ['InternalFailure'] });
  expect(await run(lost.store)).toMatchObject({ imported: 0, problems: [{ names: ['a.test'] }] });
  expect(lost.imports).toEqual([undefined]);
  const busy = await startAcm({ failures: ['ThrottlingException', 'ThrottlingException'] });
  expect(await run(busy.store)).toEqual({ chosen: 1, imported: 1, problems: [], doubles: [], unmatched: [] });
  expect(busy.imports).toHaveLength(3);
});

test('each of two that were imported of one certificate is renewed and reported, also where the other one fails', async () => {
  const arns = ['arn:one', 'arn:two'];
  const twice = await startAcm({ arns, failures: ['InvalidArnException'] });
  const doubles = [{ names: ['a.test'], arns }];
  expect(await run(twice.store)).toMatchObject({ imported: 0, problems: [{ names: ['a.test'] }], doubles });
  expect(twice.imports).toEqual(arns);
  expect(await run(twice.store)).toMatchObject({ chosen: 1, imported: 1, problems: [], doubles });
  const leafHash = (await twice.store.read(signal)).get(ID)?.[0]?.leafHash;
  expect(await run(twice.store, leafHash)).toMatchObject({ chosen: 1, imported: 0, problems: [], doubles });
  expect(twice.imports).toEqual([...arns, ...arns]);
});

test('what somebody deleted while ACM is read is not there, and holds up nothing', async () => {
  const arns = ['arn:other', 'arn:one'];
  const deleted = await startAcm({ arns, gone: ['arn:other'] });
  expect(await run(deleted.store)).toMatchObject({ imported: 1, problems: [], doubles: [] });
  expect(deleted.imports).toEqual(['arn:one']);
});

test('what is chosen and fits no certificate is named, and "*" is all that there are, be it none', async () => {
  const { store } = await startAcm();
  const wanted = ['a.test', 'A.TEST', ID, '*.test', 'b.test', '*.a.test', ID.toUpperCase(), '*'];
  const unmatched = ['b.test', '*.a.test', ID.toUpperCase()];
  expect(await run(store, 'renewed', wanted)).toMatchObject({ chosen: 1, imported: 1, unmatched });
  const empty = { ...busWith('none'), certificates: () => [] };
  expect(await runAcm({ source: empty, store, wanted: ['*'], signal })).toMatchObject({ chosen: 0, unmatched: [] });
});
