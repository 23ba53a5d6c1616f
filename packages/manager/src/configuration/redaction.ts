/** The configuration without its secrets, and with the stored ones put back where their owner is the same. */
import { secretNames } from '@certbus/solvers';
import { ManagerError } from '../errors.ts';
import { configuration } from './configuration.ts';
import { canonical, type Fields, isFields } from './json.ts';
import { REDACTED } from './redacted.ts';

let secretFields: ReadonlySet<string> | undefined;

/**
 * Whether a field with this name holds secrets. A name that is a secret anywhere is one everywhere, so that what another release wrote
 * is hidden, too. The schemas of all providers are read when it is first asked: most commands never ask.
 */
function isSecretField(name: string): boolean {
  secretFields ??= new Set(secretNames(configuration));
  return secretFields.has(name);
}

/** Objects whose fields are independent of one another: sections, and what has names in them. */
const COLLECTIONS: ReadonlySet<string> = new Set(['', 'authorities', 'alerts']);

/**
 * Fields that cannot change where a secret next to them, or below, is sent, by the object that they are in. Every other field is part
 * of what identifies the secret's owner, so that a field that is added later needs no line here to be safe.
 */
const FREE_FIELDS: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'authorities.*',
    [
      'contact',
      'termsOfServiceAgreed',
      'preferredChain',
      'commonName',
      'ifProfileMissing',
      'staging',
      'fallback',
      'limits',
    ],
  ],
  ['dns.*', ['zones', 'resolver', 'nameServers', 'followAliases']],
  ['http01', ['port', 'resolver', 'probe']],
]);

/** A place in the configuration, and the fields around it on the way there. */
interface Place {
  readonly path: readonly string[];
  /** The path with `*` for each index and each name. */
  readonly kind: string;
  /** Path without indices, and the fields that identify an owner. */
  readonly owner: readonly unknown[];
  /** The same with the free fields. */
  readonly settings: readonly unknown[];
  /** Names of the free fields. */
  readonly free: readonly string[];
}

const ROOT: Place = { path: [], kind: '', owner: [], settings: [], free: [] };

function omit(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !names.includes(key)));
}

function itemOf(list: Place, index: number): Place {
  return { ...list, path: [...list.path, String(index)], kind: `${list.kind}.*` };
}

function fieldOf(parent: Place, fields: Fields, key: string): Place {
  const path = [...parent.path, key];
  if (COLLECTIONS.has(parent.kind)) {
    const kind = parent.kind ? `${parent.kind}.*` : key;
    return { ...parent, path, kind, owner: [...parent.owner, key], settings: [...parent.settings, key] };
  }
  const free = FREE_FIELDS.get(parent.kind) ?? [];
  return {
    path,
    kind: `${parent.kind}.${key}`,
    owner: [...parent.owner, omit(fields, [key, ...free]), key],
    settings: [...parent.settings, omit(fields, [key]), key],
    free: [...parent.free, ...free],
  };
}

function isSecret(key: string, value: unknown): boolean {
  if (!isSecretField(key)) return false;
  return typeof value === 'string' || (isFields(value) && typeof value['env'] === 'string');
}

/** The same JSON with every secret replaced by what `change` makes of it. */
function mapSecrets(json: unknown, change: (secret: unknown, place: Place) => unknown, place = ROOT): unknown {
  if (Array.isArray(json)) return json.map((item, index) => mapSecrets(item, change, itemOf(place, index)));
  if (!isFields(json)) return json;
  const changed = Object.entries(json).map(([key, value]) => {
    const inner = fieldOf(place, json, key);
    return [key, isSecret(key, value) ? change(value, inner) : mapSecrets(value, change, inner)];
  });
  return Object.fromEntries(changed);
}

/** The same JSON with every literal secret replaced by {@link REDACTED}. */
export function redactConfiguration(json: unknown): unknown {
  return mapSecrets(json, (secret) => (typeof secret === 'string' ? REDACTED : secret));
}

/** Where a configuration has a secret; never what it is. */
export interface SecretPlace {
  /** Names and indices with dots between, such as `dns.0.token`. */
  readonly path: string;
  /** The environment variable that it is taken from; `undefined` for one that is in the configuration itself. */
  readonly variable: string | undefined;
}

/** Where a configuration has secrets, in its order. */
export function secretPlaces(json: unknown): readonly SecretPlace[] {
  const places: SecretPlace[] = [];
  mapSecrets(json, (secret, { path }) => {
    const variable = isFields(secret) ? String(secret['env']) : undefined;
    places.push({ path: path.join('.'), variable });
    return secret;
  });
  return places;
}

/** Whether any secret says {@link REDACTED}, so that only the stored configuration completes this one. */
export function hasRedacted(json: unknown): boolean {
  let isFound = false;
  mapSecrets(json, (secret) => {
    isFound ||= secret === REDACTED;
    return secret;
  });
  return isFound;
}

/** A secret, with what identifies its owner and all settings around it, in which no secret counts. */
interface Found {
  readonly secret: unknown;
  readonly owner: string;
  readonly settings: string;
}

function foundAt(secret: unknown, { owner, settings }: Place): Found {
  const keyOf = (identity: readonly unknown[]) => canonical(mapSecrets(identity, () => undefined));
  return { secret, owner: keyOf(owner), settings: keyOf(settings) };
}

/** The secrets of a configuration, by the owner or by the settings of one that was found. */
function secretsOf(json: unknown) {
  const found: Found[] = [];
  mapSecrets(json, (secret, place) => found.push(foundAt(secret, place)));
  const byOwner = Map.groupBy(found, ({ owner }) => owner);
  const bySettings = Map.groupBy(found, ({ settings }) => settings);
  return {
    owned: ({ owner }: Found) => byOwner.get(owner) ?? [],
    alike: ({ settings }: Found) => bySettings.get(settings) ?? [],
  };
}

function refusalOf({ path, free }: Place, { isStored }: { readonly isStored: boolean }): string {
  const where = `${path.join('.')} reads ${REDACTED}`;
  const same = `the same settings${free.length > 0 ? ` (${free.join(', ')} do not count)` : ''}`;
  return isStored
    ? `${where}, but more than one secret there has ${same}, so it is not clear which one is meant`
    : `${where}, but no secret is stored there with ${same}`;
}

/**
 * `next` with every {@link REDACTED} replaced by the secret that `stored` has for the same owner, wherever in a list it is now. The
 * owner is the same where nothing differs that can change where the secret is sent: fields next to it and around it, and names of
 * authorities. Where several secrets have one owner, the other settings must be the same, too. Throws
 * `CERTBUS_MANAGER_CONFIG_INVALID`, with the paths, where no stored secret is meant, or more than one can be.
 */
export function mergeRedacted(next: unknown, stored: unknown): unknown {
  const [before, after] = [secretsOf(stored), secretsOf(next)];
  const refused: string[] = [];
  const merged = mapSecrets(next, (secret, place) => {
    if (secret !== REDACTED) return secret;
    const found = foundAt(secret, place);
    const [owned, alike] = [before.owned(found), before.alike(found)];
    if (owned.length === 1 && after.owned(found).length === 1) return owned[0]?.secret;
    if (alike.length === 1 && after.alike(found).length === 1) return alike[0]?.secret;
    refused.push(refusalOf(place, { isStored: owned.length > 0 }));
    return secret;
  });
  if (refused.length === 0) return merged;
  const what = `The configuration is refused: ${refused.slice(0, 5).join('; ')}. Give the secret, or {"env": "CERTBUS_SECRET_…"}.`;
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}
