/** DNS settings for `certbus init`: from flags, a file, answers at the terminal and the environment, as the registry describes them. */
import { jsonFaultOf } from '@certbus/events';
import { withoutMark } from '@certbus/runtime/local';
import { type DnsProvider, PROVIDERS, type ProviderFlag } from '@certbus/solvers';
import { CliError } from './errors.ts';

/** Flags of `init`, by name without dashes; those that no provider has are passed over. */
export type GivenFlags = Readonly<Record<string, unknown>>;

/** A flag that a provider cannot do without, and how a person is asked for it. */
export interface NeededFlag {
  readonly name: string;
  readonly question: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (json: unknown): json is Fields => typeof json === 'object' && json !== null && !Array.isArray(json);

function usage(message: string): CliError {
  return new CliError('CERTBUS_CLI_USAGE', message);
}

/** `a`, `a or b`, `a, b or c`. */
function anyOf(names: readonly string[]): string {
  return names.join(', ').replace(/, ([^,]+)$/, ' or $1');
}

/** Every flag of every provider, once, with its text for the help. */
export function dnsFlags(): readonly ProviderFlag[] {
  const all = PROVIDERS.flatMap(({ name: provider, flags }) => flags.map((flag) => ({ provider, flag })));
  return [...Map.groupBy(all, ({ flag }) => flag.name).values()].flatMap((group) => {
    const providers = anyOf(group.map(({ provider }) => provider));
    return group
      .slice(0, 1)
      .map(({ flag }) => ({ ...flag, description: flag.description.replace('{providers}', providers) }));
  });
}

/** The provider of this name. Throws `CERTBUS_CLI_USAGE` with all names where there is none. */
export function providerNamed(name: string): DnsProvider {
  const provider = PROVIDERS.find((each) => each.name === name);
  if (provider) return provider;
  const names = PROVIDERS.map((each) => each.name).join(', ');
  throw usage(`No DNS provider is called "${name}". There are: ${names}.`);
}

/** Reads settings as `certbus provider show` shows them. Throws `CERTBUS_CLI_USAGE`. */
export function parseDnsSettings(text: string, source: string): Fields {
  const written = withoutMark(text);
  // The parser's own message quotes the text, in which secrets are.
  const fault = jsonFaultOf(written);
  if (fault)
    throw usage(
      `${source} cannot be read as JSON: ${fault}. It has settings as "certbus provider show NAME" shows them.`,
    );
  const json: unknown = JSON.parse(written);
  if (isObject(json)) return json;
  throw usage(`${source} is not a JSON object. It has settings as "certbus provider show NAME" shows them.`);
}

/** Fields with the one at a path set. */
function withField(fields: Fields, [first = '', ...rest]: readonly string[], value: unknown): Fields {
  const inner = fields[first];
  return { ...fields, [first]: rest.length === 0 ? value : withField(isObject(inner) ? inner : {}, rest, value) };
}

/** The fields of a file, with those that flags set. Flags of another provider count, too: the configuration's check names their field. */
function merge(flags: GivenFlags, file: Fields): Fields {
  const set = dnsFlags().filter(({ name }) => flags[name] !== undefined);
  return set.reduce((fields, { name, field }) => withField(fields, field, flags[name]), file);
}

/**
 * Settings with the secrets of an example where they have none, so that these come from the environment. A secret is not added to an
 * object that is not there, nor where the field that it goes with is not.
 */
function withSecrets(settings: Fields, example: Fields, goesWith: DnsProvider['goesWith']): Fields {
  const secrets = Object.entries(example).flatMap(([field, value]): [string, unknown][] => {
    if (!isObject(value)) return [];
    const own = settings[field];
    if (!('env' in value)) return isObject(own) ? [[field, withSecrets(own, value, {})]] : [];
    const other = goesWith[field];
    return own === undefined && (other === undefined || settings[other] !== undefined) ? [[field, value]] : [];
  });
  return { ...settings, ...Object.fromEntries(secrets) };
}

/** The flags that a provider needs where neither flags nor a file set their field. */
export function neededFlags(provider: DnsProvider, flags: GivenFlags, file: Fields): readonly NeededFlag[] {
  const settings = merge(flags, file);
  return provider.flags.flatMap(({ name, field: [field], question }) =>
    question !== undefined && settings[field] === undefined ? [{ name, question }] : [],
  );
}

/**
 * Settings of a provider from flags and a file; secrets that neither has are taken from the environment. Throws `CERTBUS_CLI_USAGE`
 * where something is missing.
 */
export function dnsSettingsFrom(provider: DnsProvider, flags: GivenFlags, file: Fields): Fields {
  const missing = neededFlags(provider, flags, file).map(({ name }) => `--${name}`);
  const { name, example, fields, goesWith } = provider;
  if (missing.length > 0) throw usage(`${name} needs ${missing.join(' and ')}, or --dns-settings FILE.`);
  const settings = withSecrets(merge(flags, file), { ...example }, goesWith);
  const lacking = fields.filter(
    (field) => field.isRequired && field.name !== 'zones' && settings[field.name] === undefined,
  );
  if (lacking.length > 0) {
    const what = lacking.map((field) => field.name).join(' and ');
    throw usage(
      `${name} needs its ${what}, which only --dns-settings FILE can set; "certbus provider show ${name}" has an example.`,
    );
  }
  return { ...settings, provider: name };
}
