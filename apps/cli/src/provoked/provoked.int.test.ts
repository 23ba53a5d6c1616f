/** Provokes errors of `docs/errors.md` by commands that a user can type, and compares exit status, message and advice with those kept here. */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createIdentity } from '@certbus/events';
import { withManager } from '@certbus/runtime';
import { readEnvironment } from '@certbus/runtime/local';
import { openExportFile } from '@certbus/store/export-file';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginSite } from '../begin-site.builders.ts';
import { createRunner, type RunCommand } from '../in-process.builders.ts';
import { putCertificate, putEnded } from '../site.builders.ts';
import { appendPast, makeRefusedBus, takeOut } from './wrong-bus.builders.ts';

const KEPT = fileURLToPath(new URL('provoked.json', import.meta.url));
const temporary = temporaryFolder();
const root = temporary.path;
let run: RunCommand;
let dns: DnsServer;
let ca: AcmeServer;
let page: ReturnType<typeof createServer>;
let sites = 0;

/** A folder with a bus of its own, and the variables by which commands find it. */
interface Site {
  readonly folder: string;
  readonly variables: Readonly<Record<string, string>>;
  at(file: string): string;
  write(file: string, text: string): string;
}

function siteIn(folder: string): Site {
  const at = (file: string) => join(folder, file);
  return {
    folder,
    variables: { CERTBUS_CONFIG: at('certbus.json'), CERTBUS_STATE_DIR: at('state') },
    at,
    write(file, text) {
      writeFileSync(at(file), text, { mode: 0o600 });
      return at(file);
    },
  };
}

/** A copy of the site that `certbus init` made. */
function newSite(): Site {
  sites += 1;
  const folder = join(root, `site${sites}`);
  cpSync(join(root, 'untouched'), folder, { recursive: true });
  return siteIn(folder);
}

type Configuration = Readonly<Record<string, unknown>> & { readonly authorities: { readonly ca: object } };
let configuration: Configuration;

/** Puts a configuration on the bus of a site in the place of the one before. */
async function configure(site: Site, changed: object): Promise<void> {
  const environment = readEnvironment({ variables: site.variables, writeLine() {} });
  await withManager(environment, (manager) => manager.configure({ ...configuration, ...changed }));
}

const authority = (over: object) => ({ authorities: { ca: { ...configuration.authorities.ca, ...over } } });

