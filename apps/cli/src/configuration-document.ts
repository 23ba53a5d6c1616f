/** The document that `certbus conf display` prints and `certbus conf update` reads: a configuration, and where it was on the bus. */
import { jsonFaultOf } from '@certbus/events';
import type { ConfigurationChanges } from '@certbus/manager';
import { RuntimeError, withoutMark } from '@certbus/runtime/local';

/** A configuration that was read from a document. */
export interface ReadDocument {
  /** Without the position, which is not stored. */
  readonly json: unknown;
  /** Of the commit that put it on the bus; `undefined` where the document does not have it, as one from version control. */
  readonly position: number | undefined;
}

/** The document of a configuration that is on the bus at this position. */
export function documentOf(json: unknown, position: number): object {
  return { position, ...Object(json) };
}

/** Reads a document. Throws `CERTBUS_CLI_CONFIG_INVALID` where it is not JSON, or its position cannot be one. */
export function parseDocument(text: string, source = 'What came on standard input'): ReadDocument {
  const refuse = (what: string) => new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${source} ${what}.`);
  const json = withoutMark(text);
  const fault = jsonFaultOf(json);
  if (fault) throw refuse(`cannot be read as JSON: ${fault}`);
  const document: unknown = JSON.parse(json);
  if (typeof document !== 'object' || document === null || !('position' in document))
    return { json: document, position: undefined };
  const { position, ...configuration } = document;
  if (typeof position === 'number' && Number.isSafeInteger(position) && position >= 1)
    return { json: configuration, position };
  const known = 'must be a whole number, 1 or more';
  throw refuse(`is refused: position ${known}. Take it from "certbus conf display", or leave it out`);
}

/** What differs between two configurations, a line for each path. */
export function describeChanges({ added, removed, changed }: ConfigurationChanges): string[] {
  return [
    ...added.map((path) => `added: ${path}`),
    ...removed.map((path) => `removed: ${path}`),
    ...changed.map((path) => `changed: ${path}`),
  ];
}
