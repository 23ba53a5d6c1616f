/** The configuration without its secrets, and with the stored ones put back. */
import { isDeepStrictEqual } from 'node:util';
import { secretNames } from '@certbus/solvers';
import { ManagerError } from '../errors.ts';
import { configuration } from './configuration.ts';

/** What stands for a secret where secrets are not shown, and what keeps the stored one when it is sent back. */
export const REDACTED = '<redacted>';
/** A name that is a secret anywhere is one everywhere, so that what another release wrote is hidden, too. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(secretNames(configuration));

type Fields = Readonly<Record<string, unknown>>;

const isFields = (json: unknown): json is Fields => typeof json === 'object' && json !== null && !Array.isArray(json);

function mapFields(json: Fields, change: (key: string, value: unknown) => unknown): unknown {
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, change(key, value)]));
}

/** The same JSON with every literal secret replaced by {@link REDACTED}. */
export function redactConfiguration(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(redactConfiguration);
  if (!isFields(json)) return json;
  return mapFields(json, (key, value) =>
    SECRET_FIELDS.has(key) && typeof value === 'string' ? REDACTED : redactConfiguration(value),
  );
}

/**
 * The stored item that each item of a list came from: the one that looked like it, and for those that were edited the ones that are
 * left, in order. So a list may be put into another order without any secret changing hands.
 */
function originsOf(next: readonly unknown[], stored: readonly unknown[]): unknown[] {
  const left = [...stored];
  const take = (isIt: (item: unknown) => boolean) => {
    const at = left.findIndex(isIt);
    return at < 0 ? undefined : left.splice(at, 1)[0];
  };
  const same = next.map((item) =>
    take((old) => isDeepStrictEqual(redactConfiguration(old), redactConfiguration(item))),
  );
  return same.map((origin) => origin ?? take(() => true));
}

/**
 * `next` with every {@link REDACTED} replaced by what `stored` has there. Throws `CERTBUS_MANAGER_CONFIG_INVALID`, with the path, where
 * nothing is stored.
 */
export function mergeRedacted(next: unknown, stored: unknown, path: readonly string[] = []): unknown {
  if (Array.isArray(next)) {
    const origins = originsOf(next, Array.isArray(stored) ? stored : []);
    return next.map((item, index) => mergeRedacted(item, origins[index], [...path, String(index)]));
  }
  if (!isFields(next)) return next;
  const old = isFields(stored) ? stored : {};
  return mapFields(next, (key, value) => {
    const here = [...path, key];
    if (!SECRET_FIELDS.has(key) || value !== REDACTED) return mergeRedacted(value, old[key], here);
    if (old[key] !== undefined) return old[key];
    const what = `The configuration is refused: ${here.join('.')} says ${REDACTED}, and no such secret is stored. Give the secret, or {"env": "CERTBUS_SECRET_…"}.`;
    throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
  });
}
