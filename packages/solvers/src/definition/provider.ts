/** The port of a DNS provider: what the registry needs from one, and what a provider gets to make its solver. */
import type { Solver } from '@certbus/acme';
import * as v from 'valibot';
import { type Secret, secretNames } from './fields.ts';
import { hostsIn } from './hosts.ts';
import type { Outgoing } from './outgoing.ts';
import type { Program } from './program.ts';

/** Where DNS-01 answers for some zones are written. Providers add fields of their own. */
export interface DnsSettings {
  /** Name of the provider. */
  readonly provider: string;
  /** Domains; the longest that fits a name counts, `*` fits all. */
  readonly zones: readonly string[];
  /** `ADDRESS` or `ADDRESS:PORT` of the resolvers that know where names, zones and name servers are. Default: the system's. */
  readonly resolver?: readonly string[] | undefined;
  /** Servers that must show an answer. Default: those of the zone's NS records; `false` where none can be asked from here. */
  readonly nameServers?: readonly string[] | false | undefined;
  /** Whether answers go where CNAMEs lead; default true. Those that a wildcard makes are never followed. */
  readonly followAliases?: boolean | undefined;
}

/** Schema of a provider's settings: `v.strictObject`, with checks behind it where fields depend on each other. */
export type SettingsSchema<Settings extends DnsSettings> = v.StrictObjectSchema<
  v.ObjectEntries & { readonly provider: v.LiteralSchema<Settings['provider'], undefined> },
  undefined
> &
  v.GenericSchema<unknown, Settings>;

/** What a secret is used for. */
export interface SecretUse {
  /** The servers that the settings name, as `HOST:PORT`; none where the code of a provider has its one address. */
  readonly hosts: readonly string[];
}

/** What a solver takes from the machine and the program around it. */
export interface Surroundings {
  /**
   * The text of a secret. Throws where the environment variable that holds it is not set, or is not for the hosts of its use. A solver
   * leaves the use away: it is filled in by the schema of the settings.
   */
  resolveSecret(secret: Secret, use?: SecretUse): string;
  /** The way to APIs through a proxy; `undefined` where every host is reached directly. */
  readonly outgoing: Outgoing | undefined;
  /** Finds a program of this machine by its name. Rejects where there is none, or where its own secrets are not set. */
  findProgram(name: string): Promise<Program>;
}

/** A flag of `certbus init` that sets a field. Never of a secret: other users can read the arguments of a process. */
export interface ProviderFlag {
  /** Without the dashes. Providers that need the same thing share a flag, its description and its field. */
  readonly name: `dns-${string}`;
  /** For the help; `{providers}` stands for the providers that have the flag. */
  readonly description: string;
  /** Path of the field in the settings. */
  readonly field: readonly [string, ...string[]];
  /** Asked on a terminal where neither a flag nor a file sets the field. Absent: the provider can do without it. */
  readonly question?: string;
}

type FieldOf<Settings> = Exclude<keyof Settings, 'provider'>;

/** What is written about a provider, in its `describe.ts`. */
export interface ProviderDefinition<Settings extends DnsSettings> {
  readonly schema: SettingsSchema<Settings>;
  readonly summary: string;
  /** Each field in a few words, in the order in which they are shown. */
  readonly fields: Readonly<Record<FieldOf<Settings>, string>>;
  /** Settings as they are in the configuration under `dns`. `init` takes secrets from the variables that it names. */
  readonly example: Settings;
  /** Default: none. */
  readonly flags?: readonly ProviderFlag[];
  /** Secrets that are needed only together with another field, and that field. */
  readonly goesWith?: Readonly<Partial<Record<FieldOf<Settings>, FieldOf<Settings>>>>;
  /** What is left to do on this machine with these settings; `init` prints it. */
  readonly toDo?: (settings: Settings) => string;
  /** Whether it is for tests alone, so that nobody is offered it. Default false. */
  readonly isForTests?: boolean;
  /** Imports the solver, which can be heavy, when one is made: `() => import('./solver.ts')`. */
  readonly load: () => Promise<{
    /** Throws `TypeError` for settings that cannot work. */
    createFromSettings(settings: Settings, surroundings: Surroundings): Solver | Promise<Solver>;
  }>;
}

/** One field of a provider's settings. */
export interface ProviderField {
  readonly name: string;
  readonly isRequired: boolean;
  /** Whether it is, or holds, a secret: a string, or `{"env": "CERTBUS_SECRET_…"}`. */
  readonly isSecret: boolean;
  readonly description: string;
}

/** A DNS provider, whatever its settings are. */
export interface DnsProvider {
  readonly name: string;
  readonly summary: string;
  readonly fields: readonly ProviderField[];
  readonly example: DnsSettings;
  readonly schema: SettingsSchema<DnsSettings>;
  readonly flags: readonly ProviderFlag[];
  readonly goesWith: Readonly<Record<string, string | undefined>>;
  readonly isForTests: boolean;
  /** What is left to do on this machine; `undefined` where nothing is, or the settings are not valid. */
  toDo(settings: unknown): string | undefined;
  /** The servers that settings name, as `HOST:PORT`: where their secrets go. */
  hosts(settings: DnsSettings): readonly string[];
  /** Makes the solver of settings that are valid. Rejects with `TypeError`, or as {@link Surroundings} does. */
  createSolver(settings: DnsSettings, surroundings: Surroundings): Promise<Solver>;
}

/** Makes a provider of its definition. */
export function defineProvider<Settings extends DnsSettings>(definition: ProviderDefinition<Settings>): DnsProvider {
  const { schema, summary, fields, example, flags = [], goesWith = {}, toDo, isForTests = false, load } = definition;
  const { entries } = schema;
  return {
    name: entries.provider.literal,
    summary,
    fields: Object.entries<string>(fields).map(([name, description]) => ({
      name,
      isRequired: entries[name]?.type !== 'optional',
      isSecret: secretNames(entries[name]).length > 0,
      description,
    })),
    example,
    schema,
    flags,
    goesWith,
    isForTests,
    toDo(settings) {
      const parsed = v.safeParse(schema, settings);
      return parsed.success ? toDo?.(parsed.output) : undefined;
    },
    hosts: (settings) => hostsIn(schema, settings),
    async createSolver(settings, surroundings) {
      const { createFromSettings } = await load();
      const hosts = hostsIn(schema, settings);
      const resolveSecret: Surroundings['resolveSecret'] = (secret) => surroundings.resolveSecret(secret, { hosts });
      return createFromSettings(v.parse(schema, settings), { ...surroundings, resolveSecret });
    },
  };
}
