/** Finds the solver for a set of names, as the configuration says. */
import type { PresentedChallenge, ReadyOptions, Solver } from '@certbus/acme';
import type { ChallengeType } from '@certbus/events';
import type { DnsSettings } from '@certbus/solvers';
import type {
  Configuration,
  DnsPersist01Settings,
  Http01Settings,
  TlsAlpn01Settings,
} from '../configuration/configuration.ts';
import { plainDomain } from '../configuration/domains.ts';
import { ManagerError } from '../errors.ts';

/** Makes the solver that settings name; the program around the manager decides which there are. */
export type SolverFactory = (
  settings:
    | { readonly challenge: 'dns-01'; readonly dns: DnsSettings }
    | {
        readonly challenge: 'http-01';
        readonly http01: Http01Settings;
        /** Announces to the clients the challenges that they would not answer by themselves. */
        readonly publish: Solver['present'];
      }
    | {
        readonly challenge: 'dns-persist-01';
        readonly dnsPersist01: DnsPersist01Settings;
        /** Takes what an operator should know. */
        readonly warn: (message: string) => void;
      }
    | {
        readonly challenge: 'tls-alpn-01';
        readonly tlsAlpn01: TlsAlpn01Settings;
        /** Announces the challenges to the clients. */
        readonly publish: Solver['present'];
      },
) => Promise<Solver>;

/** A name without its `*.`. */
export const bare = (name: string): string => name.replace(/^\*\./, '');

function zoneMatch(zone: string, name: string): number {
  if (zone === '*') return 0;
  return name === zone || name.endsWith(`.${zone}`) ? zone.length : -1;
}

/** The settings whose zone fits a name best; `undefined` where none does. */
export function dnsSettingsFor({ dns = [] }: Configuration, name: string): DnsSettings | undefined {
  let best: { settings: DnsSettings; match: number } | undefined;
  for (const settings of dns) {
    const match = Math.max(...settings.zones.map((zone) => zoneMatch(plainDomain(zone), bare(name))));
    if (match >= 0 && match > (best?.match ?? -1)) best = { settings, match };
  }
  return best?.settings;
}

/** As {@link dnsSettingsFor}. Throws `CERTBUS_MANAGER_ZONE_NOT_CONFIGURED`. */
function dnsFor(config: Configuration, name: string): DnsSettings {
  const settings = dnsSettingsFor(config, name);
  if (settings) return settings;
  const zones = config.dns?.flatMap((each) => each.zones) ?? [];
  throw new ManagerError(
    'CERTBUS_MANAGER_ZONE_NOT_CONFIGURED',
    `No DNS settings cover "${name}" (configured zones: ${zones.join(', ') || 'none'}). Add its zone under "dns" with "certbus conf update", or use --challenge http-01.`,
  );
}

/** One solver over several, each of which gets the challenges of its own names. */
function compose(challenges: Solver['challenges'], solverOf: ReadonlyMap<string, Solver>): Solver {
  type Step = 'present' | 'ready' | 'cleanUp';
  const each = async (step: Step, challenges: readonly PresentedChallenge[], options: ReadyOptions) => {
    const groups = Map.groupBy(challenges, ({ name }) => solverOf.get(name));
    const runs = [...groups].map(async ([solver, own]) => solver?.[step](own, options));
    const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected');
    if (failed) throw failed.reason;
  };
  return {
    challenges,
    present: (challenges, options) => each('present', challenges, options),
    ready: (challenges, options) => each('ready', challenges, options),
    cleanUp: (challenges, options) => each('cleanUp', challenges, options),
  };
}

/** Throws where no solver could be found for these names, before anything is claimed. */
export function checkSolvable(config: Configuration, names: readonly string[], challengeType: ChallengeType): void {
  if (challengeType === 'dns-01' || challengeType === 'dns-account-01') for (const name of names) dnsFor(config, name);
}

/** The solver for a set of names under a configuration. Rejects as {@link checkSolvable} throws. */
export async function solverFor(
  config: Configuration,
  {
    names,
    challengeType,
    publish,
    warn = () => {},
  }: {
    readonly names: readonly string[];
    readonly challengeType: ChallengeType;
    readonly publish: Solver['present'];
    readonly warn?: (message: string) => void;
  },
  create: SolverFactory,
): Promise<Solver> {
  checkSolvable(config, names, challengeType);
  if (challengeType === 'http-01') {
    return create({ challenge: 'http-01', http01: config.http01 ?? { answer: 'clients' }, publish });
  }
  if (challengeType === 'tls-alpn-01') {
    return create({ challenge: 'tls-alpn-01', tlsAlpn01: config.tlsAlpn01 ?? {}, publish });
  }
  if (challengeType === 'dns-persist-01') {
    return create({ challenge: 'dns-persist-01', dnsPersist01: config.dnsPersist01 ?? {}, warn });
  }
  const made = new Map<DnsSettings, Solver>();
  const solverOf = new Map<string, Solver>();
  for (const name of names) {
    const dns = dnsFor(config, name);
    const solver = made.get(dns) ?? (await create({ challenge: 'dns-01', dns }));
    made.set(dns, solver);
    solverOf.set(bare(name), solver);
  }
  const all = [...made.values()].map((solver) => new Set(solver.challenges));
  const [first, ...others] = all;
  return compose(
    [...(first ?? [])].filter((type) => others.every((types) => types.has(type))),
    solverOf,
  );
}
