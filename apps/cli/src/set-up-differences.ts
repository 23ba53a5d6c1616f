/** What `certbus init` is told that differs from what is set up already. */
import { dnsFlags } from './dns-flags.ts';
import { PUBLIC_AUTHORITIES } from './wizard/authorities.ts';

/** A flag that says something else than what is there. */
export interface Difference {
  readonly flag: string;
  readonly given: string;
  readonly found: string;
}

/** What is set up. */
export interface FoundSetUp {
  /** Address of the bus, its path absolute. */
  readonly bus: string;
  /** This manager's name on the bus; `undefined` where it is not one of its managers. */
  readonly name: string | undefined;
  /** The configuration on the bus; `undefined` where there is none, or this manager cannot open it. */
  readonly configuration: unknown;
}

/** Flags that a user gave, by name, without their defaults. */
export type Given = Readonly<Record<string, unknown>>;

const NOTHING = 'nothing';
const show = (value: unknown): string => (value === undefined ? [] : [value].flat().map(String)).join(', ') || NOTHING;

/** The value at a path of JSON. */
function at(json: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, field) => (typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined),
    json,
  );
}

/** The settings of the DNS provider that is meant: the one of the flag, else the only one. */
function dnsOf(configuration: unknown, provider: unknown): unknown {
  const all = at(configuration, ['dns']);
  const settings = Array.isArray(all) ? all : [];
  return provider === undefined ? settings[0] : settings.find((each) => at(each, ['provider']) === provider);
}

/** Where the configuration has what a flag says. */
function configured(configuration: unknown, given: Given): Readonly<Record<string, unknown>> {
  const authority = String(at(configuration, ['defaultAuthority']));
  const dns = dnsOf(configuration, given['dns-provider']);
  const contact = at(configuration, ['authorities', authority, 'contact']);
  const directory = at(configuration, ['authorities', authority, 'directory']);
  return {
    ca: PUBLIC_AUTHORITIES.find((each) => each.directory === directory)?.choice ?? directory,
    directory,
    contact: Array.isArray(contact) ? contact.map((url) => String(url).replace(/^mailto:/, '')) : undefined,
    'dns-provider': at(dns, ['provider']) ?? at(dnsOf(configuration, undefined), ['provider']),
    ...Object.fromEntries(dnsFlags().map(({ name, field }) => [name, at(dns, field)])),
    zone: at(dns, ['zones']),
    'http01-port': at(configuration, ['http01', 'port']),
    'tls-alpn01-port': at(configuration, ['tlsAlpn01', 'port']),
    resolver: at(configuration, ['http01', 'resolver']),
  };
}

/** Every flag that was given and differs from what is set up. Flags that name files are not compared. */
export function differencesFrom({ bus, name, configuration }: FoundSetUp, given: Given): Difference[] {
  const known = { bus, name, ...(configuration === undefined ? {} : configured(configuration, given)) };
  return Object.entries(known).flatMap(([flag, value]) => {
    const [told, found] = [show(given[flag]), show(value)];
    return given[flag] === undefined || told === found ? [] : [{ flag, given: told, found }];
  });
}
