/** Tests of a manager that keeps its checkpoint outside of its folder: each start is a new machine. */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import {
  createBusId,
  createManagerKey,
  createRootKey,
  formatTrust,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  parseTrust,
} from '@certbus/events';
import { createBus, type Manager, recordRestored } from '@certbus/manager';
import { openLog } from '@certbus/store/open';
import {
  type IamJudge,
  type IamProxy,
  type Moto,
  requirePart,
  startIamJudge,
  startIamProxy,
  startMoto,
  temporaryFolder,
} from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readEnvironment } from './environment.ts';
import { withManager } from './with-manager.ts';

const DAY_MS = 86_400_000;
const { path: folder, remove } = temporaryFolder();
const rootText = createRootKey();
const root = parseRootKey(rootText);
const configuration = (contact: string) => ({
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/directory', termsOfServiceAgreed: true, contact: [contact] } },
  defaultAuthority: 'ca',
});

afterAll(remove);

/** A bus that was begun some days ago, its manager, and where its checkpoint is. */
async function newBus({ daysAgo = 0, checkpoint }: { daysAgo?: number; checkpoint?: string } = {}) {
  const stream = crypto.randomUUID();
  const file = join(folder, `${stream}.db`);
  const address = `sqlite:${file}#test`;
  const place = checkpoint ?? join(folder, `${stream}.checkpoint`);
  const managerKey = await createManagerKey();
  const recipient = (await parseIdentityFile(managerKey)).recipient;
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = await openLog(address, { create: true });
  await createBus(log, 'test', {
    trust,
    root,
    managers: [{ name: 'lambda', signingKey: parseManagerKey(managerKey).signer.publicKey, recipient }],
    recipients: [{ name: 'balancers', recipient }],
    now: () => new Date(Date.now() - daysAgo * DAY_MS),
  });
  await log.close();
  const lines: string[] = [];
  /** On a machine that has nothing but the environment. */
  const start = async <T>(run: (manager: Manager) => Promise<T>, variables: Record<string, string> = {}) => {
    const state = join(folder, crypto.randomUUID());
    const environment = readEnvironment({
      variables: {
        CERTBUS_BUS: address,
        CERTBUS_TRUST: formatTrust(trust),
        CERTBUS_MANAGER_KEY: managerKey,
        CERTBUS_STATE_DIR: state,
        CERTBUS_CHECKPOINT: place,
        ...variables,
      },
      writeLine: (line) => lines.push(line),
    });
    try {
      return await withManager(environment, run);
    } finally {
      rmSync(state, { recursive: true, force: true });
    }
  };
  const configure = (contact: string, variables?: Record<string, string>) =>
    start((manager) => manager.configure(configuration(contact)), variables);
  const kept = () => parseTrust(readFileSync(place, 'utf8')).floor;
  return { file, address, trust, place, lines, start, configure, kept };
}

/** Cuts a log off, as somebody does who can write to the store. */
async function cutOff(file: string, position: number): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(file);
  const tables = database.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all();
  const { name } = tables.find(({ sql }) => /position/.test(String(sql))) ?? {};
  database.exec(`DELETE FROM ${String(name)} WHERE position > ${position}`);
  database.close();
}

