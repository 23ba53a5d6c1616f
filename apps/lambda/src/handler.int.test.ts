/** Tests of the function as its archive has it, in AWS's emulator of Lambda, against doubles of AWS and under the policy of its role. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createManagerKey, open, parseIdentityFile, parseRootKey, parseTrust } from '@certbus/events';
import { recordRestored } from '@certbus/manager';
import { openLog } from '@certbus/store/open';
import {
  findSecrets,
  type LambdaEmulator,
  type LambdaOptions,
  secretsOfKey,
  secretText,
  startFaultProxy,
  startLambdaEmulator,
  temporaryFolder,
} from 'certbus-services';
import { isFull, sharedDynamoDbLocal, sized } from 'certbus-services/vitest';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { unpackBundle } from './bundle/task.builders.ts';
import { createHandler } from './handler.ts';
import { createPolicies } from './policies/index.ts';
import { createSite, missingPart, type Site } from './site.builders.ts';

const { signal } = new AbortController();
const AT_ONCE = 20;
/** What a CA is asked for in an order, in its turn. */
const STEPS = ['newOrder', 'authorization', 'challenge', 'finalize', 'certificate'] as const;
type Step = (typeof STEPS)[number];

/** Has a program begin with this one. */
const beginWith = (program: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}`,
});
const REPORT_THREADS = beginWith(`process.on('worker', () => process.stdout.write('{"thread":true}\\n'));`);
/** Has the time of a run end once the process gets a signal, not after a quarter of an hour. */
const ENDS_BY_SIGNAL = beginWith(`const { setTimeout } = globalThis;
const ends = [];
const set = (run, ms, ...given) => {
  if (ms > 600000) ends.push(run);
  return setTimeout(run, ms, ...given);
};
globalThis.setTimeout = Object.defineProperties(set, Object.getOwnPropertyDescriptors(setTimeout));
process.on('SIGUSR2', () => ends.splice(0).forEach((run) => run()));`);
/** How an age file begins, in base64. */
const SEALED = /YWdlLWVuY3J5cHRpb24ub3JnL3Yx[A-Za-z0-9+/]+=*/g;
/** A claim lapses 5 minutes after it was made, and two more are for clocks that differ. */
const LATER = beginWith(`const { now } = Date;
globalThis.Date = class extends Date {
  constructor(...given) { super(...(given.length > 0 ? given : [now() + 480000])); }
  static now() { return now() + 480000; }
};`);

describe.skipIf(missingPart)(missingPart?.title('the function') ?? 'the function', () => {
  const { path: folder, remove } = temporaryFolder();
  let site: Site;
  let bundle: Awaited<ReturnType<typeof unpackBundle>>;
  let [first, second]: LambdaEmulator[] = [];
  const started: LambdaEmulator[] = [];
  /** The secret keys of AWS that functions had. */
  const secretKeys: string[] = [];

  beforeAll(async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    [site, bundle] = await Promise.all([createSite({ dynamodb: endpoint }), unpackBundle(folder)]);
    first = await start({ variables: REPORT_THREADS });
    second = await start({ runtime: 'own' });
  });
  afterEach(() => site.ca.faults.clear());
  afterAll(async () => {
    await Promise.all(started.map((each) => each.stop()));
    await site?.[Symbol.asyncDispose]();
    remove();
  });

  /** A function that has not been invoked yet, in a temporary folder of its own, under the policy of its role. */
  async function start({
    variables = {},
    ...options
  }: Partial<Pick<LambdaOptions, 'runtime' | 'timeoutS' | 'variables'>>) {
    const TMPDIR = join(site.folder, crypto.randomUUID());
    mkdirSync(TMPDIR);
    const credentials = site.actAs('certbus-manager', site.policies.manager);
    secretKeys.push(credentials['AWS_SECRET_ACCESS_KEY'] ?? '');
    const environment = { ...site.variables, ...credentials, TMPDIR, ...variables };
    const emulator = await startLambdaEmulator({ task: bundle.task, variables: environment, ...options });
    started.push(emulator);
    return emulator;
  }

  async function invoke(
    emulator: LambdaEmulator | undefined,
    requestId?: string,
  ): Promise<ReturnType<typeof JSON.parse>> {
    const answer = (await emulator?.invoke({}, requestId === undefined ? {} : { requestId })) ?? '';
    return JSON.parse(answer);
  }

  /** The JSON lines of a function's log, which comes by a pipe of its own, perhaps after the answer. */
  const linesOf = (emulator: LambdaEmulator | undefined): readonly ReturnType<typeof JSON.parse>[] =>
    (emulator?.log() ?? '').split('\n').flatMap((line) => (line.startsWith('{') ? JSON.parse(line) : []));

  /** Certificates that their CA has revoked, which makes them due. */
  async function makeDue(...names: readonly string[]): Promise<readonly string[]> {
    return site.manage(async (manager, { bus }) => {
      const issued: Awaited<ReturnType<typeof manager.issue>>[] = [];
      // A few at a time: hundreds at once ask more of DynamoDB Local than it answers on a busy machine.
      for (let n = 0; n < names.length; n += AT_ONCE)
        issued.push(
          ...(await Promise.all(
            names.slice(n, n + AT_ONCE).map((name) => manager.issue({ names: [name] }, { signal })),
          )),
        );
      const events = issued.map(({ certificateId }) => {
        const leafHash = manager.state.certificate(certificateId)?.current?.leafHash ?? '';
        return { type: 'CertificateRevoked' as const, certificateId, leafHash, reason: 5 };
      });
      await bus.append(manager.checkpoint, events, { at: new Date() });
      return issued.map(({ certificateId }) => certificateId);
    });
  }

  /** Does something once the CA is next asked for a resource: in the middle of an order, which is on the bus before anything is asked about it. */
  function inNextOrder(act: () => void, wanted: Step = 'authorization'): Promise<void> {
    return new Promise((resolve) => {
      const off = site.ca.on('request', ({ resource }) => {
        if (resource !== wanted) return;
        off();
        act();
        resolve();
      });
    });
  }

  /** Expects that what was due was renewed meanwhile, by so many orders. */
  async function expectRenewed(certificateId: string | undefined, orders: number): Promise<void> {
    expect(site.ca.orderCount).toBe(orders);
    const certificate = await site.manage(async (manager) => manager.state.certificate(certificateId ?? ''));
    expect(certificate?.revoked).toBe(false);
  }

  test('does nothing where nothing is due, cold, warm and by an event that comes twice, from an archive of a megabyte at most', async () => {
    expect(bundle.bytes).toBeLessThan(1_000_000);
    const nothing = { due: 0, renewed: 0, failed: 0, postponed: 0, position: 2 };
    expect(await invoke(first)).toMatchObject({ ...nothing, cold: true });
    expect(await invoke(first, 'event')).toMatchObject({ ...nothing, cold: false });
    expect(await invoke(first, 'event')).toMatchObject({ ...nothing, cold: false });
    const thread = { thread: true };
    const line = { level: 'INFO', FunctionName: 'certbus-prod', due: 0, Due: 0 };
    await expect
      .poll(() => linesOf(first))
      .toMatchObject([thread, { ...line, cold: true }, thread, line, thread, line]);
    // Whatever the event is: of the schedule, of a person, or of nobody.
    const scheduled = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} };
    for (const event of [scheduled, null, 'renew', [{ dryRun: true }], 0])
      expect(JSON.parse((await first?.invoke(event)) ?? '')).toMatchObject(nothing);
  });

  test('two at once renew what is due with one order and one certificate', async () => {
    const [id] = await makeDue('www.example.test');
    const before = site.ca.orderCount;
    const both = await Promise.all([invoke(first), invoke(second)]);
    expect(both.map(({ renewed }) => renewed).toSorted()).toEqual([0, 1]);
    await expectRenewed(id, before + 1);
    expect(await invoke(second)).toMatchObject({ due: 0, failed: 0 });
    expect(site.route53.zone('Z0123456789ABC').txt('_acme-challenge.www.example.test')).toEqual([]);
  });

  test('an event that comes twice at once, and again later, ends with one order and one certificate', async () => {
    const [id] = await makeDue('twice.example.test');
    const before = site.ca.orderCount;
    const both = await Promise.all([invoke(first, 'twice'), invoke(second, 'twice')]);
    expect(both.map(({ renewed }) => renewed).toSorted()).toEqual([0, 1]);
    expect(await invoke(first, 'twice')).toMatchObject({ due: 0, failed: 0 });
    await expectRenewed(id, before + 1);
  });

  /** Freezes an invocation when it asks for this, and has another one look at what is due meanwhile. */
  async function freezeAt(step: Step): Promise<void> {
    const [id] = await makeDue(`frozen-${step.toLowerCase()}.example.test`);
    const before = site.ca.orderCount;
    const frozen = inNextOrder(() => first?.signal('SIGSTOP'), step);
    const running = invoke(first);
    await frozen;
    expect(await invoke(second)).toMatchObject({ renewed: 0, failed: 0 });
    first?.signal('SIGCONT');
    expect(await running).toMatchObject({ renewed: 1, failed: 0 });
    await expectRenewed(id, before + 1);
  }

  /** Ends the time of an invocation while it waits for this, and has the same event, which comes again, go on elsewhere. */
  async function endTimeAt(step: Step): Promise<void> {
    const name = `late-${step.toLowerCase()}.example.test`;
    const [id] = await makeDue(name);
    const before = site.ca.orderCount;
    const late = await start({ variables: ENDS_BY_SIGNAL });
    site.ca.faults.inject({ kind: 'stall', when: 'before' }, { resource: step, times: Number.POSITIVE_INFINITY });
    const ended = inNextOrder(() => late.signal('SIGUSR2'), step);
    const running = invoke(late, name);
    await ended;
    // What has ended and is left to the next invocation is an error, so that somebody looks.
    const counts = String.raw`\(due 1, renewed 0, failed 0, postponed 1, position \d+\)\. ${name}: postponed`;
    expect(await running).toMatchObject({ errorMessage: expect.stringMatching(counts) });
    site.ca.faults.clear();
    expect(await invoke(second, name)).toMatchObject({ renewed: 1 });
    await expectRenewed(id, before + 1);
    await late.stop();
  }

  /** Has Lambda end an invocation that waits for this, and has another one take over its order once the claim has lapsed. */
  async function endAt(step: Step, { isTimeout }: { readonly isTimeout: boolean }): Promise<void> {
    const [id] = await makeDue(`ended-${step.toLowerCase()}.example.test`);
    const before = site.ca.orderCount;
    // Long enough for a cold start on a busy machine.
    const ended = await start(isTimeout ? { timeoutS: 180 } : {});
    const inOrder = inNextOrder(() => ended.signal('SIGSTOP'), step);
    const answer = ended.invoke().catch(String);
    await inOrder;
    // The emulator kills it at the time-out, and stopping the emulator does at once.
    if (!isTimeout) await ended.stop();
    expect(await answer).toContain(isTimeout ? 'Task timed out' : 'socket hang up');
    expect(await invoke(isTimeout ? ended : second)).toMatchObject({ renewed: 0, failed: 0 });
    const later = await start({ variables: LATER });
    expect(await invoke(later)).toMatchObject({ renewed: 1, failed: 0 });
    await expectRenewed(id, before + 1);
    await later.stop();
  }

  test('one that is frozen in the middle of an order goes on with it, and no other one takes it meanwhile', () =>
    freezeAt('authorization'));

  test('one whose time ends releases its order, and its event that comes again goes on with it', () =>
    endTimeAt('finalize'));

  test(
    'what one that was ended in the middle of an order has claimed is not taken until that lapses, and then with its order',
    {
      tags: 'full',
      timeout: 900_000,
    },
    () => endAt('authorization', { isTimeout: sized({ small: false, full: true }) }),
  );

  test('one that goes on after its claim and its time are over, and another one has done its work, makes nothing of its own', async () => {
    const [id] = await makeDue('thawed.example.test');
    const [orders, certificates] = [site.ca.orderCount, site.ca.certificates().length];
    const frozen = await start({ variables: ENDS_BY_SIGNAL });
    const inOrder = inNextOrder(() => frozen.signal('SIGSTOP'));
    const answer = invoke(frozen);
    await inOrder;
    const later = await start({ variables: LATER });
    expect(await invoke(later)).toMatchObject({ renewed: 1, failed: 0 });
    // Its time ends as soon as it goes on.
    frozen.signal('SIGUSR2');
    frozen.signal('SIGCONT');
    await answer;
    await expectRenewed(id, orders + 1);
    expect(site.ca.certificates()).toHaveLength(certificates + 1);
    expect(await invoke(frozen)).toMatchObject({ due: 0, failed: 0 });
    await Promise.all([frozen.stop(), later.stop()]);
  });

  if (isFull) {
    test.each(STEPS)(
      'a freeze, the end of the time, and a kill at %s end with one order and one certificate each',
      {
        tags: 'full',
        timeout: 900_000,
      },
      async (step) => {
        await freezeAt(step);
        await endTimeAt(step);
        // An order whose answer nobody got is lost: ACME has no word for it.
        if (step !== 'newOrder') await endAt(step, { isTimeout: false });
      },
    );
  }

  test('a failing CA is an error with the counts', async () => {
    const [id = ''] = await makeDue('mail.example.test');
    site.ca.faults.inject({ kind: 'status', status: 400 }, { resource: 'newOrder', times: Number.POSITIVE_INFINITY });
    const counts = String.raw`\(due 1, renewed 0, failed 1, postponed 0, position \d+\)\. mail\.example\.test: `;
    const error = { errorType: 'CertBusRunFailed', errorMessage: expect.stringMatching(counts) };
    expect(await invoke(first)).toMatchObject(error);
    const counted = expect.objectContaining({ level: 'ERROR', due: 1, failed: 1, Failed: 1 });
    await expect.poll(() => linesOf(first)).toContainEqual(counted);
    site.ca.faults.clear();
    // Revoked, and put off by a back-off: removed, so that the other tests are not about it.
    await site.manage((manager) => manager.remove(id));
  });

  test('renews all that are due in one invocation', { tags: 'full' }, async () => {
    const count = sized({ small: 3, full: 300 });
    await makeDue(...Array.from({ length: count }, (_, at) => `www${at}.example.test`));
    expect(await invoke(second)).toMatchObject({ due: count, renewed: count, failed: 0, postponed: 0 });
  });

  describe('where DynamoDB refuses requests for now', () => {
    let proxy: Awaited<ReturnType<typeof startFaultProxy>>;
    beforeAll(async () => {
      proxy = await startFaultProxy({ target: site.account.endpoint });
    });
    afterEach(() => proxy.plan(() => 'forward'));
    afterAll(() => proxy?.stop());

    /** A function that reaches DynamoDB, and nothing else, through the proxy. */
    const startBehind = (variables: Readonly<Record<string, string>> = {}) => {
      const CERTBUS_BUS = site.variables['CERTBUS_BUS']?.replace(site.account.endpoint, proxy.endpoint) ?? '';
      return start({ variables: { CERTBUS_BUS, ...variables } });
    };

    const refusals = ['ProvisionedThroughputExceededException', 'ThrottlingException', 'TransactionConflictException'];
    test.each(isFull ? refusals : refusals.slice(-1))(
      'every second one with %s, it renews as if nothing had been',
      { tags: 'full' },
      async (refuse) => {
        const [id] = await makeDue(`${refuse.toLowerCase()}.example.test`);
        const [orders, certificates] = [site.ca.orderCount, site.ca.certificates().length];
        const emulator = await startBehind();
        proxy.plan((_, nth) => (nth % 2 === 0 ? { refuse } : 'forward'));
        expect(await invoke(emulator)).toMatchObject({ renewed: 1, failed: 0, warnings: [] });
        await expectRenewed(id, orders + 1);
        expect(site.ca.certificates()).toHaveLength(certificates + 1);
        await emulator.stop();
      },
    );

    test('all that read, it says so, and its next invocation renews', async () => {
      const [id] = await makeDue('reads.example.test');
      const orders = site.ca.orderCount;
      const emulator = await startBehind();
      proxy.plan((operation) => (operation === 'Query' ? 'throttle' : 'forward'));
      expect(await invoke(emulator)).toMatchObject({ errorMessage: expect.stringContaining('is throttling') });
      const message = expect.stringMatching(/^CERTBUS_STORE_THROTTLED: /);
      await expect.poll(() => linesOf(emulator)).toContainEqual({ level: 'ERROR', message });
      proxy.plan(() => 'forward');
      expect(await invoke(emulator)).toMatchObject({ renewed: 1, failed: 0 });
      await expectRenewed(id, orders + 1);
      await emulator.stop();
    });

    test.each<Step>(isFull ? STEPS : ['finalize'])(
      'all that write once the CA was asked for %s, it answers behind the end of its time, and the next one goes on',
      { tags: 'full', timeout: 900_000 },
      async (step) => {
        const [id] = await makeDue(`writes-${step.toLowerCase()}.example.test`);
        const [orders, certificates] = [site.ca.orderCount, site.ca.certificates().length];
        const emulator = await startBehind(ENDS_BY_SIGNAL);
        let refused = 0;
        const full = inNextOrder(() => {
          proxy.plan((operation) => {
            if (operation !== 'PutItem') return 'forward';
            refused += 1;
            if (refused === 3) emulator.signal('SIGUSR2');
            return 'throttle';
          });
        }, step);
        const answer = await invoke(emulator);
        await full;
        expect(answer).toMatchObject({
          errorMessage: expect.stringContaining('due 1, renewed 0, failed 0, postponed 1'),
        });
        proxy.plan(() => 'forward');
        const later = await start({ variables: LATER });
        expect(await invoke(later)).toMatchObject({ renewed: 1, failed: 0 });
        // An order that the bus did not take is lost: ACME has no word for it.
        await expectRenewed(id, orders + (step === 'newOrder' ? 2 : 1));
        expect(site.ca.certificates()).toHaveLength(certificates + 1);
        await Promise.all([emulator.stop(), later.stop()]);
      },
    );
  });

  test('a key that is missing, denied, malformed or of another bus is a clear error', async () => {
    const lines: string[] = [];
    const fail = async (CERTBUS_MANAGER_KEY: string, code: string) => {
      const TMPDIR = join(site.folder, crypto.randomUUID());
      const variables = { ...site.variables, TMPDIR, CERTBUS_MANAGER_KEY };
      const handler = createHandler({ variables, write: (line) => lines.push(line) });
      const context = { getRemainingTimeInMillis: () => 900_000 };
      await expect(handler({}, context)).rejects.toMatchObject({ code });
      return JSON.parse(lines.at(-1) ?? '').message;
    };
    const query = site.variables['CERTBUS_MANAGER_KEY']?.replace(/^[^?]*/, '') ?? '';
    const parameter = (name: string) => site.account.arn('ssm', `parameter/certbus/prod/${name}`);
    const names = ['manager-key', 'none', 'other-bus', 'malformed'];
    site.actAs('certbus-manager', createPolicies({ ...site.place, parameterArns: names.map(parameter) }).manager);
    await site.account.putParameter('/certbus/prod/other-bus', await createManagerKey());
    await site.account.putParameter('/certbus/prod/malformed', 'not a key');
    await fail(`ssm:/certbus/prod/none${query}`, 'CERTBUS_CLI_SECRET_MISSING');
    await fail(`ssm:/certbus/prod/other-bus${query}`, 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE');
    await fail(`ssm:/certbus/prod/malformed${query}`, 'CERTBUS_EVENTS_KEY_MALFORMED');
    site.actAs('certbus-manager', site.policies.manager);
    const denied = await fail(`ssm:/certbus/prod/other${query}`, 'CERTBUS_CLI_SECRET_DENIED');
    expect(denied).toMatch(/assumed-role\/certbus-manager.*ssm:GetParameter/);
    await fail('ssm:key', 'CERTBUS_CLI_SECRET_REFERENCE_INVALID');
    // The key itself, which would do, is shown to anyone who can look at the function.
    await fail(site.managerKey, 'CERTBUS_CLI_SECRET_REFERENCE_INVALID');
    // Also where the invocation has no context.
    const odd = createHandler({ variables: { ...site.variables, CERTBUS_MANAGER_KEY: 'ssm:key' }, write: () => {} });
    await expect(odd({})).rejects.toMatchObject({ code: 'CERTBUS_CLI_SECRET_REFERENCE_INVALID' });
    const secrets = site.managerKey.split('\n').filter((line) => /KEY/.test(line));
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of secrets) expect(lines.join()).not.toContain(secret);
    expect(lines.join()).not.toContain('AGE-SECRET-KEY');
  });

  test('the key is read at a cold start, and again after an invocation that failed', async () => {
    const { arn, proxy } = site.account;
    const key = arn('ssm', 'parameter/certbus/prod/manager-key');
    const readings = () =>
      proxy.decided.filter(({ action, resource }) => action === 'ssm:GetParameter' && resource === key).length;
    const handler = createHandler({
      variables: { ...site.variables, TMPDIR: join(site.folder, crypto.randomUUID()) },
      write: () => {},
    });
    const before = readings();
    const since = () => readings() - before;
    await handler({});
    expect(since()).toBe(1);
    await handler({});
    expect(since()).toBe(1);
    await expect(handler({}, { getRemainingTimeInMillis: () => 0 })).rejects.toMatchObject({
      code: 'CERTBUS_LAMBDA_BUS_NOT_READ',
    });
    await handler({});
    expect(since()).toBe(2);
    await handler({});
    expect(since()).toBe(2);
  });

  test('a secret of the configuration is read by its reference, and one that is denied fails what needs it', async () => {
    const { account, place, policies } = site;
    await account.putParameter('/certbus/prod/dns', 'made-up');
    const parameterArns = [...(place.parameterArns ?? []), account.arn('ssm', 'parameter/certbus/prod/dns')];
    const configure = (settings: object) => site.manage((manager) => manager.configure(site.configuration(settings)));
    const [id] = await makeDue('secret.example.test');
    const before = site.ca.orderCount;
    const { AWS_ACCESS_KEY_ID: accessKeyId } = site.actAs('certbus-dns', policies.manager);
    site.actAs('certbus-manager', policies.manager);
    const secretAccessKey = { env: 'CERTBUS_SECRET_DNS' };
    await configure({ accessKeyId, secretAccessKey });
    const query = site.variables['CERTBUS_MANAGER_KEY']?.replace(/^[^?]*/, '') ?? '';
    const run = () => {
      const variables = {
        ...site.variables,
        TMPDIR: join(site.folder, crypto.randomUUID()),
        CERTBUS_SECRET_DNS: `ssm:/certbus/prod/dns${query}`,
        CERTBUS_SECRET_DNS_HOSTS: new URL(account.endpoint).host,
      };
      return createHandler({ variables, write: () => {} })({});
    };
    site.actAs('certbus-manager', createPolicies({ ...place, parameterArns }).manager);
    expect(await run()).toMatchObject({ renewed: 1, failed: 0, warnings: [] });
    await expectRenewed(id, before + 1);
    const asked = account.proxy.decided.filter(({ role }) => role === 'certbus-dns').map(({ action }) => action);
    expect(asked).toContain('route53:ChangeResourceRecordSets');
    site.actAs('certbus-manager', policies.manager);
    await configure({});
    const [other = ''] = await makeDue('denied.example.test');
    await configure({ accessKeyId, secretAccessKey });
    await expect(run()).rejects.toThrow(/CERTBUS_SECRET_DNS cannot be read from ssm:.*ssm:GetParameter/);
    await configure({});
    // Revoked, and put off by a back-off: removed, so that the other tests are not about it.
    await site.manage((manager) => manager.remove(other));
  });

  test('a bus that is not read in the time of an invocation is a clear error, before Lambda ends it', async () => {
    const lines: string[] = [];
    const variables = { ...site.variables, TMPDIR: join(site.folder, crypto.randomUUID()) };
    const handler = createHandler({ variables, write: (line) => lines.push(line) });
    await expect(handler({}, { getRemainingTimeInMillis: () => 0 })).rejects.toThrow(
      /^The bus was not read in the 0 s that this invocation had for it\. Give the function more time/,
    );
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'ERROR', message: expect.stringMatching(/^CERTBUS_LAMBDA_BUS_NOT_READ: /) },
    ]);
    // The environment lives on, and the next one has its time.
    expect(await handler({})).toMatchObject({ due: 0, cold: false });
  });

  test('a log that was cut off is refused by the next cold start, which keeps its checkpoint', async () => {
    const { stream } = site.place;
    const { position } = await invoke(second);
    site.actAs('thief', { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
    const log = await openLog(site.variables['CERTBUS_BUS'] ?? '');
    const [last] = (await log.read(stream, position - 1, { limit: 1, consistent: true })).commits;
    await log.maintenance?.replace(stream, position, { found: last?.bytes, bytes: undefined });
    const written = () => site.account.proxy.decided.filter(({ action }) => action === 'ssm:PutParameter').length;
    const before = written();
    const cold = await start({});
    expect(await invoke(cold)).toMatchObject({ errorMessage: expect.stringContaining(`position ${position}`) });
    await expect
      .poll(() => linesOf(cold))
      .toContainEqual({
        level: 'ERROR',
        message: expect.stringMatching(/^CERTBUS_EVENTS_BELOW_FLOOR: /),
      });
    expect(written()).toBe(before);
    // What is put back is the line that the function knows.
    await log.append(stream, position - 1, last?.bytes ?? Buffer.alloc(0));
    await log.close();
    expect(await invoke(cold)).toMatchObject({ due: 0, failed: 0, position });
    await cold.stop();
  });

  test('a table that was put back to an earlier time is refused, warm and cold, until the root has said so', async () => {
    const { stream } = site.place;
    const address = site.variables['CERTBUS_BUS'] ?? '';
    const warm = await start({});
    const [id] = await makeDue('restored.example.test');
    const { position } = await invoke(warm);
    site.actAs('thief', { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
    const log = await openLog(address);
    const lost = (await log.read(stream, position - 2, { consistent: true })).commits;
    expect(lost).toHaveLength(2);
    for (const each of lost.toReversed())
      await log.maintenance?.replace(stream, each.position, { found: each.bytes, bytes: undefined });
    const cold = await start({});
    for (const emulator of [warm, cold, warm])
      expect(await invoke(emulator)).toMatchObject({ errorType: 'HistoryError' });
    const trust = parseTrust(site.variables['CERTBUS_TRUST'] ?? '');
    await recordRestored(log, stream, { trust, root: parseRootKey(site.rootKey) });
    await log.close();
    for (const emulator of [warm, cold]) expect(await invoke(emulator)).toMatchObject({ failed: 0, warnings: [] });
    // Its claim came back with the earlier state, and lapses.
    const later = await start({ variables: LATER });
    await invoke(later);
    expect(await invoke(later)).toMatchObject({ due: 0, failed: 0 });
    const certificate = await site.manage(async (manager) => manager.state.certificate(id ?? ''));
    expect(certificate?.revoked).toBe(false);
    await Promise.all([warm, cold, later].map((each) => each.stop()));
  });

  test('a table that is empty, is not there, or is one of another region is a clear error', async () => {
    const lines: string[] = [];
    const address = site.variables['CERTBUS_BUS'] ?? '';
    const name = site.place.tableArn.split('/')[1] ?? '';
    const empty = `empty-${crypto.randomUUID()}`;
    site.actAs('administrator', {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['dynamodb:*', 'ssm:*', 's3:*'], Resource: '*' }],
    });
    await (await openLog(address.replace(name, empty), { create: true })).close();
    const fail = async (variables: Readonly<Record<string, string>>) => {
      const TMPDIR = join(site.folder, crypto.randomUUID());
      const handler = createHandler({
        variables: { ...site.variables, TMPDIR, ...variables },
        write: (line) => lines.push(line),
      });
      await expect(handler({})).rejects.toThrow();
      return JSON.parse(lines.at(-1) ?? '').message;
    };
    const at = (from: string, to: string) => ({ CERTBUS_BUS: address.replace(from, to) });
    const inEmpty = at(name, empty);
    const isEmpty = /^CERTBUS_STORE_NOT_FOUND: The bus .* does not exist: its stream is empty/;
    const isNotThere = /^CERTBUS_STORE_NOT_FOUND: .* does not exist in this account and region/;
    // Also where there is no checkpoint or archive to know the bus by, and with the line breaks of the template.
    expect(await fail(inEmpty)).toMatch(isEmpty);
    expect(await fail({ ...inEmpty, CERTBUS_CHECKPOINT: '', CERTBUS_ARCHIVE: '' })).toMatch(isEmpty);
    const CERTBUS_TRUST = site.variables['CERTBUS_TRUST']?.replaceAll('\n', '\\n') ?? '';
    expect(await fail({ ...inEmpty, CERTBUS_TRUST })).toMatch(isEmpty);
    expect(await fail(at('/prod?', '/other?'))).toMatch(isEmpty);
    expect(await fail(at(name, 'not-there'))).toMatch(isNotThere);
    expect(await fail(at('region=eu-central-1', 'region=us-east-1'))).toMatch(isNotThere);
    for (const variable of ['CERTBUS_BUS', 'CERTBUS_TRUST', 'CERTBUS_MANAGER_KEY'])
      expect(await fail({ [variable]: '' })).toMatch(new RegExp(`^CERTBUS_CLI_CONFIG_MISSING: .*${variable} `));
    site.actAs('certbus-manager', site.policies.manager);
  });

  /** Texts of all that is sealed on the bus: for the manager, or for load balancers. */
  async function readSealed(): Promise<readonly string[]> {
    const commits = await site.manage(async (_, { log }) => {
      const page = await log.read(site.place.stream, 0, { limit: 10_000, consistent: true });
      return page.commits.map(({ bytes }) => Buffer.from(bytes).toString()).join('');
    });
    const readers = await Promise.all([site.managerKey, site.identity].map((text) => parseIdentityFile(text)));
    const texts = [...new Set(commits.match(SEALED))].flatMap((sealed) =>
      readers.map(({ identity }) => open(sealed, identity).catch(() => '')),
    );
    return (await Promise.all(texts)).filter(Boolean);
  }

  test('no secret is in the log: keys of the manager, of its account and of certificates, and credentials', async () => {
    const parameter = '/certbus/prod/route53';
    const { proxy, arn } = site.account;
    const dns = proxy.addRole('dns-only', [createPolicies({ ...site.place, parameterArns: [] }).manager]);
    await site.account.putParameter(parameter, dns.secretAccessKey);
    const query = site.variables['CERTBUS_MANAGER_KEY']?.replace(/^[^?]*/, '') ?? '';
    const secret = { accessKeyId: dns.accessKeyId, secretAccessKey: { env: 'CERTBUS_SECRET_ROUTE53' } };
    const variables = {
      CERTBUS_SECRET_ROUTE53: `ssm:${parameter}${query}`,
      CERTBUS_SECRET_ROUTE53_HOSTS: new URL(site.account.endpoint).host,
    };
    const parameterArns = [...(site.place.parameterArns ?? []), arn('ssm', `parameter${parameter}`)];
    const credentials = site.actAs('with-secret', createPolicies({ ...site.place, parameterArns }).manager);
    const reading = await start({ variables: { ...variables, ...credentials } });
    const [id] = await makeDue('secret.example.test');
    await site.manage((manager) => manager.configure(site.configuration(secret)));
    const before = site.ca.orderCount;
    expect(await invoke(reading)).toMatchObject({ renewed: 1, failed: 0 });
    await expectRenewed(id, before + 1);
    expect(proxy.decided.some(({ role, action }) => role === 'dns-only' && action.startsWith('route53:Change'))).toBe(
      true,
    );
    secretKeys.push(dns.secretAccessKey, credentials['AWS_SECRET_ACCESS_KEY'] ?? '');

    const keys = (await readSealed()).filter((text) => text.includes('PRIVATE KEY'));
    // The account's, and two of the certificate at least.
    expect(keys.length).toBeGreaterThan(2);
    const secrets = [
      ...keys.flatMap((pem, at) => secretsOfKey(`key ${at}`, pem)),
      ...site.managerKey.split('\n').flatMap((line) => (/KEY/.test(line) ? secretText('the manager key', line) : [])),
      ...secretKeys.map((text) => secretText('a secret key of AWS', text)),
    ];
    await expect.poll(() => reading.log()).toContain('"renewed":1');
    const logs = started.map((each) => each.log()).join('\n');
    expect(findSecrets(logs, secrets)).toEqual([]);
    expect(logs).not.toContain('PRIVATE KEY');
  });
});
