/** Servers that settings name, in one form, so that they can be compared with those that a machine allows. */
import { isIP } from 'node:net';
import { httpUrl, serverAddress } from './fields.ts';

/** A server by name or address. */
export interface Host {
  /** Lower case, A-labels, no trailing dot; IPv6 in brackets. */
  readonly name: string;
  /** `undefined`: any. */
  readonly port: number | undefined;
}

const DNS_PORT = 53;

/** Reads `HOST`, `HOST:PORT`, `IPV6` or `[IPV6]:PORT`; `undefined` where it is none of these. */
export function parseHost(text: string): Host | undefined {
  const bracketed = isIP(text) === 6 ? `[${text}]` : text;
  const [, name, port] = /^(\[[^\]]+\]|[^:/?#@\\\s]+)(?::(\d{1,5}))?$/.exec(bracketed) ?? [];
  const hostname = name === undefined ? undefined : URL.parse(`http://${name}`)?.hostname.replace(/\.$/, '');
  return hostname ? { name: hostname, port: port === undefined ? undefined : Number(port) } : undefined;
}

/** A host as text, with its port where it has one. */
export const formatHost = ({ name, port }: Host): string => (port === undefined ? name : `${name}:${port}`);

/** The server of an http or https address, as `HOST:PORT`. */
export function hostOfUrl(text: string): string {
  const { hostname, port, protocol } = new URL(text);
  const known = protocol === 'https:' ? 443 : 80;
  return formatHost({ name: hostname.replace(/\.$/, ''), port: port === '' ? known : Number(port) });
}

/** The server of a {@link serverAddress}, as `HOST:PORT`. What is none stays as it is, and is allowed nowhere. */
function hostOfServer(text: string): string {
  const host = parseHost(text);
  return host ? formatHost({ name: host.name, port: host.port ?? DNS_PORT }) : text;
}

/** The parts of a valibot schema in which others are. */
interface Parts {
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly options?: readonly unknown[];
  readonly pipe?: readonly unknown[];
  readonly wrapped?: unknown;
  readonly item?: unknown;
  readonly value?: unknown;
}

function find(schema: unknown, value: unknown): readonly string[] {
  if (value === undefined || typeof schema !== 'object' || schema === null) return [];
  // Of a union's options, others may fit.
  if (schema === httpUrl) return URL.canParse(String(value)) ? [hostOfUrl(String(value))] : [];
  if (schema === serverAddress) return [hostOfServer(String(value))];
  const { entries = {}, options = [], pipe = [], wrapped, item, value: inRecord }: Parts = schema;
  const fields: Readonly<Record<string, unknown>> = Object(value);
  return [
    ...Object.entries(entries).flatMap(([key, inner]) => find(inner, fields[key])),
    ...(item !== undefined && Array.isArray(value) ? value.flatMap((each) => find(item, each)) : []),
    ...(inRecord === undefined ? [] : Object.values(fields).flatMap((each) => find(inRecord, each))),
    ...[...options, ...pipe.slice(0, 1), wrapped].flatMap((inner) => find(inner, value)),
  ];
}

/** The servers that settings name by fields with the schema {@link httpUrl} or {@link serverAddress}, as `HOST:PORT`, each once. */
export function hostsIn(schema: unknown, settings: unknown): readonly string[] {
  return [...new Set(find(schema, settings))];
}
