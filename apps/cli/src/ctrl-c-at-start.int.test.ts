/** Tests of Ctrl-C while a bus does not answer: each command ends at once, and not when it has given up on the bus. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginSite } from './begin-site.builders.ts';
import { certbus } from './cli.builders.ts';

const folder = temporaryFolder();
const site = join(folder.path, 'site');
/** A DynamoDB that takes requests, and never answers. */
let silent: Server;
let bus: string;
let asked = Promise.withResolvers<void>();

beforeAll(async () => {
  await beginSite(site);
  silent = createServer((socket) => {
    // Of the command that connected, and not of the one after it.
    const { resolve } = asked;
    socket.on('error', () => {}).once('data', () => resolve());
  });
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const file = join(site, 'certbus.json');
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  bus = `dynamodb://buses/certbus?region=eu-central-1&endpoint=${endpoint}`;
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), bus }));
});
afterAll(() => {
  silent.close();
  folder.remove();
});

test.each([
  ['cert mk a.test', 130],
  ['cert renewable --renew-all', 130],
  ['plan', 130],
  ['conf display', 130],
  ['campaign ls', 130],
  ['manager rm nobody --yes', 130],
  ['cert ls', 130],
  ['bus verify', 130],
  ['doctor', 130],
  ['init --dir new --bus BUS --agree-tos --directory https://127.0.0.1:1/dir --yes', 130],
  // A service that is stopped has not failed.
  ['run --no-pages', 0],
])('certbus %s, with status %i', async (line, status) => {
  asked = Promise.withResolvers();
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' };
  const words = line.split(' ').map((word) => (word === 'BUS' ? bus : word));
  const ended = await certbus(site, words, { env, interruptOn: asked.promise });
  expect(ended).toMatchObject({ status });
});
