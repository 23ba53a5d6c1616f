import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { formatAddress, parseAddress, parseArchiveAddress } from '@certbus/store';
import { RuntimeError } from './errors.ts';
import { jsonFaultOf } from './json-fault.ts';
import { readFile, readKeyFile } from './key-files.ts';

/** What is said of the programs of this machine, unchecked: they are looked at when one is needed. */
export interface LocalPrograms {
  readonly json: unknown;
  /** The file that says it; it need not be there. */
  readonly file: string;
}

/** What `certbus.json` and the environment say of one bus, on this machine. */
export interface LocalConfig {
  /** Address of the bus; a path in it is absolute. */
  readonly bus: string;
  /** The trust line. */
  readonly trust: string;
  /** Address of the archive, a path in it absolute; `undefined` where there is none. */
  readonly archive: string | undefined;
  /** Text of the root key. Throws as {@link LocalConfig.managerKey}. */
  rootKey(): string;
  /** Text of the manager key. Throws where there is none, or others may read its file. */
  managerKey(): string;
  /** Text of a load balancer's identity. */
  identity(): string;
  readonly programs: LocalPrograms;
}

type Env = Readonly<Record<string, string | undefined>>;
const FIELDS = ['bus', 'trust', 'archive', 'managerKey', 'rootKey', 'identity', 'backupKey', 'programs'] as const;
type Fields = Partial<Record<(typeof FIELDS)[number], unknown>>;

/** The name that is looked for in the current folder. */
export const CONFIG_FILE = 'certbus.json';

function parse(path: string): Fields {
  const text = readFile(path, 'The configuration');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${path} is not JSON: ${jsonFaultOf(error)}.`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${path} is no JSON object.`);
  const unknown = Object.keys(json).find((key) => !(FIELDS as readonly string[]).includes(key));
  if (unknown)
    throw new RuntimeError(
      'CERTBUS_CLI_CONFIG_INVALID',
      `${path} has the field "${unknown}", which is none of ${FIELDS.join(', ')}.`,
    );
  return json;
}

function textField(fields: Fields, name: (typeof FIELDS)[number], path: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${path}: "${name}" must be a text.`);
}

/** The address with its path, if it has one, taken from a folder. */
export function resolveAddress(address: string, folder: string): string {
  const place = parseAddress(address);
  return place.kind === 'sqlite' ? formatAddress({ ...place, path: resolve(folder, place.path) }) : address;
}

/** The archive's address with its path, if it has one, taken from a folder. */
function resolveArchive(address: string | undefined, folder: string): string | undefined {
  if (!address) return undefined;
  const place = parseArchiveAddress(address);
  return place.kind === 'folder' ? `file:${resolve(folder, place.path)}` : address;
}

function missing(what: string, variable: string): RuntimeError {
  const message = `There is no ${what}: no ${CONFIG_FILE} here names one, and ${variable} is not set. Run "certbus init" first, or say where with --config.`;
  return new RuntimeError('CERTBUS_CLI_CONFIG_MISSING', message);
}

/**
 * Reads `--config`, `$CERTBUS_CONFIG` or `./certbus.json`; variables of the environment override it. Throws
 * `CERTBUS_CLI_CONFIG_MISSING` or `CERTBUS_CLI_CONFIG_INVALID`.
 */
export function readLocalConfig({
  file,
  env,
  cwd,
}: {
  readonly file: string | undefined;
  readonly env: Env;
  readonly cwd: string;
}): LocalConfig {
  const named = file ?? env['CERTBUS_CONFIG'];
  const path = resolve(cwd, named ?? CONFIG_FILE);
  const fields = named !== undefined || existsSync(path) ? parse(path) : {};
  const folder = dirname(path);
  const inFolder = (name: string) => (isAbsolute(name) ? name : join(folder, name));

  /** A secret: from the environment as text or path, else from the file that the configuration names. */
  function secret(field: 'managerKey' | 'rootKey' | 'identity', variable: string, what: string): string {
    const text = env[variable];
    if (text) return text;
    const ownFile = env[`${variable}_FILE`];
    const fromConfig = textField(fields, field, path);
    if (!ownFile && !fromConfig) throw missing(what.toLowerCase(), `${variable}_FILE`);
    return readKeyFile(ownFile ? resolve(cwd, ownFile) : inFolder(fromConfig ?? ''), what);
  }

  const bus = env['CERTBUS_BUS'];
  const busField = textField(fields, 'bus', path);
  if (!bus && !busField) throw missing('bus', 'CERTBUS_BUS');
  const trustField = textField(fields, 'trust', path);
  const trust = env['CERTBUS_TRUST'] ?? trustField;
  if (!trust) throw missing('trust line', 'CERTBUS_TRUST');
  return {
    bus: bus ? resolveAddress(bus, cwd) : resolveAddress(busField ?? '', folder),
    trust: trust.startsWith('certbus1 ')
      ? trust
      : readFile(env['CERTBUS_TRUST'] ? resolve(cwd, trust) : inFolder(trust), 'The trust line'),
    archive: env['CERTBUS_ARCHIVE']
      ? resolveArchive(env['CERTBUS_ARCHIVE'], cwd)
      : resolveArchive(textField(fields, 'archive', path), folder),
    rootKey: () => secret('rootKey', 'CERTBUS_ROOT_KEY', 'The root key'),
    managerKey: () => secret('managerKey', 'CERTBUS_MANAGER_KEY', 'The manager key'),
    identity: () => secret('identity', 'CERTBUS_IDENTITY', 'The identity'),
    programs: { json: fields.programs ?? {}, file: path },
  };
}
