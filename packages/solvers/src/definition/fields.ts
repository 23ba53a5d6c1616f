/** Schemas of fields: the ones that settings of several providers, and other parts of the configuration, are made of. */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import * as v from 'valibot';

/** A secret in the configuration: the text itself, or the environment variable that holds it. */
export type Secret = string | { readonly env: string };

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol);
}

/** The address is shown with the configuration, and in errors of the code that uses it. */
function hasNoCredentials(text: string): boolean {
  const url = URL.parse(text);
  return !url?.username && !url?.password;
}

/** A string with at least one character. */
export const nonEmpty: v.GenericSchema<string> = v.pipe(v.string('must be a string'), v.nonEmpty('must not be empty'));

/** An address by http or https. */
export const httpUrl: v.GenericSchema<string> = v.pipe(
  nonEmpty,
  v.check(isHttpUrl, 'must be an http or https URL'),
  v.check(hasNoCredentials, 'must hold no user name or password'),
);

/** A server by another protocol: `HOST`, `HOST:PORT` or `[IPV6]:PORT`. */
export const serverAddress: v.GenericSchema<string> = v.pipe(nonEmpty);

/** An environment variable that holds a secret. One that ends in `_HOSTS` has the hosts that another is for. */
export const secretVariable: v.GenericSchema<string> = v.pipe(
  nonEmpty,
  v.regex(/^CERTBUS_SECRET_\w+$/, 'must begin with CERTBUS_SECRET_'),
  v.regex(/(?<!_HOSTS)$/, 'must not end in _HOSTS: such a variable has the hosts that a secret is for'),
);

/** A {@link Secret}. A field with this schema is hidden where the configuration is shown. */
export const secret: v.GenericSchema<unknown, Secret> = v.union(
  [nonEmpty, v.strictObject({ env: secretVariable })],
  'must be a string or {"env": "CERTBUS_SECRET_…"}',
);

const PORT = 'must be a number from 1 to 65535';

/** A port. */
export const port: v.GenericSchema<number> = v.pipe(
  v.number(PORT),
  v.integer(PORT),
  v.minValue(1, PORT),
  v.maxValue(65_535, PORT),
);

/** Whether Node can ask there: it takes no names of servers. */
function isNameServer(text: string): boolean {
  if (isIP(text) === 6) return true;
  const {
    bracketed = '',
    plain,
    port = '53',
  } = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {};
  return (plain === undefined ? isIP(bracketed) === 6 : isIP(plain) === 4) && Number(port) > 0 && Number(port) < 65_536;
}

/** The address of a name server. */
const nameServer = v.pipe(
  nonEmpty,
  v.check(isNameServer, 'must be an IP address with or without a port, such as 192.0.2.53 or [2001:db8::53]:5353'),
);

/** Name servers, at least one. */
export const servers: v.GenericSchema<string[]> = v.pipe(
  v.array(nameServer, 'must be a list of servers'),
  v.nonEmpty('must name at least one server'),
);

/** Name servers, or `false` for none. */
export const serversOrNone: v.GenericSchema<unknown, string[] | false> = v.union(
  [servers, v.literal(false)],
  'must be a list of servers, or false',
);

/** A switch. */
export const flag: v.GenericSchema<boolean> = v.boolean('must be true or false');

/** Certificates. */
export const pem: v.GenericSchema<string> = v.pipe(nonEmpty, v.includes('-----BEGIN CERTIFICATE-----', 'must be PEM'));

/** Whether a text is a zone of DNS, or `*` for all of them. Of a wildcard or a URL, only the first order would show that no name is in it. */
const isZone = (text: string): boolean => text === '*' || /^[a-z\d_-]+(?:\.[a-z\d_-]+)*\.?$/.test(domainToASCII(text));

/** The zones that settings are for. */
export const zones: v.GenericSchema<string[]> = v.pipe(
  v.array(
    v.pipe(
      nonEmpty,
      v.check(isZone, 'must be a domain such as example.com, which covers what is below it, or "*" for all'),
    ),
    'must be a list of domains',
  ),
  v.nonEmpty('must name at least one zone, or "*" for all'),
);

interface LookupEntries {
  readonly zones: typeof zones;
  readonly resolver: v.OptionalSchema<typeof servers, undefined>;
  readonly nameServers: v.OptionalSchema<v.GenericSchema<unknown, string[] | false>, undefined>;
  readonly followAliases: v.OptionalSchema<typeof flag, undefined>;
}

/** The fields of every provider that finds zones in DNS and waits until name servers show the values. */
export const lookup: LookupEntries = {
  zones,
  resolver: v.optional(servers),
  nameServers: v.optional(serversOrNone),
  followAliases: v.optional(flag),
};

/** The parts of a valibot schema in which others are. */
interface Parts {
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly options?: readonly unknown[];
  readonly pipe?: readonly unknown[];
  readonly wrapped?: unknown;
  readonly item?: unknown;
  readonly value?: unknown;
}

/** Names of the fields, at any depth, that are secrets by a schema; `name` is the name of what the schema itself describes. */
export function secretNames(schema: unknown, name = ''): readonly string[] {
  if (schema === secret) return [name];
  if (typeof schema !== 'object' || schema === null) return [];
  const { entries = {}, options = [], pipe = [], wrapped, item, value }: Parts = schema;
  return [
    ...Object.entries(entries).flatMap(([key, inner]) => secretNames(inner, key)),
    ...[...options, ...pipe.slice(0, 1), wrapped, item, value].flatMap((inner) => secretNames(inner, name)),
  ];
}

/** Names of the environment variables that settings, or anything else in the configuration, take secrets from. */
export function secretVariables(settings: unknown): readonly string[] {
  if (Array.isArray(settings)) return settings.flatMap(secretVariables);
  if (typeof settings !== 'object' || settings === null) return [];
  const { env, ...rest }: { readonly env?: unknown } = settings;
  const own = typeof env === 'string' && Object.keys(rest).length === 0 ? [env] : [];
  return [...own, ...Object.values(rest).flatMap(secretVariables)];
}
