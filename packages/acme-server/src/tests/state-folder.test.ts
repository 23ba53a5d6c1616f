/** Tests that a server with a folder is the same CA after a restart. */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startAcmeServer } from '../index.ts';
import { type Answers, startAnswers } from './answers.builders.ts';
import { chainOf, issue, order } from './issue.builders.ts';
import { openRawClient, type RawClient } from './raw-client.builders.ts';

function openFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'certbus-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function openAnswers(): Promise<Answers> {
  const answers = await startAnswers();
  onTestFinished(() => answers[Symbol.asyncDispose]());
  return answers;
}

const revoke = (client: RawClient, pem: string) =>
  client.post(client.url('revokeCert'), { certificate: chainOf(pem)[0]?.raw.toString('base64url') });

test('keys, accounts and certificates outlive the server, and orders do not', async () => {
  const answers = await openAnswers();
  const stateFolder = join(openFolder(), 'ca');
  const validation = { dnsServer: answers.dns.address };
  const first = await startAcmeServer({ validation, stateFolder });
  const clients = [await openRawClient(first), await openRawClient(first)] as const;
  for (const client of clients) await client.register();
  const [kept, gone] = clients;
  const old = await issue(kept, answers, ['old.test']);
  const revoked = await issue(kept, answers, ['revoked.test']);
  expect((await revoke(kept, revoked.pem)).status).toBe(200);
  expect((await gone.post(gone.account, { status: 'deactivated' })).status).toBe(200);
  const [replaced] = first.certificates();
  await first[Symbol.asyncDispose]();
  // What a server wrote last when it was killed.
  appendFileSync(join(stateFolder, 'records.jsonl'), '{"account":{"id":"cut o');

  const port = Number(new URL(first.directory).port);
  const second = await startAcmeServer({ validation, stateFolder, port });
  onTestFinished(() => second[Symbol.asyncDispose]());
  expect(second).toMatchObject({ directory: first.directory, roots: first.roots, issuedRoots: first.issuedRoots });
  expect(second.certificates()).toEqual(first.certificates());
  // The clients verify the server's address by the roots of the first one, and name their accounts by its URLs.
  expect(await kept.post(kept.account)).toMatchObject({ status: 200, body: { status: 'valid' } });
  expect((await gone.post(gone.account)).status).toBe(403);
  expect((await kept.post(old.orderUrl)).status).toBe(404);
  const renewed = await issue(kept, answers, ['old.test'], { order: { replaces: replaced?.certificateId } });
  const issuers = [old, renewed].map(({ pem }) => chainOf(pem)[1]?.fingerprint256);
  expect(issuers[0]).toBe(issuers[1]);
  expect((await revoke(kept, revoked.pem)).text).toContain('alreadyRevoked');
  expect((await order(kept, ['old.test'], { replaces: replaced?.certificateId })).status).toBe(409);

  expect(statSync(stateFolder).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(stateFolder)) expect(statSync(join(stateFolder, name)).mode & 0o777, name).toBe(0o600);
  for (const client of clients) client.close();
});

test('a folder that others can read, that is damaged, or that has keys of another kind is refused', async () => {
  const stateFolder = join(openFolder(), 'ca');
  const start = (options: object = {}) => startAcmeServer({ stateFolder, ...options });
  mkdirSync(stateFolder, { mode: 0o755 });
  await expect(start()).rejects.toThrow(/has mode 0755 .*chmod 700/);
  chmodSync(stateFolder, 0o700);
  await (await start({ intermediates: 2 }))[Symbol.asyncDispose]();
  await expect(start()).rejects.toThrow(
    /ecdsa with 2 roots and 2 intermediates, and ecdsa with 2 roots and 1 intermediates is asked for: choose another/,
  );
  writeFileSync(join(stateFolder, 'records.jsonl'), '{"order":{}}\n');
  await expect(start({ intermediates: 2 })).rejects.toThrow(
    /records\.jsonl cannot be read: line 1: .*Remove its folder/,
  );
  writeFileSync(join(stateFolder, 'keys.json'), '{"issuing":');
  await expect(start()).rejects.toThrow(/keys\.json cannot be read: .*Remove its folder/);
});
