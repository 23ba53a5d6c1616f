/** Tests of the whole life of a bus under its policies: what each role needs is allowed, and what it lacks is named. */
import { join } from 'node:path';
import { openMaterial } from '@certbus/client/material';
import { createIdentity, parseTrust } from '@certbus/events';
import { openReplica, synchronize } from '@certbus/replica';
import { type Environment, readEnvironment } from '@certbus/runtime';
import { parseReference, readKey } from '@certbus/runtime/local';
import { type ExportFile, exportBus, openBus, repair } from '@certbus/store';
import { openExportFile } from '@certbus/store/export-file';
import { openArchivePlace, openLog } from '@certbus/store/open';
import { findSecrets, secretText, startFaultProxy } from 'certbus-services';
import { sharedDynamoDbLocal, sized } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAcmHandler } from '../acm/handler.ts';
import { openAcm } from '../acm/store.ts';
import { createHandler } from '../handler.ts';
import { createSite, missingPart, type Site } from '../site.builders.ts';
import type { PolicyDocument } from './document.ts';
import { secretArn } from './place.ts';
import { createPolicies } from './policies.ts';

const { signal } = new AbortController();
const actionsOf = ({ Statement }: PolicyDocument): readonly string[] =>
  [...new Set(Statement.flatMap(({ Action }) => Action))].toSorted();

/** A policy without one of its actions. */
const without = ({ Version, Statement }: PolicyDocument, action: string): PolicyDocument => ({
  Version,
  Statement: Statement.map((each) => ({ ...each, Action: each.Action.filter((name) => name !== action) })).filter(
    ({ Action }) => Action.length > 0,
  ),
});