describe('a checkpoint in a file', () => {
  test('is made by the first run, and follows each that goes further', async () => {
    const { configure, start, kept, trust, place } = await newBus();
    await start(async () => {});
    expect(kept()).toMatchObject({ position: 1, rootSequence: 2 });
    await configure('mailto:a@example.com');
    expect(kept()).toMatchObject({ position: 2 });
    await expect(start(() => Promise.reject(new Error('the run failed')))).rejects.toThrow('the run failed');
    expect(parseTrust(readFileSync(place, 'utf8'))).toMatchObject(trust);
  });

  test('is never put back, not by a run that began before another', async () => {
    const { configure, start, kept } = await newBus();
    await start(async () => {
      await configure('mailto:a@example.com');
      await configure('mailto:b@example.com');
    });
    expect(kept()).toMatchObject({ position: 3 });
  });

  test('shows a new machine that the log was cut off, unless the root restored it', async () => {
    const { configure, start, kept, file, address, trust } = await newBus();
    await configure('mailto:a@example.com');
    await configure('mailto:b@example.com');
    await cutOff(file, 2);
    const cut = start(async () => {});
    await expect(cut).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_BELOW_FLOOR' });
    expect(kept()).toMatchObject({ position: 3 });
    const log = await openLog(address);
    const { signal } = new AbortController();
    const known = undefined;
    await recordRestored(log, 'test', { trust: { ...trust, floor: kept() }, root, known, archive: undefined, signal });
    await log.close();
    await start(async () => {});
    expect(kept()?.position).toBe(3);
    expect(kept()?.rootSequence).toBeGreaterThan(2);
  });

  test('lets a manager go on after an outage of days, which nobody has to confirm', async () => {
    const { configure, start } = await newBus({ daysAgo: 5 });
    await expect(configure('mailto:a@example.com', { CERTBUS_CHECKPOINT: '' })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_BUS_STALE',
    });
    // What could have been cut off is not kept as known.
    await start(async () => {});
    await expect(configure('mailto:a@example.com')).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_BUS_STALE' });
    const stale = await newBus({ daysAgo: 5 });
    await stale.start(async () => {}, { CERTBUS_ACCEPT_STALE: '1' });
    await stale.configure('mailto:a@example.com');
  });

  test.each([
    ['something else', () => 'password', 'it is not a checkpoint'],
    ['that of another bus', () => formatTrust({ busId: createBusId(), rootKey: root.publicKey }), 'of another bus'],
  ])('is refused where it is %s', async (_, text, why) => {
    const { start, place } = await newBus();
    writeFileSync(place, text());
    const started = start(async () => {});
    await expect(started).rejects.toMatchObject({ code: 'CERTBUS_CLI_CHECKPOINT_REFUSED' });
    await expect(started).rejects.toThrow(why);
    await expect(started).rejects.not.toThrow('password');
  });

  test('is refused where others can change it', async () => {
    const { start, place } = await newBus();
    await start(async () => {});
    chmodSync(place, 0o666);
    await expect(start(async () => {})).rejects.toMatchObject({ code: 'CERTBUS_CLI_CONFIG_OPEN' });
  });

  test('that cannot be written is reported, and fails no run', async () => {
    const { configure, lines } = await newBus({ checkpoint: join(folder, 'no', 'such', 'folder') });
    await configure('mailto:a@example.com');
    expect(lines).toEqual([expect.stringMatching(/^warning: the checkpoint was not written \(error: /)]);
  });
});

const parts = [requirePart('moto'), requirePart('iam-judge')];
const missing = parts.find(({ skip }) => skip);

describe.skipIf(missing)(missing?.title('a checkpoint in SSM') ?? 'a checkpoint in SSM', () => {
  const region = 'eu-central-1';
  const name = '/certbus/checkpoint';
  let moto: Moto;
  let judge: IamJudge;
  let proxy: IamProxy;

  beforeAll(async () => {
    moto = await startMoto();
    judge = await startIamJudge();
    proxy = await startIamProxy(judge, { ssm: moto.endpoint });
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    await proxy?.stop();
    await judge?.stop();
    await moto?.stop();
  });

  /** Acts as a role that may do these things to the parameter. */
  function actAs(role: string, actions: readonly string[]): void {
    const Resource = `arn:aws:ssm:${region}:123456789012:parameter${name}`;
    const Statement = [{ Effect: 'Allow', Action: actions.map((action) => `ssm:${action}`), Resource }];
    const { accessKeyId, secretAccessKey } = proxy.addRole(role, [{ Version: '2012-10-17', Statement }]);
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  }

  test('is made, followed and refused as one in a file is', async () => {
    const checkpoint = `ssm:${name}?region=${region}&endpoint=${proxy.endpoint}`;
    const { configure, start, file, lines } = await newBus({ checkpoint });
    const credentials = { accessKeyId: 'AKIAALLROLES', secretAccessKey: 'x' };
    const ssm = new SSMClient({ endpoint: moto.endpoint, region, credentials });
    const kept = async () =>
      parseTrust((await ssm.send(new GetParameterCommand({ Name: name }))).Parameter?.Value ?? '').floor?.position;
    actAs('manager', ['GetParameter', 'PutParameter']);
    await start(async () => {});
    expect(await kept()).toBe(1);
    actAs('reader', ['GetParameter']);
    await configure('mailto:a@example.com');
    expect(lines).toEqual([
      expect.stringContaining('assumed-role/reader/session is not authorized to perform: ssm:PutParameter'),
    ]);
    expect(await kept()).toBe(1);
    actAs('manager', ['GetParameter', 'PutParameter']);
    await configure('mailto:b@example.com');
    expect(await kept()).toBe(3);
    await cutOff(file, 2);
    await expect(start(async () => {})).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_BELOW_FLOOR' });
    actAs('stranger', ['DeleteParameter']);
    await expect(start(async () => {})).rejects.toMatchObject({ code: 'CERTBUS_CLI_SECRET_DENIED' });
    ssm.destroy();
  });

  test('is not a secret of Secrets Manager', async () => {
    const { start } = await newBus({ checkpoint: 'secretsmanager:x' });
    await expect(start(async () => {})).rejects.toMatchObject({ code: 'CERTBUS_CLI_SECRET_REFERENCE_INVALID' });
  });
});
