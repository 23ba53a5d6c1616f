/** Makes what a bus begins with: keys, store, first commit, configuration and account. */
import { existsSync, lstatSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  formatTrust,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  parseTrust,
} from '@certbus/events';
import { BEGINNING, HistoryError } from '@certbus/events/history';
import { createBus, parseConfiguration, secretHosts } from '@certbus/manager';
import { findSigningKey, openLocalBus, withManager, withRootState, writeFloor } from '@certbus/runtime';
import {
  CONFIG_FILE,
  checkOwnToWrite,
  type Environment,
  environmentOf,
  flushFolder,
  type LocalConfig,
  makeFolder,
  readKeyFile,
  readLocalConfig,
  readOwnFile,
  removeUnfinished,
  writeNew,
} from '@certbus/runtime/local';
import { parseAddress, resolveAddress } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { createOutgoing } from '@certbus/store/outgoing';
import { type Difference, differencesFrom, type Given } from './set-up-differences.ts';

/** What `init` is told. */
export interface SetUp {
  /** Folder for the files. */
  readonly folder: string;
  /** Address of the bus to make. */
  readonly bus: string;
  /** Name of this manager on the bus. */
  readonly name: string;
  /** The configuration to put on the bus. */
  readonly configuration: unknown;
  /** The flags that were given, to compare them with what is set up already. */
  readonly given: Given;
}

/** A file and what it is for. */
export interface WrittenFile {
  readonly path: string;
  readonly purpose: string;
  readonly isNew: boolean;
}

export interface SetUpResult {
  readonly files: readonly WrittenFile[];
  readonly bus: string;
  /** Whether anything was made; false the second time. */
  readonly changed: boolean;
  /** Why the account is not registered yet; the first certificate registers it. */
  readonly accountProblem: string | undefined;
  /** What differs from what is set up already. */
  readonly differences: readonly Difference[];
}

interface SetUpOptions {
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
}

const FILES = {
  root: ['root.key', 'names who manages the bus and who can open private keys; keep it offline'],
  manager: ['manager.key', 'signs commits, opens the configuration; only where certbus runs'],
  loadbalancer: ['loadbalancer.key', 'opens private keys; on every load balancer'],
  backup: ['backup.key', 'opens private keys, if all load balancers are lost; keep it offline'],
  trust: ['bus.pub', "the bus's id, root and floor, not secret; on every load balancer"],
} as const;

type FileName = keyof typeof FILES;

/** Refuses what is there already and is not to be kept, before anything is made: a key of another user, or a link to nothing. */
function checkKept(folder: string): void {
  const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  for (const [name, [file]] of Object.entries(FILES)) {
    const path = join(folder, file);
    if (!isThere(path)) continue;
    if (name === 'trust') readOwnFile(path, 'The trust file');
    else readKeyFile(path, `The ${name} key`);
  }
  const configPath = join(folder, CONFIG_FILE);
  if (isThere(configPath)) readOwnFile(configPath, 'The local configuration');
}

async function writeFiles(folder: string): Promise<WrittenFile[]> {
  makeFolder(folder);
  checkOwnToWrite(folder, 'The folder for keys');
  checkKept(folder);
  const write = (name: FileName, text: string): WrittenFile => {
    const [file, purpose] = FILES[name];
    const path = join(folder, file);
    return { path, purpose, isNew: writeNew(path, text, { isSecret: name !== 'trust' }) };
  };
  const keys = [
    write('root', createRootKey()),
    write('manager', await createManagerKey()),
    write('loadbalancer', await createIdentity()),
    write('backup', await createIdentity()),
  ];
  const root = parseRootKey(readKeyFile(join(folder, FILES.root[0]), 'The root key'));
  const trust = write('trust', `${formatTrust({ busId: createBusId(), rootKey: root.publicKey })}\n`);
  // A bus that is begun elsewhere, as in DynamoDB, survives a power cut here: so must the only keys to it.
  flushFolder(folder);
  return [...keys, trust];
}

/** Makes the store and begins the bus in it, where that was not done yet; the trust file has the first floor then. */
async function beginBus({ folder, bus, name }: SetUp, signal: AbortSignal): Promise<void> {
  const pathOf = (file: FileName) => join(folder, FILES[file][0]);
  const recipientOf = async (file: FileName) =>
    (await parseIdentityFile(readKeyFile(pathOf(file), `The ${file} key`))).recipient;
  const managerText = readKeyFile(pathOf('manager'), 'The manager key');
  const { signer } = parseManagerKey(managerText);
  const trustFile = pathOf('trust');
  const trust = readOwnFile(trustFile, 'The trust file');
  const log = await openLog(bus, { create: true, outgoing: createOutgoing({ environment: process.env }), signal });
  try {
    const { floor } = await createBus(log, parseAddress(bus).stream, {
      trust: parseTrust(trust),
      root: parseRootKey(readKeyFile(pathOf('root'), 'The root key')),
      managers: [{ name, signingKey: signer.publicKey, recipient: await recipientOf('manager') }],
      recipients: [
        { name: 'loadbalancers', recipient: await recipientOf('loadbalancer') },
        { name: 'backup', recipient: await recipientOf('backup') },
      ],
    });
    const { problem } = writeFloor({ trust, trustFile }, floor);
    if (problem) throw problem;
  } finally {
    await log.close();
  }
}

