import { type DnsSettings, PROVIDERS, type Provider } from '@certbus/manager';
import { CliError } from './errors.ts';

/** The flags of `init` that say where DNS-01 is answered. None holds a secret: others can read the arguments of a process. */
export interface DnsFlags {
  readonly 'dns-url'?: string | undefined;
  readonly 'dns-zone-id'?: string | undefined;
  readonly 'dns-server'?: string | undefined;
  readonly 'dns-key-name'?: string | undefined;
  readonly 'dns-username'?: string | undefined;
  readonly 'dns-program'?: string | undefined;
}

/** A flag that a provider cannot do without, and how a person is asked for it. */
export interface NeededFlag {
  readonly flag: keyof DnsFlags;
  /** The field of the settings that it says, or a part of it. */
  readonly field: string;
  readonly question: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (json: unknown): json is Fields => typeof json === 'object' && json !== null && !Array.isArray(json);

const ASKED: { readonly [Name in Provider['name']]?: readonly NeededFlag[] } = {
  rfc2136: [
    { flag: 'dns-server', field: 'server', question: "The zones' primary server, HOST or HOST:PORT:" },
    { flag: 'dns-key-name', field: 'key', question: 'Name of the TSIG key:' },
  ],
  powerdns: [{ flag: 'dns-url', field: 'url', question: 'Address of the PowerDNS API:' }],
  'acme-dns': [{ flag: 'dns-url', field: 'url', question: 'Address of acme-dns:' }],
  httpreq: [{ flag: 'dns-url', field: 'url', question: 'Address of the server, below which /present is:' }],
  exec: [{ flag: 'dns-program', field: 'program', question: 'Name of the program, for "programs" in certbus.json:' }],
  challtestsrv: [{ flag: 'dns-url', field: 'url', question: 'Management address of the DNS server:' }],
};

function usage(message: string): CliError {
  return new CliError('CERTBUS_CLI_USAGE', message);
}

/** The provider of this name. Throws `CERTBUS_CLI_USAGE` with all names where there is none. */
export function providerNamed(name: string): Provider {
  const provider = PROVIDERS.find((each) => each.name === name);
  if (provider) return provider;
  const names = PROVIDERS.map((each) => each.name).join(', ');
  throw usage(`No DNS provider is called "${name}". There are: ${names}.`);
}

/** Reads settings as `certbus provider show` shows them. Throws `CERTBUS_CLI_USAGE`. */
export function parseDnsSettings(text: string, source: string): Fields {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, in which secrets are.
    throw usage(`${source} is not JSON. It has settings as "certbus provider show NAME" shows them.`);
  }
  if (isObject(json)) return json;
  throw usage(`${source} is no JSON object. It has settings as "certbus provider show NAME" shows them.`);
}

/** What flags say, over what a file says. */
function merge(flags: DnsFlags, file: Fields): Fields {
  const keyName = flags['dns-key-name'];
  const said = {
    url: flags['dns-url'],
    zoneId: flags['dns-zone-id'],
    server: flags['dns-server'],
    username: flags['dns-username'],
    program: flags['dns-program'],
    key: keyName === undefined ? undefined : { ...(isObject(file['key']) ? file['key'] : {}), name: keyName },
  };
  return { ...file, ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) };
}

/** Secrets that nothing else says come from the environment, by the variable of the provider's example. */
function withSecrets(example: DnsSettings, settings: Fields): Fields {
  switch (example.provider) {
    case 'cloudflare':
      return { token: example.token, ...settings };
    case 'powerdns':
      return { apiKey: example.apiKey, ...settings };
    case 'rfc2136':
      return isObject(settings['key'])
        ? { ...settings, key: { secret: example.key.secret, ...settings['key'] } }
        : settings;
    case 'httpreq':
      return settings['username'] === undefined ? settings : { password: example.password, ...settings };
    default:
      return settings;
  }
}

/** The flags that a provider needs and that neither flags nor a file say. */
export function neededFlags({ name }: Provider, flags: DnsFlags, file: Fields): readonly NeededFlag[] {
  const settings = merge(flags, file);
  return (ASKED[name] ?? []).filter(({ field }) => settings[field] === undefined);
}

/**
 * Settings of a provider from flags and a file; secrets that neither has are taken from the environment. Throws `CERTBUS_CLI_USAGE`
 * where something is missing.
 */
export function dnsSettingsFrom(provider: Provider, flags: DnsFlags, file: Fields): Fields {
  const missing = neededFlags(provider, flags, file).map(({ flag }) => `--${flag}`);
  const { name, example } = provider;
  if (missing.length > 0) throw usage(`${name} needs ${missing.join(' and ')}, or --dns-settings FILE.`);
  const settings = withSecrets(example, merge(flags, file));
  if (name === 'acme-dns' && settings['accounts'] === undefined)
    throw usage(
      'acme-dns needs its accounts, which --dns-settings FILE says; "certbus provider show acme-dns" has an example.',
    );
  return { ...settings, provider: name };
}

/** Names of the environment variables that settings take secrets from. */
export function secretVariables(settings: unknown): string[] {
  if (Array.isArray(settings)) return settings.flatMap(secretVariables);
  if (!isObject(settings)) return [];
  const { env, ...rest } = settings;
  const own = typeof env === 'string' && Object.keys(rest).length === 0 ? [env] : [];
  return [...own, ...Object.values(rest).flatMap(secretVariables)];
}
