/** Reads `agent.json`. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { jsonFaultOf } from '@certbus/events';
import { describeExposure, examineFile } from '@certbus/replica';
import { parseArchiveAddress, resolveAddress } from '@certbus/store';
import { describeFileProblem, readRegular } from '@certbus/store/sqlite-files';
import * as v from 'valibot';
import { AgentError } from '../errors.ts';
import { type AgentConfiguration, AgentConfigurationSchema, type TargetConfiguration } from './configuration.ts';

/** A target with its name: its own, or its type, with a number behind it where that is taken. */
export type NamedTarget = TargetConfiguration & { readonly name: string };

/** `agent.json` with its paths resolved. */
export type ResolvedConfiguration = Omit<AgentConfiguration, 'targets'> & {
  /** The file that it was read from. */
  readonly file: string;
  readonly targets: readonly NamedTarget[];
};

const FILE = 'agent.json';

/** Where the configuration is looked for, in this order. */
function configurationPlaces(cwd: string): readonly string[] {
  return [join(cwd, FILE), join('/etc/certbus', FILE)];
}

function find(file: string | undefined, cwd: string): string {
  if (file !== undefined) return resolve(cwd, file);
  const places = configurationPlaces(cwd);
  const found = places.find((place) => existsSync(place));
  if (found) return found;
  const what = `There is no ${FILE} (looked for ${places.join(', ')}). Run "certbus-agent init" first, or name the file with --config.`;
  throw new AgentError('CERTBUS_AGENT_CONFIG_MISSING', what);
}

/** The text of the configuration. Who can change it decides which programs run here, so that nobody else may. */
function readOwn(file: string): string {
  try {
    const { refused } = examineFile(file, { isSecret: false });
    if (refused)
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `${file} is not used: ${describeExposure(refused)}`);
    return readRegular(file).replace(/^\ufeff/, '');
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    const why = describeFileProblem(cause, file);
    throw new AgentError('CERTBUS_AGENT_CONFIG_MISSING', `${file} cannot be read: ${why}.`, { cause });
  }
}

function parseJson(text: string, file: string): unknown {
  // The parser's message shows a part of the text.
  const fault = jsonFaultOf(text);
  if (fault) throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `${file} cannot be read as JSON: ${fault}.`);
  return JSON.parse(text);
}

const pathOf = (issue: v.BaseIssue<unknown>): string => (v.getDotPath(issue) ?? '') || 'the whole';

/** A path as the system has it: others can lead to the same place, by a link or `..`. */
export function placeOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** What a target has for itself: of two that share it, each would remove what the other one put there. */
function ownPlacesOf(target: TargetConfiguration): string[] {
  const folder = target.folder === undefined ? [] : [`the folder ${placeOf(target.folder)}`];
  return target.type === 'nginx' ? [...folder, `the socket ${placeOf(target.socket)}`] : folder;
}

/** Throws `CERTBUS_AGENT_CONFIG_INVALID` where two targets would write over each other. */
function checkPlaces(targets: readonly NamedTarget[], file: string): void {
  const names = new Map<string, string>();
  for (const target of targets)
    for (const place of ownPlacesOf(target)) {
      const other = names.get(place);
      if (other !== undefined) {
        const what = `${file}: the targets "${other}" and "${target.name}" both have ${place}, and each would remove what the other one puts there. Give each its own, or make one target of them.`;
        throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what);
      }
      names.set(place, target.name);
    }
}

/** In the words of a user, for what the schema calls by its own. */
const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  Object: 'an object',
  Array: 'a list',
};

/** What a field must be, such as `("files" | "haproxy")`. */
const kindsOf = (expected: string): string =>
  expected
    .replace(/^\((.*)\)$/s, '$1')
    .split(' | ')
    .map((kind) => KINDS[kind] ?? kind)
    .join(' or ');

/** What is wrong with a field. The schema's own words repeat the value, which can be a secret. */
function describe(issue: v.BaseIssue<unknown>): string {
  const path = pathOf(issue);
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${path}: it is not a known field`;
  if (issue.received === 'undefined') return `${path}: it is missing`;
  const isOurs = !issue.message.startsWith('Invalid ');
  return `${path}: ${isOurs ? issue.message : `it must be ${kindsOf(issue.expected ?? 'another value')}`}`;
}

/** More are not shown: what is wrong first is often why the rest is. */
const SHOWN = 5;

function named(targets: readonly TargetConfiguration[], file: string): NamedTarget[] {
  const result: NamedTarget[] = [];
  for (const target of targets) {
    const same = targets.filter(({ name, type }) => name === undefined && type === target.type);
    const number = same.indexOf(target) + 1;
    const name = target.name ?? (same.length > 1 ? `${target.type}-${number}` : target.type);
    if (result.some((other) => other.name === name)) {
      const what = `${file}: two targets have the name "${name}". Give each a "name" of its own.`;
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what);
    }
    result.push({ ...target, name });
  }
  checkPlaces(result, file);
  return result;
}

/** The address of an archive with its path, if it has one, taken from a folder. */
function resolveArchive(address: string, folder: string): string {
  const place = parseArchiveAddress(address);
  return place.kind === 'folder' ? `file:${resolve(folder, place.path)}` : address;
}

/**
 * A text of `agent.json` with its paths taken from the file's folder. Throws `CERTBUS_AGENT_CONFIG_INVALID`, which names each field that is wrong, and
 * `CERTBUS_STORE_ADDRESS_INVALID`.
 */
export function parseConfiguration(text: string, file: string): ResolvedConfiguration {
  const parsed = v.safeParse(AgentConfigurationSchema, parseJson(text, file));
  if (!parsed.success) {
    const what = `${file}: ${parsed.issues.slice(0, SHOWN).map(describe).join('; ')}.`;
    throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what);
  }
  const folder = dirname(file);
  const inFolder = (path: string) => (isAbsolute(path) ? path : join(folder, path));
  const { bus, trust, identity, archive, targets, ...rest } = parsed.output;
  return {
    ...rest,
    file,
    bus: resolveAddress(bus, folder),
    ...(archive === undefined ? {} : { archive: resolveArchive(archive, folder) }),
    trust: trust.startsWith('certbus1 ') ? trust : inFolder(trust),
    identity: inFolder(identity),
    targets: named(targets, file),
  };
}

/**
 * Reads `file`, else the first of {@link configurationPlaces} that is there. Throws `CERTBUS_AGENT_CONFIG_MISSING`, or
 * `CERTBUS_AGENT_CONFIG_INVALID` for what is wrong in it and where others can change it.
 */
export function readConfiguration(file: string | undefined, cwd: string): ResolvedConfiguration {
  const found = find(file, cwd);
  return parseConfiguration(readOwn(found), found);
}

/**
 * Why others than the agent can read a secret of its configuration; `undefined` where they cannot, or there is none. The one secret that it can hold is
 * the URL of the check-in: addresses of buses and archives with a password are refused.
 */
export function exposedSecret({ file, checkIn }: Pick<ResolvedConfiguration, 'file' | 'checkIn'>): string | undefined {
  if (checkIn === undefined) return undefined;
  const { refused } = examineFile(file, { isSecret: true });
  if (!refused) return undefined;
  const what = 'It holds the URL of "checkIn": anyone who knows that can report that this machine is well.';
  return `${describeExposure(refused)} ${what}`;
}