describe.skipIf(missingPart)(missingPart?.title('under the policies') ?? 'under the policies', () => {
  let site: Site;
  beforeAll(async () => {
    site = await createSite({ dynamodb: (await sharedDynamoDbLocal()).endpoint });
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    return site?.[Symbol.asyncDispose]();
  });

  const decidedFor = (role: string) => site.account.proxy.decided.filter((each) => each.role === role);
  const usedBy = (role: string) =>
    [...new Set(decidedFor(role).flatMap(({ action, allowed }) => (allowed ? action : [])))].toSorted();
  const deniedTo = (role: string) => decidedFor(role).filter(({ allowed }) => !allowed);

  const known = () => {
    const { CERTBUS_BUS: bus = '', CERTBUS_TRUST: trust = '', CERTBUS_ARCHIVE: archive = '' } = site.variables;
    return { bus, trust, archive };
  };

  /** Takes a snapshot as the manager, and removes from the log what is in it as the operator; returns where the log begins then. */
  async function trimToSnapshot(): Promise<number> {
    site.actAs('trimmed-manager', site.policies.manager);
    const { position } = await site.manage((manager) => manager.snapshot());
    site.actAs('certbus-operator', site.policies.operator);
    const log = await openLog(known().bus);
    try {
      await log.maintenance?.trim(site.place.stream, position + 1);
      return (await log.maintenance?.first(site.place.stream)) ?? 0;
    } finally {
      await log.close();
    }
  }

  /** Reads the bus as a load balancer that knows nothing yet does, and returns what it serves. */
  async function follow(): Promise<readonly string[]> {
    const trust = parseTrust(known().trust);
    const archive = await openArchivePlace(known().archive);
    const log = await openLog(known().bus);
    const replica = await openReplica({ path: ':memory:', busId: trust.busId });
    try {
      await synchronize(replica, openBus(log, site.place.stream, { trust, archive }), { archive });
      return [...replica.certificates()].flatMap(({ current }) => current?.names ?? []);
    } finally {
      await replica.close();
      await log.close();
      await archive.close();
    }
  }

  test('a manager and a load balancer can do all that they have to, and need all that they may', async () => {
    site.actAs('certbus-manager', site.policies.manager);
    await site.manage(async (manager) => {
      const issue = (name: string) => manager.issue({ names: [name] }, { signal });
      const [{ certificateId }, other] = [await issue('www.example.test'), await issue('old.example.test')];
      const at = new Date(Date.now() + 80 * 86_400_000);
      expect(await manager.runOnce({ at })).toMatchObject({ renewed: 2, failed: 0 });
      await manager.revoke({ certificateId, reason: 'superseded' }, { signal });
      await manager.remove(other.certificateId);
      await manager.snapshot();
      await manager.archive();
    });
    // Who begins a bus tries to make its table, and takes the one that is there.
    expect(deniedTo('certbus-manager').map(({ action }) => action)).toEqual(['dynamodb:CreateTable']);
    // GetItem is for a log that was trimmed, to learn where it begins: see below.
    const all = actionsOf(site.policies.manager).filter((action) => action !== 'dynamodb:GetItem');
    expect(usedBy('certbus-manager')).toEqual(all);
    site.actAs('certbus-balancer', site.policies.loadBalancer);
    expect(await follow()).toEqual(['www.example.test']);
    expect(deniedTo('certbus-balancer')).toEqual([]);
    expect(actionsOf(site.policies.loadBalancer)).toEqual(expect.arrayContaining(usedBy('certbus-balancer')));
  });

  test('a start in an empty folder asks no CA again about what another one has asked about, by the notes in the archive', async () => {
    site.actAs('certbus-manager', site.policies.manager);
    const questions = async (variables: Readonly<Record<string, string>> = {}) => {
      const count = () => site.ca.requests.filter(({ resource }) => resource === 'renewalInfo').length;
      const before = count();
      await site.manage((manager) => manager.runOnce(), { variables });
      return count() - before;
    };
    expect(await questions()).toBeGreaterThan(0);
    expect(await questions()).toBe(0);
    expect(await questions({ CERTBUS_ARCHIVE: '' })).toBeGreaterThan(0);
  });

  test('each permission that a manager lacks is named with its role', { tags: 'full' }, async () => {
    const few = ['dynamodb:PutItem', 's3:PutObject', 'route53:ChangeResourceRecordSets', 'ssm:PutParameter'];
    // A manager whose log is whole needs no GetItem, one with a replica reads nothing of the archive, and one that finds its objects needs no ListBucket.
    const all = actionsOf(site.policies.manager).filter(
      (name) => !['dynamodb:GetItem', 's3:GetObject', 's3:ListBucket'].includes(name),
    );
    for (const action of sized({ small: few, full: all })) {
      const role = `without-${action.replace(':', '-')}`;
      const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = site.actAs(
        role,
        without(site.policies.manager, action),
      );
      site.actAs('certbus-manager', site.policies.manager);
      // The solvers of one process share what the SDK has found.
      await site.manage((manager) => manager.configure(site.configuration({ accessKeyId, secretAccessKey })));
      site.actAs(role, without(site.policies.manager, action));
      const lines: string[] = [];
      const message = await site
        .manage(
          async (manager) => {
            await manager.issue({ names: [`${role.toLowerCase()}.example.test`] }, { signal });
            await manager.snapshot();
          },
          { writeLine: (line) => lines.push(line) },
        )
        .then(() => lines.join('\n'), String);
      expect(message).toContain(`assumed-role/${role}/`);
      expect(message).toContain(action);
    }
    site.actAs('certbus-manager', site.policies.manager);
    await site.manage((manager) => manager.configure(site.configuration({})));
  });

  test('another table, stream and prefix are denied by name, and a load balancer writes nothing', async () => {
    const fail = (variables: Readonly<Record<string, string>>) =>
      site.manage((manager) => manager.snapshot(), { variables }).then(() => 'it did not fail', String);
    const other = (name: string, from: string, to: string) => ({
      [name]: (site.variables[name] ?? '').replace(from, to),
    });
    site.actAs('certbus-manager', site.policies.manager);
    expect(await fail(other('CERTBUS_BUS', '/prod?', '/other?'))).toMatch(/certbus-manager\/\S+ lacks dynamodb:Query/);
    expect(await fail(other('CERTBUS_ARCHIVE', 'certbus/prod', 'other'))).toMatch(/certbus-manager\/\S+ lacks s3:/);
    const [, table = ''] = site.place.tableArn.split('/');
    expect(await fail(other('CERTBUS_BUS', `/${table}/`, '/elsewhere/'))).toMatch(
      /certbus-manager\/\S+ lacks dynamodb:Query on arn:aws:dynamodb:\S+:table\/elsewhere/,
    );
    site.actAs('certbus-balancer', site.policies.loadBalancer, {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['ssm:GetParameter', 'ssm:PutParameter'], Resource: '*' }],
    });
    expect(await fail({})).toMatch(/certbus-balancer\/\S+ lacks s3:PutObject/);
    site.actAs('without-query', without(site.policies.loadBalancer, 'dynamodb:Query'));
    await expect(follow()).rejects.toThrow(/without-query\/\S+ lacks dynamodb:Query on \S+:table\//);
  });

  test('a challenge at a name that no pattern allows, and one in another zone, are denied by name', async () => {
    site.actAs('certbus-manager', site.policies.manager);
    const fail = (name: string) =>
      site.manage((manager) => manager.issue({ names: [name] }, { signal })).then(() => 'it did not fail', String);
    const zone = site.route53.zone('Z0123456789ABC');
    // Delegated inside of the zone, as to a part of it that others may write to.
    zone.put('_acme-challenge.delegated.example.test', 'CNAME', ['challenges.example.test.']);
    const denied = /certbus-manager\/session is not authorized to perform: route53:\w+ on resource: (\S+)/;
    expect(denied.exec(await fail('delegated.example.test'))?.slice(0, 2)).toEqual([
      expect.stringContaining('route53:ChangeResourceRecordSets'),
      'arn:aws:route53:::hostedzone/Z0123456789ABC',
    ]);
    expect(denied.exec(await fail('www.other.test'))?.[1]).toBe('arn:aws:route53:::hostedzone/Z9876543210XYZ');
    expect(zone.txt('challenges.example.test')).toEqual([]);
    expect(site.route53.zone('Z9876543210XYZ').txt('_acme-challenge.www.other.test')).toEqual([]);
  });

  test('an archive that is missing or refuses is reported, and a run does without it', async () => {
    const run = async (variables: Readonly<Record<string, string>> = {}) => {
      const lines: string[] = [];
      const writeLine = (line: string) => lines.push(line);
      const result = await site.manage((manager) => manager.runOnce(), { variables, writeLine });
      expect(result).toMatchObject({ failed: 0, problems: [] });
      return lines.join('\n');
    };
    site.actAs('certbus-manager', site.policies.manager, {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: '*' }],
    });
    const missing = (site.variables['CERTBUS_ARCHIVE'] ?? '').replace('certbus-archive', 'certbus-none');
    expect(await run({ CERTBUS_ARCHIVE: missing })).toMatch(/notes .* were not read .*bucket that does not exist/);
    site.actAs('without-s3', without(without(site.policies.manager, 's3:GetObject'), 's3:PutObject'));
    expect(await run()).toMatch(/without-s3\/\S+ lacks s3:GetObject/);
    site.actAs('certbus-manager', site.policies.manager);
  });

  test('an operator puts right what a thief wrote, and trims the log, after which everyone begins with the snapshot', async () => {
    const { stream } = site.place;
    const trust = parseTrust(known().trust);
    const asOperator = async <T>(act: (log: Awaited<ReturnType<typeof openLog>>) => Promise<T>): Promise<T> => {
      site.actAs('certbus-operator', site.policies.operator);
      const log = await openLog(known().bus);
      try {
        return await act(log);
      } finally {
        await log.close();
      }
    };
    const withExport = async <T>(create: boolean, act: (file: ExportFile) => Promise<T>): Promise<T> => {
      const file = await openExportFile(join(site.folder, 'export'), { create });
      try {
        return await act(file);
      } finally {
        await file.close();
      }
    };
    const { position } = await asOperator((log) =>
      withExport(true, (file) => exportBus(openBus(log, stream, { trust }), file)),
    );
    site.actAs('thief', { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
    const stolen = await openLog(known().bus);
    const forged = Buffer.from('forged');
    await stolen.append(stream, position, forged);
    const [second] = (await stolen.read(stream, 1, { limit: 1 })).commits;
    await stolen.maintenance?.replace(stream, 2, { found: second?.bytes, bytes: forged });
    await stolen.close();
    const repaired = await asOperator((log) =>
      withExport(false, (file) => repair(file, log, { stream, trust, dropTail: true })),
    );
    expect(repaired).toMatchObject({ replaced: [2], dropped: [position + 1] });

    expect(await trimToSnapshot()).toBeGreaterThan(position);
    const all = actionsOf(site.policies.operator).filter((action) => action.startsWith('dynamodb:'));
    expect(usedBy('certbus-operator')).toEqual(all);
    site.actAs('trimmed-manager', site.policies.manager);
    const variables = { ...site.variables, TMPDIR: join(site.folder, crypto.randomUUID()) };
    const cold = createHandler({ variables, write: () => {} });
    const answer = await cold({}, { getRemainingTimeInMillis: () => 900_000 });
    expect(answer).toMatchObject({ cold: true, failed: 0, warnings: [] });
    await site.manage((manager) => manager.issue({ names: ['trimmed.example.test'] }, { signal }));
    site.actAs('trimmed-balancer', site.policies.loadBalancer);
    expect(await follow()).toEqual(expect.arrayContaining(['www.example.test', 'trimmed.example.test']));
    for (const role of ['trimmed-manager', 'trimmed-balancer']) expect(usedBy(role)).toContain('dynamodb:GetItem');
    for (const role of ['certbus-operator', 'trimmed-manager', 'trimmed-balancer']) expect(deniedTo(role)).toEqual([]);
  });

  test('a load balancer of another account follows the bus by its own policy and those of table and bucket, and by no fewer', async () => {
    const account = '210987654321';
    const { loadBalancer, table, bucket } = createPolicies({ ...site.place, accounts: [account] });
    const bus = `${known().bus}&account=123456789012`;
    site.actAs('certbus-manager', site.policies.manager);
    const certificateId = await site.manage(async (manager) => {
      const issued = await manager.issue({ names: ['elsewhere.example.test'] }, { signal });
      await manager.snapshot();
      return issued.certificateId;
    });
    site.actAs({ name: 'only-its-own', account }, loadBalancer);
    await expect(openLog(bus).then((log) => log.read(site.place.stream, 0))).rejects.toThrow(
      /::210987654321:assumed-role\/only-its-own\/\S+ lacks dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table\//,
    );
    site.actAs({ name: 'elsewhere', account, resourcePolicies: { dynamodb: table, s3: bucket } }, loadBalancer);
    await using source = await openMaterial({
      ...known(),
      bus,
      identity: site.identity,
      stateDirectory: join(site.folder, crypto.randomUUID()),
      intervalMs: 100,
    });
    const leafHash = async () => (await source.material(certificateId))?.issued.leafHash;
    const before = await leafHash();
    expect(before).toBeDefined();
    site.actAs('certbus-manager', site.policies.manager);
    await site.manage((manager) => manager.renew(certificateId, { signal }));
    await expect.poll(leafHash).not.toBe(before);
    expect(deniedTo('elsewhere')).toEqual([]);
    expect(usedBy('elsewhere')).toEqual(expect.arrayContaining(['dynamodb:Query', 's3:GetObject']));
  });

  test('the function for ACM imports what is chosen, keeps the ARN at a renewal, and needs all that it may', async () => {
    const { account, place, policies } = site;
    vi.stubEnv('AWS_ENDPOINT_URL_ACM', account.endpoint);
    await account.putParameter('/certbus/prod/acm-identity', site.identity);
    site.actAs('certbus-manager', policies.manager);
    const certificateId = await site.manage(async (manager) => {
      await manager.issue({ names: ['next.example.test'] }, { signal });
      return (await manager.issue({ names: ['acm.example.test'] }, { signal })).certificateId;
    });
    await trimToSnapshot();
    const lines: string[] = [];
    const functionOf = (identity: string, wanted = 'acm.example.test') => {
      const query = `?region=${account.region}&endpoint=${account.endpoint}`;
      const variables = {
        ...site.variables,
        TMPDIR: join(site.folder, crypto.randomUUID()),
        CERTBUS_IDENTITY: `${identity}${query}`,
        CERTBUS_ACM_CERTIFICATES: wanted,
        CERTBUS_ACM_REGIONS: 'eu-central-1,us-east-1',
      };
      const handler = createAcmHandler({ variables, write: (line) => lines.push(line) });
      return (leftMs = 900_000) => handler({}, { getRemainingTimeInMillis: () => leftMs });
    };
    const role = createPolicies({
      ...place,
      identityArn: account.arn('ssm', 'parameter/certbus/prod/acm-identity'),
    }).acm;
    site.actAs('certbus-acm', role);
    const invoke = functionOf('ssm:/certbus/prod/acm-identity');
    await expect(invoke(0)).rejects.toMatchObject({ code: 'CERTBUS_LAMBDA_BUS_NOT_READ' });
    expect(await invoke()).toMatchObject({ chosen: 2, imported: 2, failed: 0 });
    expect(await invoke()).toMatchObject({ chosen: 2, imported: 0, failed: 0 });
    const bus = `${place.tableArn.split('/')[1]}/${place.stream}`;
    const readAll = () =>
      Promise.all(['eu-central-1', 'us-east-1'].map((region) => openAcm({ region, bus }).read(signal)));
    const before = await readAll();
    expect(before.map((each) => [...each.keys()])).toEqual([[certificateId], [certificateId]]);
    site.actAs('certbus-manager', policies.manager);
    await site.manage((manager) => manager.renew(certificateId, { signal }));
    site.actAs('certbus-acm', role);
    expect(await invoke()).toMatchObject({ chosen: 2, imported: 2, failed: 0 });
    const after = await readAll();
    for (const [at, each] of after.entries()) {
      const [was, is] = [before[at]?.get(certificateId)?.[0], each.get(certificateId)?.[0]];
      expect(is?.arn).toBe(was?.arn);
      expect(is?.leafHash).not.toBe(was?.leafHash);
    }
    expect(deniedTo('certbus-acm')).toEqual([]);
    site.actAs('certbus-manager', policies.manager);
    await site.manage((manager) => manager.renew(certificateId, { signal }));
    site.actAs('certbus-acm', role);
    const away = await startFaultProxy({ target: account.endpoint });
    onTestFinished(() => away.stop());
    away.plan((operation, nth) =>
      operation === 'ListCertificates' && nth === 0 ? { refuse: 'AccessDeniedException' } : 'forward',
    );
    vi.stubEnv('AWS_ENDPOINT_URL_ACM', away.endpoint);
    await expect(invoke()).rejects.toMatchObject({
      code: 'CERTBUS_LAMBDA_IMPORT_FAILED',
      message: expect.stringMatching(/\(chosen 1, imported 1, failed 1, position \d+\)\. ACM in eu-central-1: /),
    });
    vi.stubEnv('AWS_ENDPOINT_URL_ACM', account.endpoint);
    expect(await invoke()).toMatchObject({ chosen: 2, imported: 1, failed: 0 });
    // What is imported with tags needs the permission to add them, which nothing asks for by itself.
    expect([...usedBy('certbus-acm'), 'acm:AddTagsToCertificate', 's3:ListBucket']).toEqual(
      expect.arrayContaining([...actionsOf(role ?? policies.operator)]),
    );
    await account.putParameter('/certbus/prod/stranger', await createIdentity());
    const identityArn = account.arn('ssm', 'parameter/certbus/prod/stranger');
    site.actAs('certbus-acm', createPolicies({ ...place, identityArn }).acm);
    await expect(functionOf('ssm:/certbus/prod/stranger', 'next.example.test')()).rejects.toMatchObject({
      name: 'CertBusImportFailed',
      message: expect.stringMatching(
        /\(chosen 2, imported 0, failed 2, position \d+\)\. next\.example\.test: CERTBUS_LAMBDA_KEY_NOT_OPENED: its key/,
      ),
    });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'ERROR', imported: 0, ImportsFailed: 2 });
    for (const action of ['ssm:GetParameter', 'acm:ListCertificates', 'acm:ImportCertificate']) {
      const name = `acm-without-${action.replace(':', '-')}`;
      site.actAs(name, without(role ?? policies.operator, action));
      const failed = functionOf('ssm:/certbus/prod/acm-identity', 'next.example.test')();
      await expect(failed).rejects.toThrow(new RegExp(`assumed-role/${name}/\\S+ .*${action}`));
    }
    const secrets = site.identity
      .split('\n')
      .flatMap((line) => (/KEY/.test(line) ? secretText('the identity', line) : []));
    expect(secrets).toHaveLength(1);
    expect(findSecrets(lines.join('\n'), secrets)).toEqual([]);
    expect(lines.join('\n')).not.toContain('PRIVATE KEY');
  });

  describe('a reference to a secret', () => {
    const name = 'certbus/shared';
    let arn = '';
    beforeAll(async () => {
      arn = await site.account.createSecret(name, site.managerKey);
      await site.account.createSecret(`${name}-other`, site.managerKey);
    });

    /** An environment in which the manager key is at a reference. */
    const keyAt = (reference: string): Environment =>
      readEnvironment({
        variables: {
          ...site.variables,
          CERTBUS_MANAGER_KEY: `${reference}?region=${site.account.region}&endpoint=${site.account.endpoint}`,
        },
      });

    test.each([
      ['by the name of a secret', () => `secretsmanager:${name}`],
      ['by the ARN of a secret', () => `secretsmanager:${arn}`],
      ['by the ARN of a secret without its last characters', () => `secretsmanager:${arn.slice(0, -7)}`],
      ['by the name of a parameter with a version', () => 'ssm:/certbus/prod/manager-key:1'],
      ['by the ARN of a parameter', () => `ssm:${site.place.parameterArns?.[0]}`],
      ['by the ARN of a parameter with a version', () => `ssm:${site.place.parameterArns?.[0]}:1`],
    ])('%s is read by the policy for it, and nothing else is', async (_, refer) => {
      const reference = parseReference(refer(), 'The key');
      const resource = secretArn(reference, site.place.tableArn);
      const { tableArn, stream } = site.place;
      const arns = reference.service === 'ssm' ? { parameterArns: [resource] } : { secretArns: [resource] };
      const role = `reader-${crypto.randomUUID()}`;
      site.actAs(role, createPolicies({ tableArn, stream, ...arns }).manager);
      expect(await readKey(keyAt(refer()), 'managerKey')).toBe(site.managerKey.trimEnd());
      for (const other of [`secretsmanager:${name}-other`, 'ssm:/certbus/prod/manager-key-2'])
        await expect(readKey(keyAt(other), 'managerKey')).rejects.toMatchObject({ code: 'CERTBUS_CLI_SECRET_DENIED' });
    });
  });
});
