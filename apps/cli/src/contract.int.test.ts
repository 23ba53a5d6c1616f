/** Compares the command line with `contract.json`: arguments, flags, JSON fields, exit statuses and codes. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { openSqliteLog } from '@certbus/store/sqlite';
import { startExampleServer } from 'certbus-example-server';
import { createTlsIdentity, temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus } from './cli.builders.ts';
import {
  COMMAND_NAMES,
  type CommandContract,
  type Contract,
  createRecorder,
  formatContract,
} from './contract.builders.ts';
import { markRevoked, putCertificate, putEnded } from './site.builders.ts';

/**
 * What scripts rely on. After a change that is meant, `CERTBUS_CONTRACT=write vitest run apps/cli/src/contract.int.test.ts` writes it
 * again; nothing else does.
 */
const RECORD = fileURLToPath(new URL('./contract.json', import.meta.url));

/** A hundred commands one after the other: on a busy machine they take longer than any test. */
const HANGS_MS = 1_200_000;
const temporary = temporaryFolder();
const { succeeds, fails, contract: learn } = createRecorder();
/** A folder with a bus and a CA. */
const site = join(temporary.path, 'site');
/** A folder with a bus, whose CA does not answer. */
const noCa = join(temporary.path, 'no-ca');
/** A folder with nothing. */
const nowhere = join(temporary.path, 'nowhere');
let contract: Contract;
let recorded: Contract;

const parametersOf = ({ aliases, arguments: args, flags }: CommandContract) => ({ aliases, args, flags });
const answersOf = ({ json, jsonLines, statuses, failures }: CommandContract) => ({
  json,
  jsonLines,
  statuses,
  failures,
});

/** Everything that needs neither a bus nor a CA. */
async function withoutABus(): Promise<void> {
  for (const line of [
    'account list',
    'cert list',
    'campaign list',
    'conf display',
    'bus verify',
    'example-server',
    'run',
  ])
    await fails(nowhere, line, 'CERTBUS_CLI_CONFIG_MISSING');
  await fails(nowhere, 'init', 'CERTBUS_CLI_USAGE');
  await succeeds(nowhere, 'keygen manager');
  await fails(nowhere, 'keygen nonsense', 'CERTBUS_CLI_USAGE');
  for (const line of ['help exit-codes', 'completion bash', 'complete -- cert', 'version', 'conf schema'])
    await succeeds(nowhere, line);
  for (const command of ['help', 'completion', 'complete', 'version', 'conf schema', 'aws template'])
    await fails(nowhere, `${command} --nonsense`, 'CERTBUS_CLI_USAGE');
  await fails(nowhere, 'conf validate -', 'CERTBUS_MANAGER_CONFIG_INVALID', { input: '{}' });
  const { providers } = (await succeeds(nowhere, 'provider ls')) as { providers: { name: string }[] };
  for (const { name } of providers) await succeeds(nowhere, `provider show ${name}`);
  await fails(nowhere, 'provider list --nonsense', 'CERTBUS_CLI_USAGE');
  await fails(nowhere, 'provider show pigeons', 'CERTBUS_CLI_USAGE');
  await succeeds(nowhere, 'bus bootstrap sqlite:./new.db');
  await fails(nowhere, 'bus bootstrap nonsense', 'CERTBUS_STORE_ADDRESS_INVALID');
  await fails(nowhere, 'bus bootstrap sqlite:./new.db --zone example.com', 'CERTBUS_CLI_USAGE');
  await fails(nowhere, 'bus bootstrap sqlite:./new.db --secret ssm:key', 'CERTBUS_CLI_SECRET_REFERENCE_INVALID');
  await succeeds(nowhere, 'aws template');
  await succeeds(nowhere, 'aws bundle code.zip');
  await fails(nowhere, 'aws bundle no/such/code.zip', 'CERTBUS_CLI_FILE_PROBLEM');
}

