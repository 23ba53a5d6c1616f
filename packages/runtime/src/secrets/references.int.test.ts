/** Tests of secrets that are kept in AWS, against moto, behind a proxy that judges by the policy of the role. */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createManagerKey, formatTrust } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { beginTestBus } from '@certbus/manager/testing';
import { openLog } from '@certbus/store/open';
import { type AwsAccount, requirePart, startAwsAccount, temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { readKnownTrust } from '../checkpoint.ts';
import { type Environment, readEnvironment, readKey, readReferences, secretsOf } from '../environment.ts';
import { examineMachine } from '../examination.ts';
import type { WriteLine } from '../logger.ts';
import { withManager } from '../with-manager.ts';

const parts = [requirePart('moto'), requirePart('iam-judge')];
const missing = parts.find(({ skip }) => skip);
const { signal } = new AbortController();

describe.skipIf(missing)(missing?.title('secrets in AWS') ?? 'secrets in AWS', () => {
  const { path: folder, remove } = temporaryFolder();
  let account: AwsAccount;
  let managerKey: string;
  let trust: string;

  /** A bus that the key in the parameter `/certbus/key` manages. */
  async function makeBus(): Promise<void> {
    const log = await openLog(`sqlite:${folder}/bus.db#test`, { create: true });
    const begun = await beginTestBus(log, 'test', { manager: 'lambda' });
    managerKey = begun.managerKey;
    trust = formatTrust(begun.trust);
    await log.close();
  }

  /** Acts from now on as a role that may do these things. */
  function actAs(role: string, allowed: readonly { readonly action: string; readonly resource: string }[]): void {
    const Statement = allowed.map(({ action, resource }) => ({ Effect: 'Allow', Action: action, Resource: resource }));
    const { accessKeyId, secretAccessKey } = account.proxy.addRole(role, [{ Version: '2012-10-17', Statement }]);
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  }

  beforeAll(async () => {
    account = await startAwsAccount();
    await makeBus();
    await account.putParameter('/certbus/key', `${managerKey}\n`);
    await account.putParameter('/certbus/malformed', 'certbus-root-key');
    await account.putParameter('/certbus/other', await createManagerKey());
    await account.putParameter('/certbus/token', 'token\n');
    await account.putParameter('/other/key', managerKey);
    await account.createSecret('certbus/key', `${managerKey}\n`);
    await account.createSecret('certbus/bytes', Buffer.from('bytes'));
    await account.createSecret('certbus/blank', '\r\n');
    await account.putParameter('/certbus/marked', '\ufefftoken\r\n');
    await account.putParameter('/certbus/emptied', '\n');
    await account.createSecret('other/key', managerKey);
    actAs('certbus-manager', [
      { action: 'ssm:GetParameter', resource: account.arn('ssm', 'parameter/certbus/*') },
      { action: 'secretsmanager:GetSecretValue', resource: account.arn('secretsmanager', 'secret:certbus/*') },
    ]);
    vi.stubEnv('AWS_REGION', undefined);
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  });

  /** An environment in which the manager key, and more, are as given; each has its own replica. */
  function environmentWith(variables: Readonly<Record<string, string>>, writeLine: WriteLine = () => {}): Environment {
    return readEnvironment({
      writeLine,
      variables: {
        CERTBUS_BUS: `sqlite:${folder}/bus.db#test`,
        CERTBUS_TRUST: trust,
        CERTBUS_STATE_DIR: `${folder}/${crypto.randomUUID()}`,
        ...variables,
      },
    });
  }

  const referTo = (reference: string) => `${reference}?region=${account.region}&endpoint=${account.endpoint}`;
  const keyAt = (reference: string) => environmentWith({ CERTBUS_MANAGER_KEY: referTo(reference) });

  test.each(['ssm:/certbus/key', 'ssm:/certbus/key:1', 'secretsmanager:certbus/key'])(
    'a manager starts with the key in %s',
    async (reference) => {
      const environment = keyAt(reference);
      expect(await withManager(environment, async (manager) => manager.checkpoint.position)).toBe(1);
      // It is read once: the second time nothing has to be there.
      expect(await readKey(environment, 'managerKey', { signal: AbortSignal.abort() })).toBe(managerKey);
    },
  );

  test('every key can be a reference, in certbus.json as well', async () => {
    const variables = {
      CERTBUS_ROOT_KEY: referTo('ssm:/certbus/key'),
      CERTBUS_IDENTITY: referTo('ssm:/certbus/token'),
    };
    const environment = environmentWith(variables);
    expect(await readKey(environment, 'rootKey')).toBe(managerKey);
    expect(await readKey(environment, 'identity')).toBe('token');
    // As a file from Windows.
    const marked = environmentWith({ CERTBUS_IDENTITY: referTo('ssm:/certbus/marked') });
    expect(await readKey(marked, 'identity')).toBe('token');
    const file = join(folder, 'certbus.json');
    writeFileSync(file, JSON.stringify({ managerKey: referTo('ssm:/certbus/key') }), { mode: 0o600 });
    const ofFile = environmentWith({ CERTBUS_CONFIG: file });
    expect(await readKey(ofFile, 'managerKey')).toBe(managerKey);
    expect(ofFile.config.files.map(({ path }) => path)).toEqual([file]);
  });

  test.each([
    ['ssm:/certbus/none', 'MISSING', 'ssm:/certbus/none: this account and region do not have such a parameter'],
    ['ssm:/certbus/key:9', 'MISSING', 'does not have this version'],
    ['secretsmanager:certbus/none', 'MISSING', 'do not have such a secret'],
    ['secretsmanager:certbus/bytes', 'MISSING', 'it has no text'],
    ['secretsmanager:certbus/blank', 'MISSING', 'it has no text'],
    ['ssm:/other/key', 'DENIED', 'assumed-role/certbus-manager/session is not authorized to perform: ssm:GetParameter'],
    ['secretsmanager:other/key', 'DENIED', 'is not authorized to perform: secretsmanager:GetSecretValue'],
    ['ssm:certbus/key', 'REFERENCE_INVALID', 'The manager key is not a reference to a secret'],
  ])('a manager does not start with the key in %s', async (reference, code, message) => {
    const start = withManager(keyAt(reference), async () => {});
    await expect(start).rejects.toMatchObject({ code: `CERTBUS_CLI_SECRET_${code}` });
    await expect(start).rejects.toThrow(message);
  });

  test('credentials that another program renewed in their file are those of the next secret', async () => {
    const file = join(folder, 'credentials');
    const ids = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'].map((name) => [name, process.env[name] ?? ''] as const);
    onTestFinished(() => {
      for (const [name, value] of ids) vi.stubEnv(name, value);
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', undefined);
    });
    const renew = (lines: readonly string[]) => writeFileSync(file, ['[default]', ...lines, ''].join('\n'));
    const [id = '', secret = ''] = ids.map(([name, value]) => `${name.toLowerCase()} = ${value}`);
    for (const [name] of ids) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
    // The proxy knows nobody of that name, and answers nothing.
    renew(['aws_access_key_id = FORMER', secret]);
    await expect(readKey(keyAt('ssm:/certbus/key'), 'managerKey')).rejects.toMatchObject({
      code: 'CERTBUS_CLI_SECRET_UNREACHABLE',
    });
    renew([id, secret]);
    expect(await readKey(keyAt('ssm:/certbus/key'), 'managerKey')).toBe(managerKey);
  });

  test('without a region, credentials or a service the error says so', async () => {
    const start = (key: string) => withManager(environmentWith({ CERTBUS_MANAGER_KEY: key }), async () => {});
    await expect(start(`ssm:/certbus/key?endpoint=${account.endpoint}`)).rejects.toMatchObject({
      code: 'CERTBUS_CLI_SECRET_REFERENCE_INVALID',
      message: expect.stringContaining('AWS_REGION is not set'),
    });
    await expect(start(`ssm:/certbus/key?region=${account.region}&endpoint=http://127.0.0.1:1`)).rejects.toMatchObject({
      code: 'CERTBUS_CLI_SECRET_UNREACHABLE',
    });
    const elsewhere = start(`ssm:/certbus/key?region=us-east-1&endpoint=${account.endpoint}`);
    await expect(elsewhere).rejects.toThrow('arn:aws:ssm:us-east-1:');
  });

  test.each([
    ['ValidationException', 400, 'REFERENCE_INVALID', 'the service refuses it: said.'],
    ['OptInRequired', 403, 'UNREACHABLE', 'the service refuses the request: said.'],
    ['InternalServerError', 500, 'UNREACHABLE', 'the service could not be reached: said.'],
    ['ThrottlingException', 400, 'UNREACHABLE', 'the service is throttling.'],
    ['KMSInvalidStateException', 400, 'UNREACHABLE', 'the service refuses the request: said.'],
  ])('a service that answers %s is described as such', async (name, status, code, message) => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify({ __type: name, message: 'said' }));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const key = `ssm:/certbus/key?region=${account.region}&endpoint=http://127.0.0.1:${port}`;
    const start = withManager(environmentWith({ CERTBUS_MANAGER_KEY: key }), async () => {});
    await expect(start).rejects.toMatchObject({ code: `CERTBUS_CLI_SECRET_${code}` });
    await expect(start).rejects.toThrow(message);
  });

  test('a signal ends the reading of a secret, and of the bus', async () => {
    const stopped = new Error('the time is over');
    const start = withManager(keyAt('ssm:/certbus/key'), async () => {}, { signal: AbortSignal.abort(stopped) });
    await expect(start).rejects.toBe(stopped);
    const plain = environmentWith({ CERTBUS_MANAGER_KEY: managerKey });
    await expect(withManager(plain, async () => {}, { signal: AbortSignal.abort(stopped) })).rejects.toBe(stopped);
  });

  test('a parameter that holds something else is named, and not shown', async () => {
    await expect(withManager(keyAt('ssm:/certbus/malformed'), async () => {})).rejects.toMatchObject({
      code: 'CERTBUS_EVENTS_KEY_MALFORMED',
      message: expect.stringMatching(
        /^What ssm:\/certbus\/malformed\S* holds is not the manager key\.(?!.*certbus-root-key)/,
      ),
    });
  });

  test('the key of another bus reads, and does not write', async () => {
    const ca = { directory: 'https://ca.test/directory', termsOfServiceAgreed: true };
    const configure = withManager(keyAt('ssm:/certbus/other'), (manager) =>
      manager.configure({ version: 1, authorities: { ca }, defaultAuthority: 'ca' }),
    );
    await expect(configure).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE' });
  });

  test('a secret of the configuration that cannot be read fails what needs it, and nothing else', async () => {
    const environment = environmentWith({
      CERTBUS_SECRET_TOKEN: referTo('ssm:/certbus/token'),
      CERTBUS_SECRET_GONE: referTo('ssm:/certbus/none'),
      CERTBUS_SECRET_PLAIN: 'plain',
      CERTBUS_SECRET_TOKEN_HOSTS: 'a.test',
    });
    const secrets = secretsOf(environment);
    expect(() => secrets('CERTBUS_SECRET_TOKEN')).toThrow(TypeError);
    await readReferences(environment, { signal });
    expect(secrets('CERTBUS_SECRET_TOKEN')).toBe('token');
    expect(secrets('CERTBUS_SECRET_PLAIN')).toBe('plain');
    expect(secrets('CERTBUS_SECRET_TOKEN_HOSTS')).toBe('a.test');
    expect(() => secrets('CERTBUS_SECRET_GONE')).toThrow(
      /^CERTBUS_SECRET_GONE cannot be read from ssm:\/certbus\/none/,
    );
  });

  test('the doctor reads references, and goes on where one cannot be read', async () => {
    const examine = (environment: Environment) => examineMachine(environment, { signal, onFinding: () => {} });
    const failed = async (reference: string) =>
      (await examine(keyAt(reference))).filter(({ check, status }) => check === 'key' && status === 'failed');
    expect(await failed('ssm:/certbus/key')).toEqual([]);
    expect(await failed('ssm:/other/key')).toMatchObject([{ detail: expect.stringContaining('ssm:GetParameter') }]);
  });

  describe('a checkpoint in SSM', () => {
    const place = '/certbus/checkpoint';
    const act = (role: string, ...actions: readonly string[]) =>
      actAs(
        role,
        actions.map((action) => ({ action: `ssm:${action}`, resource: account.arn('ssm', `parameter${place}`) })),
      );
    const known = (reference = `ssm:${place}`) =>
      readKnownTrust(environmentWith({ CERTBUS_CHECKPOINT: referTo(reference) }));
    const at = (position: number) => ({ ...BEGINNING, position, hash: 'A'.repeat(43), rootSequence: 2 });
    const kept = async () => (await known()).trust.floor?.position;

    test('is made, followed and refused by the policy of the role, and is never put back', async () => {
      act('manager', 'GetParameter', 'PutParameter');
      const early = await known();
      expect(early.hasCheckpoint).toBe(false);
      await early.keep(at(4));
      expect(await kept()).toBe(4);
      act('reader', 'GetParameter');
      await expect((await known()).keep(at(5))).rejects.toMatchObject({
        code: 'CERTBUS_CLI_SECRET_DENIED',
        message: expect.stringContaining('role/reader/session is not authorized to perform: ssm:PutParameter'),
      });
      expect(await kept()).toBe(4);
      act('manager', 'GetParameter', 'PutParameter');
      await (await known()).keep(at(6));
      await early.keep(at(5));
      expect(await kept()).toBe(6);
      act('stranger', 'DeleteParameter');
      await expect(known()).rejects.toMatchObject({ code: 'CERTBUS_CLI_SECRET_DENIED' });
    });

    test('that takes no answer does not keep a run from its end', async () => {
      const over = new AbortController();
      const { timeout } = AbortSignal;
      vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) =>
        AbortSignal.any([timeout.call(AbortSignal, ms), over.signal]),
      );
      const server = createServer((request, response) => {
        request.resume();
        const [, operation] = String(request.headers['x-amz-target']).split('.');
        // It is not answered, and the time for it ends.
        if (operation === 'PutParameter') return over.abort(new Error('the time is over'));
        response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
        response.end(JSON.stringify({ __type: 'ParameterNotFound' }));
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      onTestFinished(() => {
        vi.restoreAllMocks();
        server.closeAllConnections();
        server.close();
      });
      const { port } = server.address() as AddressInfo;
      const lines: string[] = [];
      const environment = environmentWith(
        {
          CERTBUS_MANAGER_KEY: managerKey,
          CERTBUS_CHECKPOINT: `ssm:${place}?region=${account.region}&endpoint=http://127.0.0.1:${port}`,
        },
        (line) => lines.push(line),
      );
      expect(await withManager(environment, async (manager) => manager.checkpoint.position)).toBe(1);
      expect(lines).toEqual(['warning: the checkpoint was not written (error: the time is over)']);
    });

    test('that somebody emptied is refused, and not taken for a beginning', async () => {
      actAs('manager', [{ action: 'ssm:GetParameter', resource: account.arn('ssm', 'parameter/certbus/*') }]);
      await expect(known('ssm:/certbus/emptied')).rejects.toMatchObject({ code: 'CERTBUS_CLI_CHECKPOINT_REFUSED' });
      expect((await known('ssm:/certbus/none')).hasCheckpoint).toBe(false);
    });

    test.each(['secretsmanager:x', 'ssm:/x:3', 'ssm:arn:aws:ssm:eu-central-1:123456789012:parameter/x'])(
      'is not in %s, which cannot be written',
      async (reference) => {
        await expect(known(reference)).rejects.toMatchObject({ code: 'CERTBUS_CLI_SECRET_REFERENCE_INVALID' });
      },
    );
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    await account?.stop();
    remove();
  });
});