beforeAll(async () => {
  // Where "init" keeps its replica, which no variable of a site says.
  run = await createRunner({ CERTBUS_STATE_DIR: join(root, 'state') });
  dns = await startDnsServer();
  ca = await startAcmeServer({
    blockedNames: ['blocked.test'],
    challengeTypes: ['dns-01', 'dns-persist-01'],
    validation: { dnsServer: dns.address },
  });
  page = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
  mkdirSync(join(root, 'empty'));
  mkdirSync(join(root, 'untouched'));
  const site = siteIn(join(root, 'untouched'));
  const roots = site.write('roots.pem', ca.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
  const init = await run([
    'init',
    '--dir',
    site.folder,
    '--agree-tos',
    '--directory',
    ca.directory,
    '--roots',
    roots,
    ...provider,
    '--name',
    'manager',
  ]);
  expect(init.error).toBeNull();
  const { position: _, ...displayed } = (await run(['conf', 'display'], site.variables)).result as Configuration;
  configuration = displayed as Configuration;
  rmSync(site.at('state'), { recursive: true });
});
afterAll(async () => {
  page.close();
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  temporary.remove();
});

type Provocation = (site: Site) => ReturnType<RunCommand>;

/** Looks at a published bus that a verifier must refuse. */
const verifyVector =
  (name: string): Provocation =>
  async (site) => {
    site.write('bus.pub', await makeRefusedBus(site.at('refused.db'), name));
    return run(['bus', 'verify'], { ...site.variables, CERTBUS_BUS: `sqlite:${site.at('refused.db')}#certbus` });
  };

/** Presses Ctrl-C in what a command runs, once something has come. */
async function interrupt(start: () => ReturnType<RunCommand>, hasCome: () => boolean): ReturnType<RunCommand> {
  const before = new Set(process.listeners('SIGINT'));
  const running = start();
  await expect.poll(hasCome).toBe(true);
  for (const listener of process.listeners('SIGINT')) if (!before.has(listener)) listener('SIGINT');
  return running;
}

const THREE_DAYS_MS = 3 * 86_400_000;
const MAX_CAMPAIGNS = 20;
/** Makes the request for a change of keys in a file of a site. */
async function request(site: Site, file: string, ...change: readonly string[]): Promise<string> {
  const { error } = await run(['recipient', ...change, '--request', site.at(file), '--yes'], site.variables);
  expect(error).toBeNull();
  return site.at(file);
}
const sign = (site: Site, file: string, ...more: readonly string[]) =>
  run(['root', 'sign', file, '--yes', ...more], site.variables);

/** The id of a certificate that has ended: the same in each run, since messages name it. */
const ENDED = 'endedcert01';

/** By the code that each must give. */
const PROVOCATIONS: Readonly<Record<string, Provocation>> = {
  CERTBUS_CLI_CONFIG_MISSING: (site) => {
    site.write('certbus.json', '{}');
    return run(['cert', 'ls'], site.variables);
  },
  CERTBUS_CLI_CONFIG_INVALID: (site) => {
    site.write('certbus.json', '{');
    return run(['cert', 'ls'], site.variables);
  },
  CERTBUS_CLI_FILE_UNREADABLE: (site) => {
    rmSync(site.at('manager.key'));
    return run(['conf', 'display'], site.variables);
  },
  CERTBUS_CLI_FILE_EXISTS: (site) =>
    run(['recipient', 'rm', 'backup', '--request', site.write('request', 'mine'), '--yes'], site.variables),
  CERTBUS_CLI_ROOT_KEY_MISSING: (site) => {
    site.write('certbus.json', readFileSync(site.at('certbus.json'), 'utf8').replace(/^ *"rootKey": .*\n/m, ''));
    return run(['recipient', 'rm', 'backup', '--yes'], site.variables);
  },
  CERTBUS_CLI_KEY_FILE_OPEN: (site) => {
    chmodSync(site.at('manager.key'), 0o644);
    return run(['conf', 'display'], site.variables);
  },
  CERTBUS_CLI_CONFIG_OPEN: (site) => {
    chmodSync(site.at('certbus.json'), 0o666);
    return run(['cert', 'ls'], site.variables);
  },
  CERTBUS_CLI_SECRET_REFERENCE_INVALID: (site) =>
    run(['conf', 'display'], { ...site.variables, CERTBUS_MANAGER_KEY: 'ssm:relative' }),
  CERTBUS_CLI_CHECKPOINT_REFUSED: (site) =>
    run(['cert', 'renewable'], { ...site.variables, CERTBUS_CHECKPOINT: site.write('checkpoint', 'nonsense\n') }),
  CERTBUS_CLI_USAGE: () => run(['init', '--dir', join(root, 'empty')]),
  CERTBUS_CLI_NO_MATCH: (site) => run(['cert', 'check', '--name', 'none.test'], site.variables),
  CERTBUS_CLI_SERVER_UNREACHABLE: (site) => run(['inspect', '127.0.0.1:1'], site.variables),
  CERTBUS_CLI_FILE_PROBLEM: (site) => run(['init', '--dir', join(site.at('roots.pem'), 'new'), '--agree-tos']),
  CERTBUS_CLI_IMPORT_REFUSED: (site) => run(['cert', 'import', site.write('x.pem', 'nonsense')], site.variables),
  CERTBUS_CLI_EXPIRED: async (site) => {
    await putEnded(site.folder, { certificateId: ENDED, names: ['old.test'], directory: ca.directory });
    return run(['cert', 'check'], site.variables);
  },
  CERTBUS_CLI_UNHEALTHY: async (site) => {
    await putEnded(site.folder, { certificateId: ENDED, names: ['old.test'], directory: ca.directory });
    return run(['cert', 'renewable'], site.variables);
  },
  CERTBUS_CLI_RENEWAL_FAILED: async (site) => {
    await putEnded(site.folder, { certificateId: ENDED, names: ['blocked.test'], directory: ca.directory });
    return run(['cert', 'renewable', '--renew-all'], site.variables);
  },
  CERTBUS_CLI_ISSUANCE_FAILED: (site) =>
    run(['cert', 'mk', '--from', site.write('names', 'blocked.test\n')], site.variables),
  CERTBUS_EVENTS_KEY_MALFORMED: (site) => {
    site.write('manager.key', 'nonsense');
    return run(['conf', 'display'], site.variables);
  },
  CERTBUS_EVENTS_TRUST_MALFORMED: (site) => {
    site.write('bus.pub', 'nonsense');
    return run(['cert', 'ls'], site.variables);
  },
  CERTBUS_EVENTS_BELOW_FLOOR: (site) => {
    const trust = readFileSync(site.at('bus.pub'), 'utf8');
    site.write('bus.pub', trust.replace(/^since \d+/m, 'since 900'));
    return run(['cert', 'ls'], site.variables);
  },
  CERTBUS_EVENTS_OTHER_BUS: async (site) => {
    await run(['init', '--dir', site.at('other'), '--agree-tos']);
    const bus = `sqlite:${join(site.at('other'), 'bus.db')}#certbus`;
    return run(['bus', 'verify'], { ...site.variables, CERTBUS_BUS: bus });
  },
  CERTBUS_EVENTS_COMMIT_MALFORMED: async (site) => {
    await appendPast(site.at('bus.db'), () => 'forged');
    return run(['bus', 'verify'], site.variables);
  },
  CERTBUS_EVENTS_POSITION_WRONG: async (site) => {
    await appendPast(site.at('bus.db'), (newest) => newest);
    return run(['bus', 'verify'], site.variables);
  },
  CERTBUS_EVENTS_HISTORY_FORKED: async (site) => {
    cpSync(site.at('bus.db'), site.at('saved.db'));
    await configure(site, { giveUpAfterDays: 3 });
    await run(['conf', 'display'], site.variables);
    cpSync(site.at('saved.db'), site.at('bus.db'));
    return run(['conf', 'display'], site.variables);
  },
  CERTBUS_EVENTS_NOT_OPENED: async (site) => {
    await putCertificate(site.folder);
    const identity = site.write('other.key', await createIdentity());
    return run(['cert', 'export', 'localhost', '--identity', identity, '--out', site.at('x.pem')], site.variables);
  },
  CERTBUS_STORE_ADDRESS_INVALID: (site) => run(['cert', 'ls'], { ...site.variables, CERTBUS_BUS: 'nonsense' }),
  CERTBUS_STORE_NOT_FOUND: (site) =>
    run(['cert', 'ls'], { ...site.variables, CERTBUS_BUS: `sqlite:${site.at('none.db')}#x` }),
  CERTBUS_STORE_DAMAGED: (site) => {
    const file = site.write('bad.db', 'nonsense'.repeat(100));
    return run(['bus', 'verify'], { ...site.variables, CERTBUS_BUS: `sqlite:${file}#x` });
  },
  CERTBUS_STORE_EXPORT_UNREADABLE: (site) =>
    run(['bus', 'import', site.at('none'), '--bus', `sqlite:${site.at('copy.db')}#x`], site.variables),
  CERTBUS_STORE_EXPORT_REFUSED: (site) =>
    run(['bus', 'import', site.write('export', 'nonsense'), '--bus', `sqlite:${site.at('copy.db')}#x`], site.variables),
  CERTBUS_STORE_PROXY_INVALID: (site) =>
    run(['account', 'register'], { ...site.variables, HTTPS_PROXY: 'ftp://proxy.test', NO_PROXY: '' }),
  CERTBUS_REPLICA_FILE_OPEN: async (site) => {
    await run(['cert', 'ls'], site.variables);
    for (const file of readdirSync(site.at('state'))) chmodSync(join(site.at('state'), file), 0o666);
    return run(['conf', 'display'], site.variables);
  },
  CERTBUS_CLI_INTERRUPTED: async (site) => {
    const fault = ca.faults.inject({ kind: 'stall', when: 'before' }, { resource: 'newOrder', times: 1 });
    const start = () => run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
    const interrupted = await interrupt(start, () => fault.hits > 0);
    ca.faults.clear();
    return interrupted;
  },
  CERTBUS_CLI_REVOCATION_FAILED: async (site) => {
    for (const args of [
      ['cert', 'mk', '--subdomain', 'left.test'],
      ['cert', 'rm', 'left.test', '--yes'],
    ])
      expect((await run(args, site.variables)).error).toBeNull();
    const terms = ['--served-for', '0m', '--identity', site.at('manager.key'), '--yes'];
    return run(['cert', 'revoke', '--name', 'left.test', ...terms], site.variables);
  },
  CERTBUS_EVENTS_FORMAT_UNKNOWN: verifyVector('format-raised'),
  CERTBUS_EVENTS_FORMAT_WRONG: verifyVector('format-lower-than-announced'),
  CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE: verifyVector('signed-by-a-stranger'),
  CERTBUS_EVENTS_SIGNATURE_INVALID: verifyVector('signature-damaged'),
  CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID: verifyVector('root-event-by-a-manager'),
  CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG: verifyVector('root-event-skipped'),
  CERTBUS_STORE_GAP: async (site) => {
    for (const giveUpAfterDays of [3, 4]) await configure(site, { giveUpAfterDays });
    await takeOut(site.at('bus.db'), 3);
    return run(['bus', 'verify'], site.variables);
  },
  CERTBUS_STORE_EXPORT_BUSY: async (site) => {
    const file = await openExportFile(site.at('export'), { create: true });
    const answer = await run(['bus', 'export', site.at('export')], site.variables);
    await file.close();
    return answer;
  },
  CERTBUS_ACME_ZONE_NOT_FOUND: async (site) => {
    const url = 'http://127.0.0.1:1';
    await configure(site, { dns: [{ zones: ['*'], provider: 'httpreq', url, resolver: [dns.address] }] });
    return run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
  },
  CERTBUS_MANAGER_CONFIG_CHANGED: (site) => {
    // Somebody else is first: what was edited is from a position before.
    const EDITOR = `sed -i -E 's/"position": [0-9]+/"position": 1, "giveUpAfterDays": 3/'`;
    return run(['conf', 'edit', '--yes'], { ...site.variables, EDITOR });
  },
  CERTBUS_MANAGER_BUS_STALE: async (site) => {
    const silent = siteIn(site.at('silent'));
    await beginSite(silent.folder, { begunAt: new Date(Date.now() - THREE_DAYS_MS) });
    // Without the floor, which is the head here.
    silent.write('bus.pub', readFileSync(silent.at('bus.pub'), 'utf8').replace(/\n.*/s, '\n'));
    return run(['cert', 'mk', 'a.test'], silent.variables);
  },
  CERTBUS_MANAGER_REQUEST_REFUSED: async (site) => {
    const first = await request(site, 'first', 'rm', 'backup');
    const second = await request(site, 'second', 'rm', 'loadbalancers');
    expect((await sign(site, first)).error).toBeNull();
    return sign(site, second);
  },
  CERTBUS_MANAGER_REQUEST_OUTDATED: async (site) => {
    const file = await request(site, 'first', 'rm', 'backup');
    expect((await sign(site, file)).error).toBeNull();
    expect((await run(['root', 'append', `${file}.signed`], site.variables)).error).toBeNull();
    return sign(site, file, '--out', site.at('again'));
  },
  CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS: async (site) => {
    await putEnded(site.folder, { certificateId: ENDED, names: ['old.test'], directory: ca.directory });
    const environment = readEnvironment({ variables: site.variables, writeLine() {} });
    const { signal } = new AbortController();
    await withManager(environment, async (manager) => {
      for (let day = 1; day <= MAX_CAMPAIGNS; day += 1)
        await manager.startCampaign({ predicate: { issuedBefore: new Date(Date.UTC(2030, 0, day)) } }, { signal });
    });
    return run(['campaign', 'start', '--domain', 'old.test', '--yes'], site.variables);
  },
  CERTBUS_ACME_PROBLEM: (site) => run(['cert', 'mk', '--subdomain', 'blocked.test'], site.variables),
  CERTBUS_ACME_NO_SOLVER: (site) =>
    run(['cert', 'mk', '--subdomain', 'a.test', '--challenge', 'http-01'], site.variables),
  CERTBUS_ACME_CHALLENGE_FAILED: (site) => {
    dns.fail('_acme-challenge.failing.test', 'SERVFAIL');
    return run(['cert', 'mk', '--subdomain', 'failing.test'], site.variables);
  },
  CERTBUS_ACME_SOLVER_FAILED: async (site) => {
    await configure(site, { dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }] });
    return run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
  },
  CERTBUS_ACME_ORDER_INVALID: (site) =>
    run(['cert', 'mk', '--subdomain', 'a.test', '--profile', 'none'], site.variables),
  CERTBUS_ACME_RECORD_MISSING: (site) =>
    run(['cert', 'mk', '--subdomain', 'a.test', '--challenge', 'dns-persist-01'], site.variables),
  CERTBUS_ACME_UNREACHABLE: async (site) => {
    await configure(site, authority({ directory: 'https://127.0.0.1:1/directory' }));
    return run(['account', 'register'], site.variables);
  },
  CERTBUS_ACME_NOT_ACME: async (site) => {
    const { port } = page.address() as AddressInfo;
    await configure(site, authority({ directory: `http://127.0.0.1:${port}/directory` }));
    return run(['account', 'register'], site.variables);
  },
  CERTBUS_ACME_EAB_INVALID: async (site) => {
    await configure(site, authority({ eab: { kid: 'kid', hmacKey: 'short' } }));
    return run(['account', 'register'], site.variables);
  },
  CERTBUS_MANAGER_NAME_REFUSED: (site) => run(['cert', 'mk', 'a..b'], site.variables),
  CERTBUS_MANAGER_KEY_TYPE_REFUSED: (site) => run(['cert', 'mk', 'a.test', '--key-type', 'P-521'], site.variables),
  CERTBUS_MANAGER_CONFIG_INVALID: (site) => run(['account', 'register', 'nobody'], site.variables),
  CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND: (site) => run(['cert', 'cat', 'none'], site.variables),
  CERTBUS_MANAGER_ACCOUNT_MISSING: async (site) => {
    await configure(site, authority({ directory: 'https://127.0.0.1:1/directory' }));
    return run(['account', 'deactivate', 'ca', '--yes'], site.variables);
  },
  CERTBUS_MANAGER_ARCHIVE_MISSING: (site) => run(['bus', 'archive'], site.variables),
  CERTBUS_MANAGER_BUS_EXISTS: (site) =>
    run(
      ['init', '--dir', join(site.folder, 'other'), '--agree-tos', '--bus', `sqlite:${site.at('bus.db')}#certbus`],
      site.variables,
    ),
  CERTBUS_MANAGER_NOT_RESTORED: async (site) => {
    await run(['conf', 'display'], site.variables);
    return run(['bus', 'restored'], site.variables);
  },
  CERTBUS_MANAGER_MANAGER_NOT_FOUND: (site) => run(['manager', 'rm', 'nobody', '--yes'], site.variables),
  CERTBUS_MANAGER_RECIPIENT_NOT_FOUND: (site) => run(['recipient', 'rm', 'nobody', '--yes'], site.variables),
  CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND: (site) => run(['campaign', 'status', 'none'], site.variables),
  CERTBUS_MANAGER_CHANGE_REFUSED: (site) => run(['manager', 'rm', 'manager', '--yes'], site.variables),
  CERTBUS_MANAGER_REQUEST_MALFORMED: (site) =>
    run(['root', 'sign', site.write('request', 'nonsense'), '--yes'], site.variables),
  CERTBUS_MANAGER_LIMIT_REACHED: async (site) => {
    await configure(site, authority({ limits: { nameSets: { count: 1, within: '7d' } } }));
    const first = await run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
    expect(first.error).toBeNull();
    return run(['cert', 'mk', '--subdomain', 'a.test', '--new'], site.variables);
  },
  CERTBUS_MANAGER_NAMES_LOST: (site) => {
    dns.add('barred.test', 'CAA', { tag: 'issue', value: 'other.test' });
    return run(['cert', 'mk', '--subdomain', 'barred.test'], site.variables);
  },
  CERTBUS_MANAGER_SECRET_MISSING: async (site) => {
    const dns = [{ zones: ['*'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_X' } }];
    await configure(site, { dns });
    return run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
  },
  CERTBUS_MANAGER_SECRET_HOST_REFUSED: async (site) => {
    const password = { env: 'CERTBUS_SECRET_X' };
    const url = 'https://dns.example';
    await configure(site, { dns: [{ zones: ['*'], provider: 'httpreq', url, username: 'x', password }] });
    return run(['cert', 'mk', '--subdomain', 'a.test'], { ...site.variables, CERTBUS_SECRET_X: 'secret' });
  },
  CERTBUS_MANAGER_PROGRAM_MISSING: async (site) => {
    await configure(site, { dns: [{ zones: ['*'], provider: 'exec', program: 'none' }] });
    return run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
  },
  CERTBUS_MANAGER_ZONE_NOT_CONFIGURED: async (site) => {
    await configure(site, { dns: [] });
    return run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
  },
  // The last one: all sites have one account at the CA.
  CERTBUS_MANAGER_ACCOUNT_CLOSED: async (site) => {
    await run(['account', 'deactivate', 'ca', '--yes'], site.variables);
    return run(['cert', 'mk', '--subdomain', 'a.test'], site.variables);
  },
};

/** Without what no two runs have in common. */
const comparable = (text: string): string =>
  text
    .replaceAll(/site\d+/g, 'SITE')
    .replaceAll(root, 'FOLDER')
    .replaceAll(/127\.0\.0\.1:\d{4,5}/g, '127.0.0.1:PORT')
    .replaceAll(/\b[0-9a-f]{16}\b/g, 'HASH')
    .replaceAll(/\b[0-9A-F]{16,40}\b/g, 'SERIAL')
    .replaceAll(/(?<![\w-])[\w-]{43}(?![\w-])/g, 'HASH')
    .replaceAll(/(?<=another request, |cancel one of (?:[\w-]+, )*)[\w-]{11}/g, 'ID')
    // In an order that the CA draws.
    .replaceAll(/it offers: [\w, -]+/g, 'it offers: CHALLENGES')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'INSTANT')
    .replaceAll(/\/acme\/(\w+)\/[\w-]+/g, '/acme/$1/ID');

const isWriting = process.env['CERTBUS_CONTRACT'] === 'write';
const kept: Record<string, unknown> = JSON.parse(readFileSync(KEPT, 'utf8'));

describe('the exit status, the words and the advice of', () => {
  test.each(Object.entries(PROVOCATIONS))(
    '%s are as they are kept; CERTBUS_CONTRACT=write writes them',
    async (code, provoke) => {
      const { error, exitCode } = await provoke(newSite());
      expect(error?.code, error?.message).toBe(code);
      const shown = { exitCode, message: comparable(error?.message ?? ''), next: error?.next.map(comparable) };
      if (isWriting) kept[code] = shown;
      expect(shown).toEqual(kept[code]);
    },
  );
  afterAll(() => {
    if (!isWriting) return;
    const provoked = Object.keys(PROVOCATIONS).flatMap((code) => (code in kept ? [[code, kept[code]]] : []));
    writeFileSync(KEPT, `${JSON.stringify(Object.fromEntries(provoked), null, 2)}\n`);
  });
});

test('nothing is kept of an error that is not provoked', () => {
  expect(Object.keys(kept).sort()).toEqual(Object.keys(PROVOCATIONS).sort());
});