async function setUp(
  ca: Pick<AcmeServer, 'directory' | 'roots'>,
  dns: Pick<DnsServer, 'url' | 'address'>,
): Promise<void> {
  const init = 'init --agree-tos --contact ops@shop.test --dns-provider challtestsrv --directory';
  await succeeds(noCa, `${init} https://127.0.0.1:1/directory --dns-url ${dns.url}`);
  writeFileSync(join(site, 'roots.pem'), ca.roots);
  const line = `${init} ${ca.directory} --roots roots.pem --dns-url ${dns.url} --resolver ${dns.address}`;
  await succeeds(site, line);
  await succeeds(site, line);
  const shown = (await succeeds(site, 'conf display')) as { readonly position: number };
  const { position: _, ...bare } = shown;
  const input = JSON.stringify(bare);
  for (const giveUpAfterDays of [3, 4, undefined])
    await succeeds(site, 'conf update', { input: JSON.stringify({ ...bare, giveUpAfterDays }) });
  await succeeds(site, 'conf validate -', { input });
  const EDITOR = `sed -i 's/"version": 1/"version": 1, "parallelOrders": 5/'`;
  await succeeds(site, 'conf edit --yes', { env: { EDITOR } });
  await fails(site, 'conf edit', 'CERTBUS_CLI_USAGE');
  await succeeds(site, 'conf update', { input });
  await fails(site, 'conf update --expect 99', 'CERTBUS_CLI_USAGE', { input: JSON.stringify(shown) });
  await fails(site, 'conf update', 'CERTBUS_CLI_CONFIG_INVALID', { input: '{' });
  await fails(site, 'conf update', 'CERTBUS_MANAGER_CONFIG_INVALID', { input: '{}' });
  await fails(site, 'conf update --expect 99', 'CERTBUS_MANAGER_CONFIG_CHANGED', { input });
  const hook = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const webhook = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  await succeeds(site, 'conf update', { input: JSON.stringify({ ...bare, alerts: { here: { webhook } } }) });
  await succeeds(site, 'alerts test');
  hook.close();
  await once(hook, 'close');
  await fails(site, 'alerts test', 'CERTBUS_CLI_UNHEALTHY');
  await succeeds(site, 'conf update', { input });
}

async function useTheAccount(): Promise<void> {
  await succeeds(site, 'account register');
  await fails(site, 'account register nowhere', 'CERTBUS_MANAGER_CONFIG_INVALID');
  await succeeds(site, 'account ls');
  await succeeds(site, 'account rollover');
  await fails(noCa, 'account rollover', 'CERTBUS_MANAGER_ACCOUNT_MISSING');
}

