/** What making a certificate would ask for, without asking for it. */
import { limitsOf } from '@certbus/acme';
import { type ChallengeType, nameSetKey } from '@certbus/events';
import { type Configuration, dnsSettingsFor, limitsOfAuthority, type ManagerState } from '@certbus/manager';

/** What `--dry-run` shows of one certificate. */
export interface Plan {
  readonly names: readonly string[];
  /** Name of the CA in the configuration. */
  readonly authority: string;
  readonly directory: string;
  readonly challengeType: ChallengeType;
  /** DNS provider of each name, where the challenge is answered in DNS; `null` where no zone covers it. */
  readonly providers: Readonly<Record<string, string | null>>;
  /** Id of the certificate that these names have already; `undefined` where an order would be sent. */
  readonly managedAs: string | undefined;
}

const IN_DNS: readonly ChallengeType[] = ['dns-01', 'dns-account-01'];

/** What an issuance of these names at an authority of the configuration would be. */
export function planFor(
  { config, state }: { readonly config: Configuration; readonly state: Pick<ManagerState, 'withNames'> },
  request: Pick<Plan, 'names' | 'authority' | 'challengeType'> & {
    /** Default: P-256. */
    readonly keyType: string | undefined;
    /** Make a second certificate for names that have one with a key of this type. */
    readonly another: boolean;
  },
): Plan {
  const { names, authority, challengeType, keyType = 'P-256', another } = request;
  const { directory = '' } = config.authorities[authority] ?? {};
  const inDns = IN_DNS.includes(challengeType) ? names : [];
  const providers = inDns.map((name) => [name, dnsSettingsFor(config, name)?.provider ?? null] as const);
  const same = state.withNames(nameSetKey(names)).filter((each) => (each.keyType ?? 'P-256') === keyType);
  // What was begun is completed, whatever these names have already.
  const isOrdered = another || same.some(({ issuance }) => issuance);
  const managed = isOrdered ? undefined : same.find(({ current, directory: own }) => current && own !== undefined);
  return {
    names,
    authority,
    directory,
    challengeType,
    providers: Object.fromEntries(providers),
    managedAs: managed?.certificateId,
  };
}

const HOUR_MS = 3_600_000;

/** The limits of a CA that count for new certificates, configured or published, in words. */
export function describeLimits(config: Configuration, directory: string): string {
  const { orders, failures } = limitsOfAuthority(config, limitsOf, directory);
  const hours = (orders.capacity * orders.refillMs) / HOUR_MS;
  const failureHours = (failures.capacity * failures.refillMs) / HOUR_MS;
  const each = (count: number, span: number) =>
    `${count.toLocaleString('en')} in ${span === 1 ? 'an hour' : `${span} hours`}`;
  return `new orders: ${each(orders.capacity, hours)}; failed validations of a name: ${each(failures.capacity, failureHours)}`;
}

/** A plan as lines. */
export function describePlan({ names, authority, directory, challengeType, providers, managedAs }: Plan): string[] {
  const uncovered = Object.entries(providers).flatMap(([name, provider]) => (provider === null ? [name] : []));
  const used = [...new Set(Object.values(providers).filter((provider) => provider !== null))];
  const answered = used.length > 0 ? `, answered by ${used.join(' and ')}` : '';
  return [
    `names      ${names.join(', ')}`,
    ...(managedAs === undefined
      ? [`CA         ${authority} (${directory})`, `challenge  ${challengeType}${answered}`]
      : [`managed    already, as ${managedAs}: nothing would be asked for`]),
    ...uncovered.map((name) => `problem    no DNS settings cover ${name}; add its zone with "certbus conf update"`),
  ];
}