/** Checks that the bus of a folder that is set up is there, and is the one of these files. */
async function checkBus(config: LocalConfig, signal: AbortSignal): Promise<void> {
  const { bus, close } = await openLocalBus(environmentOf(config), { signal });
  try {
    const page = await bus.read(BEGINNING, { limit: 1, signal });
    if (page.refused) throw page.refused;
    if (page.commits.length === 0)
      throw new HistoryError('CERTBUS_EVENTS_HISTORY_FORKED', 1, `it was written here, and ${config.bus} is empty`);
  } finally {
    await close();
  }
}

/** Looks at a folder that is set up, and at its bus. */
async function findSetUp(folder: string, { given, signal }: SetUpOptions & Pick<SetUp, 'given'>): Promise<SetUpResult> {
  const configPath = join(folder, CONFIG_FILE);
  const config = readLocalConfig({ file: configPath, env: {}, cwd: folder });
  removeUnfinished(configPath);
  await checkBus(config, signal);
  const environment = environmentOf(config);
  const configuration = await withManager(
    environment,
    async (manager) => {
      await manager.refresh({ signal });
      return (await manager.configuration())?.json;
    },
    { signal },
  );
  const own = await findSigningKey(environment, { signal });
  const name = await withRootState(
    environment,
    async ({ checkpoint }) => checkpoint.managers.find(({ signingKey }) => signingKey === own)?.name,
    { signal },
  );
  const differences = differencesFrom({ bus: config.bus, name, configuration }, given);
  return { files: [], bus: config.bus, changed: false, accountProblem: undefined, differences };
}

/** The environment of a bus whose local configuration is not written yet. */
function newEnvironment({
  configPath,
  ...config
}: Pick<LocalConfig, 'bus' | 'trust' | 'managerKey' | 'secretHosts'> & { readonly configPath: string }): Environment {
  const notYet = () => {
    throw new TypeError('only the manager key is there before the local configuration');
  };
  return environmentOf({
    ...config,
    trustFile: undefined,
    archive: undefined,
    rootKey: notYet,
    identity: notYet,
    programs: { json: {}, file: configPath },
    files: [],
  });
}

/** A name for this machine's manager. */
export function defaultManagerName(): string {
  return hostname() || 'manager';
}

/**
 * Makes keys, store, bus and configuration. What an interrupted run made is kept and completed; after a complete one nothing is
 * changed, and a store that is away is not made again.
 */
export async function setUp(request: SetUp, options: SetUpOptions): Promise<SetUpResult> {
  const { folder } = request;
  const { signal, onStep } = options;
  const configPath = join(folder, CONFIG_FILE);
  // Written last, it says that all before it is done.
  if (existsSync(configPath)) return findSetUp(folder, { ...request, ...options });
  const hosts = Object.fromEntries(secretHosts(parseConfiguration(request.configuration)));
  parseAddress(request.bus);
  const files = await writeFiles(folder);
  const resolved = { ...request, bus: resolveAddress(request.bus, folder) };
  onStep('made the keys');
  await beginBus(resolved, signal);
  onStep('made the bus');
  const trust = readOwnFile(join(folder, FILES.trust[0]), 'The trust file');
  const managerKey = () => readKeyFile(join(folder, FILES.manager[0]), 'The manager key');
  const accountProblem = await withManager(
    newEnvironment({ bus: resolved.bus, trust, managerKey, secretHosts: hosts, configPath }),
    async (manager) => {
      await manager.refresh({ signal });
      if (!(await manager.configuration())) await manager.configure(request.configuration, { signal });
      onStep('the configuration is on the bus');
      return manager.register({ signal }).then(() => undefined, describeProblem);
    },
    { signal },
  );
  signal.throwIfAborted();
  const local = {
    bus: request.bus,
    managerKey: FILES.manager[0],
    rootKey: FILES.root[0],
    identity: FILES.loadbalancer[0],
    trust: FILES.trust[0],
    ...(Object.keys(hosts).length > 0 ? { secretHosts: hosts } : {}),
  };
  const isNew = writeNew(configPath, `${JSON.stringify(local, undefined, 2)}\n`, { isSecret: false });
  flushFolder(folder);
  const all = [...files, { path: configPath, purpose: 'has the places of all these files', isNew }];
  return { files: all, bus: resolved.bus, changed: true, accountProblem, differences: [] };
}

function describeProblem(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