/** Who manages, in one step and with the root key on another machine. */
async function changeTheKeys(): Promise<void> {
  const { stdout } = await certbus(site, ['keygen', 'manager']);
  writeFileSync(join(site, 'other.pub'), stdout.replaceAll(/^[^#].*\n/gm, ''));
  const add = 'manager add other --key other.pub';
  await succeeds(site, `${add} --request add.request`);
  await fails(site, `${add} --request add.request`, 'CERTBUS_CLI_FILE_EXISTS');
  await fails(site, add, 'CERTBUS_CLI_USAGE');
  await fails(site, 'root sign add.request', 'CERTBUS_CLI_USAGE');
  await succeeds(site, 'root sign add.request --yes');
  await fails(site, 'root sign add.request.signed --yes', 'CERTBUS_MANAGER_REQUEST_MALFORMED');
  await succeeds(site, 'root append add.request.signed --request add.request');
  await fails(site, 'root append add.request', 'CERTBUS_MANAGER_REQUEST_MALFORMED');
  await succeeds(site, 'manager list');
  await fails(nowhere, 'manager ls', 'CERTBUS_CLI_CONFIG_MISSING');
  await succeeds(site, 'manager rm other --yes');
  await fails(site, 'manager rm other --yes', 'CERTBUS_MANAGER_MANAGER_NOT_FOUND');
  await succeeds(site, `${add} --yes`);
  await succeeds(site, 'manager expel other --since 2 --dry-run');
  await succeeds(site, 'manager expel other --since 2 --yes');
  await fails(site, `${add} --yes`, 'CERTBUS_MANAGER_CHANGE_REFUSED');
  await fails(site, 'manager expel nobody --since 2', 'CERTBUS_MANAGER_MANAGER_NOT_FOUND');
  const identity = await certbus(site, ['keygen', 'loadbalancer']);
  writeFileSync(join(site, 'edge.key'), identity.stdout, { mode: 0o600 });
  const [, recipient] = /^# public key: (age1\S+)/.exec(identity.stdout) ?? [];
  await succeeds(site, `recipient add edge ${recipient} --yes`);
  await fails(site, `recipient add other ${recipient} --yes`, 'CERTBUS_MANAGER_CHANGE_REFUSED');
  await succeeds(site, 'recipient list');
  await fails(nowhere, 'recipient ls', 'CERTBUS_CLI_CONFIG_MISSING');
  await succeeds(site, 'recipient reseal nothing-opens --identity edge.key');
  await succeeds(site, 'recipient reseal keys --identity backup.key');
  await fails(site, 'recipient reseal keys --identity backup.key', 'CERTBUS_CLI_FILE_EXISTS');
  await succeeds(site, 'recipient reseal keys --append');
  await succeeds(site, 'recipient rm edge --yes');
  await fails(site, 'recipient rm edge --yes', 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND');
}

/** What is shown of certificates, in good order and not. */
async function lookAtCertificates(): Promise<void> {
  await succeeds(site, 'cert mk a.shop.test b.shop.test --dry-run');
  await succeeds(site, 'cert mk --from -', { input: 'api.shop.test\n' });
  await fails(site, 'cert mk --from -', 'CERTBUS_CLI_ISSUANCE_FAILED', { input: 'api.shop.test\nblocked.test\n' });
  await succeeds(site, 'cert check --name api.shop.test');
  for (const command of ['cert check --name', 'cert ls --name', 'bus log --name', 'plan --revoke --domain', 'conf use'])
    await fails(site, `${command} none.test`, 'CERTBUS_CLI_NO_MATCH');
  await succeeds(site, 'conf use ca');
  await succeeds(site, 'keys check');
  await fails(site, 'keys check none.key', 'CERTBUS_CLI_UNHEALTHY');
  await fails(site, 'cert check', 'CERTBUS_CLI_UNHEALTHY');
  for (const name of ['api.shop.test', 'www.blocked.test']) await succeeds(site, `cert status ${name}`);
  await succeeds(site, 'cert history api.shop.test');
  for (const command of ['status', 'history'])
    await fails(site, `cert ${command} none.test`, 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND');
  await fails(site, 'cert ls --columns colour', 'CERTBUS_CLI_USAGE');
  await fails(site, 'inspect 127.0.0.1:1', 'CERTBUS_CLI_SERVER_UNREACHABLE');
  const server = await startExampleServer({
    bus: `sqlite:${join(site, 'bus.db')}#certbus`,
    identity: join(site, 'loadbalancer.key'),
    trust: join(site, 'bus.pub'),
    stateDirectory: join(site, 'server'),
    port: 0,
    httpPort: 0,
    log() {},
  });
  await succeeds(site, `inspect 127.0.0.1:${server.port} --server-name api.shop.test`);
  await fails(site, `inspect 127.0.0.1:${server.port} --server-name none.test`, 'CERTBUS_CLI_SERVER_UNREACHABLE');
  await server.close();
}

/** What comes from other programs, and what goes to them. */
async function moveCertificates(directory: string): Promise<void> {
  const der = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' });
  const account = { PrivateKey: der.toString('base64'), Registration: { uri: directory } };
  writeFileSync(join(site, 'acme.json'), JSON.stringify({ le: { Account: account, Certificates: null } }));
  await succeeds(site, 'cert import acme.json');
  const { certificate, key } = await createTlsIdentity();
  writeFileSync(join(site, 'moved.pem'), `${certificate}${key}`);
  writeFileSync(join(site, 'cut.pem'), certificate);
  await succeeds(site, 'cert import moved.pem --dry-run');
  await succeeds(site, 'cert import moved.pem --manage --challenge http-01');
  await succeeds(site, 'cert import moved.pem');
  await fails(site, 'cert import cut.pem', 'CERTBUS_CLI_IMPORT_REFUSED');
  await fails(site, 'cert import none.pem', 'CERTBUS_CLI_FILE_UNREADABLE');
  await fails(site, 'cert import moved.pem --format lego', 'CERTBUS_CLI_USAGE');
  await fails(site, 'cert import moved.pem --manage --authority none', 'CERTBUS_CLI_NO_MATCH');
  writeFileSync(join(site, 'password.txt'), 'password\n', { mode: 0o600 });
  await succeeds(site, 'cert export api.shop.test --out api.pem');
  await succeeds(site, 'cert export api.shop.test --format pkcs12 --out api.p12 --password-file password.txt');
  await fails(site, 'cert export api.shop.test --out api.pem', 'CERTBUS_CLI_FILE_PROBLEM');
  await fails(site, 'cert export api.shop.test --format pkcs12 --out no.p12', 'CERTBUS_CLI_USAGE');
  await fails(site, 'cert export none.test --out no.pem', 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND');
}

async function manageCertificates(ca: Pick<AcmeServer, 'directory' | 'faults'>): Promise<void> {
  await succeeds(site, 'cert renewable');
  const line = 'cert make --wildcard --profile tlsserver shop.test';
  const { certificateId: id } = (await succeeds(site, line)) as { certificateId: string };
  await succeeds(site, line);
  await fails(site, 'cert mk foo_bar.test', 'CERTBUS_MANAGER_NAME_REFUSED');
  await fails(site, 'cert mk blocked.test', 'CERTBUS_ACME_PROBLEM');
  await fails(site, 'cert mk --challenge dns-persist-01 shop.test', 'CERTBUS_ACME_RECORD_MISSING');
  await fails(noCa, 'cert mk shop.test', 'CERTBUS_ACME_UNREACHABLE');
  const makeDue = async () => {
    const shown = (await succeeds(site, `cert cat ${id}`)) as { pem: string };
    await markRevoked(site, id, shown.pem);
  };
  await makeDue();
  await succeeds(site, 'cert renewable --renew-first');
  await makeDue();
  ca.faults.inject({ kind: 'status', status: 403 }, { resource: 'newOrder', times: Number.POSITIVE_INFINITY });
  await fails(site, 'cert renewable --renew-all', 'CERTBUS_CLI_RENEWAL_FAILED');
  ca.faults.clear();
  await putCertificate(site);
  await lookAtCertificates();
  await moveCertificates(ca.directory);
  const { certificates } = (await succeeds(site, 'cert ls')) as { certificates: { certificateId: string }[] };
  for (const { certificateId } of certificates) await succeeds(site, `cert cat ${certificateId}`);

  await fails(site, `cert renew ${id}`, 'CERTBUS_CLI_USAGE');
  const { serialNumber } = (await succeeds(site, `cert renew ${id} --yes`)) as { serialNumber: string };
  for (const { certificateId } of certificates)
    if (certificateId !== id) await succeeds(site, `cert remove ${certificateId} --yes`);
  await succeeds(site, 'cert renewable 2099-01-01');
  await fails(site, 'cert renewable tomorrow', 'CERTBUS_CLI_USAGE');

  const ended = { certificateId: 'endedcert01', names: ['held.test'], directory: 'https://127.0.0.1:1/directory' };
  await putEnded(site, { ...ended, claim: { holder: 'elsewhere', until: new Date(Date.now() + 3_600_000) } });
  await putEnded(site, {
    ...ended,
    certificateId: 'endedcert02',
    names: ['ended.test'],
    notBefore: new Date('2099-01-01'),
  });
  await fails(site, 'cert check', 'CERTBUS_CLI_EXPIRED');
  for (const line of ['cert renewable', 'cert renewable --renew-all', 'cert mk --subdomain ended.test'])
    await fails(site, line, 'CERTBUS_CLI_UNHEALTHY');
  for (const each of ['endedcert01', 'endedcert02']) await succeeds(site, `cert remove ${each} --yes`);

  await fails(site, `cert revoke ${id}`, 'CERTBUS_CLI_USAGE');
  await succeeds(site, `cert renew ${id} --yes`);
  await succeeds(site, `cert revoke ${id} --yes`);
  await succeeds(site, `cert revoke ${id} --yes --serial ${serialNumber}`);
  await replaceMany(ca, id);
  for (const command of ['cat', 'renew', 'rm'])
    await fails(site, `cert ${command} nonsense`, 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND');
}

/** Campaigns, and revocations of what they replaced. `id`: the one certificate that there is, which was renewed before. */
async function replaceMany(ca: Pick<AcmeServer, 'faults'>, id: string): Promise<void> {
  await succeeds(site, 'campaign ls');
  await fails(site, 'campaign start', 'CERTBUS_CLI_USAGE');
  await fails(site, 'campaign start --all', 'CERTBUS_CLI_USAGE');
  await fails(site, 'campaign start --sealed-to nobody --yes', 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND');
  await fails(site, 'campaign start --obtained-by nobody --yes', 'CERTBUS_MANAGER_MANAGER_NOT_FOUND');
  await fails(site, 'campaign start --domain none.test --yes', 'CERTBUS_CLI_NO_MATCH');
  await succeeds(site, 'campaign start --key-type RSA-2048 --yes');
  const { campaign } = (await succeeds(site, 'campaign start --all --rate 100 --yes')) as {
    campaign: { campaignId: string };
  };
  ca.faults.inject({ kind: 'status', status: 403 }, { resource: 'newOrder', times: Number.POSITIVE_INFINITY });
  await fails(site, 'cert renewable --renew-all', 'CERTBUS_CLI_RENEWAL_FAILED');
  ca.faults.clear();
  await succeeds(site, `campaign status ${campaign.campaignId}`);
  await fails(site, 'campaign status nonsense', 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND');
  await succeeds(site, `campaign cancel ${campaign.campaignId}`);
  await fails(site, 'campaign cancel nonsense', 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND');
  await succeeds(site, 'campaign list');
  const one = `campaign status ${campaign.campaignId}`;
  const { startedAt } = (await succeeds(site, one)) as { startedAt: string };
  const before = new Date(Date.parse(startedAt) - 1).toISOString();
  expect(await succeeds(site, `${one} --at ${startedAt}`)).toMatchObject({ state: 'running', begun: 0, failing: [] });
  await fails(site, `${one} --at ${before}`, 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND');
  const then = (await succeeds(site, `campaign ls --at ${startedAt}`)) as { campaigns: { state: string }[] };
  expect(then.campaigns.map(({ state }) => state)).toContain('running');

  await succeeds(site, `cert renew ${id} --yes`);
  const { notBefore } = (await succeeds(site, `cert cat ${id}`)) as { notBefore: string };
  // The processes in between took longer than the second that dates of certificates go by.
  const many = `cert revoke --name *shop.test --issued-before ${new Date(notBefore).toISOString()} --reason keyCompromise`;
  await fails(site, `cert revoke ${id} --name *shop.test`, 'CERTBUS_CLI_USAGE');
  await fails(site, `${many} --served-for 0m`, 'CERTBUS_CLI_USAGE');
  await succeeds(site, `${many} --yes`);
  await fails(site, `${many} --served-for 0m --identity manager.key --yes`, 'CERTBUS_CLI_REVOCATION_FAILED');
  await succeeds(site, `${many} --served-for 0m --identity backup.key --yes`);
  await succeeds(site, 'cert revoke --name *shop.test --served-for 0m --yes');
}

async function lookAtTheBus(): Promise<void> {
  await succeeds(site, 'bus log');
  await succeeds(site, 'bus log --follow', { interruptAt: 'CertificateRevoked' });
  await succeeds(site, 'bus verify');
  await succeeds(site, 'example-server --port 0 --http-port 0', { interruptAt: 'listening' });
  await succeeds(site, 'run --port 0', { interruptAt: 'ready, at position' });
  const env = { CERTBUS_ARCHIVE: 'file:./archive' };
  for (const command of ['snapshot', 'archive']) {
    await fails(site, `bus ${command}`, 'CERTBUS_MANAGER_ARCHIVE_MISSING');
    await succeeds(site, `bus ${command}`, { env });
  }
  await succeeds(site, 'bus archive --trim --yes', { env });
  await succeeds(site, 'bus export backup');
  await succeeds(site, 'bus import backup --bus sqlite:./other.db#moved');
  await fails(site, 'bus import none', 'CERTBUS_STORE_EXPORT_UNREADABLE');
}

/** What somebody does who can write to the store, and has no key. */
async function damageTheBus(): Promise<void> {
  const log = await openSqliteLog(join(site, 'bus.db'));
  const { commits } = await log.read('certbus', 1, { limit: 1_000 });
  await log.maintenance?.replace('certbus', 2, { found: commits[0]?.bytes, bytes: Buffer.from('forged') });
  await log.append('certbus', commits.length + 1, Buffer.from('forged'));
  await log.close();
}

async function repairTheBus(): Promise<void> {
  for (const line of ['bus log', 'bus verify', 'bus export other'])
    await fails(site, line, 'CERTBUS_EVENTS_COMMIT_MALFORMED');
  await succeeds(site, 'bus repair --from backup --dry-run');
  await fails(site, 'bus repair --from backup', 'CERTBUS_STORE_EXPORT_REFUSED');
  await succeeds(site, 'bus repair --from backup --drop-tail --yes');
}

async function restoreTheBus(): Promise<void> {
  await fails(site, 'bus restored', 'CERTBUS_MANAGER_NOT_RESTORED');
  copyFileSync(join(site, 'bus.db'), join(site, 'saved.db'));
  const { certificates } = (await succeeds(site, 'cert ls')) as { certificates: { certificateId: string }[] };
  await succeeds(site, `cert rm ${certificates[0]?.certificateId} --yes`);
  for (const file of ['bus.db-wal', 'bus.db-shm']) rmSync(join(site, file), { force: true });
  copyFileSync(join(site, 'saved.db'), join(site, 'bus.db'));
  await succeeds(site, 'bus restored');
}

async function askTheDoctor(): Promise<void> {
  await fails(site, 'doctor --resolver nonsense', 'CERTBUS_CLI_USAGE');
  await fails(site, 'alerts test', 'CERTBUS_MANAGER_CONFIG_INVALID');
  await succeeds(site, 'plan --new 400 --revoke --domain shop.test');
  await fails(site, 'plan --revoke --authority nobody', 'CERTBUS_CLI_NO_MATCH');
  await succeeds(site, 'doctor');
  await fails(site, 'account deactivate ca', 'CERTBUS_CLI_USAGE');
  await succeeds(site, 'account deactivate ca --yes');
  await fails(site, 'doctor', 'CERTBUS_CLI_UNHEALTHY');
}

beforeAll(async () => {
  for (const folder of [site, noCa, nowhere]) mkdirSync(folder);
  await using dns = await startDnsServer();
  await using ca = await startAcmeServer({ blockedNames: ['blocked.test'], validation: { dnsServer: dns.address } });
  await withoutABus();
  await setUp(ca, dns);
  await useTheAccount();
  await manageCertificates(ca);
  await changeTheKeys();
  await lookAtTheBus();
  await damageTheBus();
  await repairTheBus();
  await restoreTheBus();
  await askTheDoctor();
  const text = formatContract(learn());
  if (process.env['CERTBUS_CONTRACT'] === 'write') writeFileSync(RECORD, text);
  contract = JSON.parse(text);
  recorded = JSON.parse(readFileSync(RECORD, 'utf8'));
}, HANGS_MS);
afterAll(() => temporary.remove());

describe.each(COMMAND_NAMES)('certbus %s', (name) => {
  const ofCommand = ({ commands }: Contract): CommandContract => {
    const command = commands[name];
    if (!command) throw new Error(`"certbus ${name}" is not in contract.json.`);
    return command;
  };

  test('takes the arguments and flags that scripts give it', () => {
    expect(parametersOf(ofCommand(contract))).toEqual(parametersOf(ofCommand(recorded)));
  });

  test('answers with the JSON and the exit statuses that scripts read', () => {
    expect(answersOf(ofCommand(contract))).toEqual(answersOf(ofCommand(recorded)));
  });

  test('was seen to work and to fail, and has JSON or a reason why not', () => {
    const { json, statuses, failures } = ofCommand(contract);
    expect(json).toBeDefined();
    expect(statuses).not.toEqual([]);
    expect(failures).not.toEqual({});
  });

  test('fails with the exit status of the code', () => {
    for (const [code, { status }] of Object.entries(ofCommand(contract).failures)) {
      const declared = contract.exitStatuses[code];
      expect({ code, status }).toEqual({ code, status: declared });
    }
  });
});

test('every code of an error has the exit status that scripts branch on', () => {
  expect(contract.exitStatuses).toEqual(recorded.exitStatuses);
});

test('a command that does not exist ends with 127', async () => {
  expect(await certbus(nowhere, ['nonsense'])).toMatchObject({ status: 127, stdout: '' });
});

test('the record has these commands and no other, and is the same to the byte', () => {
  expect(Object.keys(contract.commands)).toEqual(Object.keys(recorded.commands));
  expect(formatContract(contract)).toBe(readFileSync(RECORD, 'utf8'));
});
