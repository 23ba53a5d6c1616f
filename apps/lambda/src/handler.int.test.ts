/** Tests of the function against doubles of AWS, under the policy of its role. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createManagerKey } from '@certbus/events';
import { run } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFiles } from './bundle/build.builders.ts';
import { createZip } from './bundle/zip.ts';
import { createHandler, type InvocationContext } from './handler.ts';
import { createSite, missingPart, type Site } from './site.builders.ts';

const { signal } = new AbortController();
const lasting = (ms: number): InvocationContext => {
  const end = Date.now() + ms;
  return { functionName: 'certbus-prod', getRemainingTimeInMillis: () => end - Date.now() };
};

describe.skipIf(missingPart)(missingPart?.title('the function') ?? 'the function', () => {
  let site: Site;
  let lines: string[] = [];
  beforeAll(async () => {
    site = await createSite();
  });
  afterAll(() => site?.[Symbol.asyncDispose]());

  /** A function that starts cold, in a folder of its own. */
  function coldStart(variables: Readonly<Record<string, string>> = {}) {
    lines = [];
    const TMPDIR = join(site.folder, crypto.randomUUID());
    const handler = createHandler({
      variables: { ...site.variables, TMPDIR, ...variables },
      write: (line) => lines.push(line),
    });
    return (ms = 900_000) => handler({}, lasting(ms));
  }

  /** A certificate that its CA has revoked, which makes it due. */
  async function makeDue(name: string): Promise<string> {
    return site.manage(async (manager, { bus }) => {
      const names = [name];
      const { certificateId } = await manager.issue({ names }, { signal });
      const leafHash = manager.state.certificate(certificateId)?.current?.leafHash ?? '';
      const event = { type: 'CertificateRevoked' as const, certificateId, leafHash, reason: 5 };
      await bus.append(manager.checkpoint, [event], { at: new Date() });
      return certificateId;
    });
  }

  test('does nothing where nothing is due, cold and warm, and says so in one line each', async () => {
    const invoke = coldStart();
    expect(await invoke()).toMatchObject({ due: 0, renewed: 0, failed: 0, postponed: 0, position: 2, cold: true });
    expect(await invoke()).toMatchObject({ due: 0, cold: false });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'INFO', due: 0, cold: true, FunctionName: 'certbus-prod', Due: 0 },
      { level: 'INFO', cold: false },
    ]);
    const asked = site.proxy.decided
      .filter(({ action }) => action === 'ssm:GetParameter')
      .map(({ resource }) => resource);
    expect(asked.filter((resource) => resource.endsWith('manager-key')).length).toBeGreaterThan(0);
  });

  test('two invocations at once renew what is due with one order and one certificate', async () => {
    const certificateId = await makeDue('www.example.test');
    const before = site.ca.orderCount;
    const both = await Promise.all([coldStart()(), coldStart()()]);
    expect(site.ca.orderCount).toBe(before + 1);
    expect(both.map(({ renewed }) => renewed).toSorted()).toEqual([0, 1]);
    expect(await coldStart()()).toMatchObject({ due: 0 });
    const certificate = await site.manage(async (manager) => manager.state.certificate(certificateId));
    expect(certificate?.revoked).toBe(false);
    expect(site.route53.zone('Z0123456789ABC').txt('_acme-challenge.www.example.test')).toEqual([]);
  });

  test('a failing CA is an error with the counts', async () => {
    const certificateId = await makeDue('mail.example.test');
    site.ca.faults.inject({ kind: 'status', status: 400 }, { resource: 'newOrder', times: Number.POSITIVE_INFINITY });
    const invoke = coldStart();
    await expect(invoke()).rejects.toMatchObject({
      name: 'CertBusRunFailed',
      message: expect.stringMatching(
        /\(due 1, renewed 0, failed 1, postponed 0, position \d+\)\. mail\.example\.test: /,
      ),
    });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'ERROR', due: 1, failed: 1, Failed: 1 });
    site.ca.faults.clear();
    // Revoked, and put off by a back-off: removed, so that the other tests are not about it.
    await site.manage((manager) => manager.remove(certificateId));
  });

  test('a key that is missing, denied, malformed or of another bus is a clear error, and no secret is in the log', async () => {
    const invoke = (variables: Readonly<Record<string, string>>) => coldStart(variables)();
    const query = site.variables['CERTBUS_MANAGER_KEY']?.replace(/^[^?]*/, '') ?? '';
    const refused = (code: string) => expect.objectContaining({ code });
    site.actAs('certbus-manager', site.policies.manager);
    await expect(invoke({ CERTBUS_MANAGER_KEY: `ssm:/certbus/prod/other${query}` })).rejects.toEqual(
      refused('CERTBUS_CLI_SECRET_DENIED'),
    );
    expect(lines.join()).toContain('ssm:GetParameter');
    const other = await createManagerKey();
    await expect(invoke({ CERTBUS_MANAGER_KEY: other })).rejects.toEqual(refused('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE'));
    expect(lines.join()).not.toContain('AGE-SECRET-KEY');
    await expect(invoke({ CERTBUS_MANAGER_KEY: 'ssm:key' })).rejects.toEqual(
      refused('CERTBUS_CLI_SECRET_REFERENCE_INVALID'),
    );
    await expect(invoke({ CERTBUS_MANAGER_KEY: 'not a key' })).rejects.toEqual(refused('CERTBUS_EVENTS_KEY_MALFORMED'));
  });

  test('the bundle does the same: what is in the ZIP, at most a megabyte, with the thread that writes the replica', async () => {
    const files = await buildFiles();
    expect(createZip(files).length).toBeLessThan(1_000_000);
    const task = join(site.folder, 'task');
    mkdirSync(task);
    for (const { name, bytes } of files) writeFileSync(join(task, name), bytes);
    const program = `const threads = [];
process.on('worker', () => threads.push(1));
const { handler } = await import(${JSON.stringify(join(task, 'index.js'))});
const summary = await handler({}, { functionName: 'bundled', getRemainingTimeInMillis: () => 60000 });
process.stdout.write(JSON.stringify({ summary, threads: threads.length }) + '\\n');`;
    site.actAs('certbus-manager', site.policies.manager);
    const env = { ...site.variables, TMPDIR: join(site.folder, 'bundled') };
    const output = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: task, env });
    const [line = '', last = ''] = output.trim().split('\n');
    expect(JSON.parse(line)).toMatchObject({ level: 'INFO', FunctionName: 'bundled' });
    expect(JSON.parse(last)).toMatchObject({ summary: { cold: true, failed: 0 }, threads: 1 });
  });
});
