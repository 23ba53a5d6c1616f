/** `certbus plan`. */
import type { Manager, NewNames, Plan, Predicate } from '@certbus/manager';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { nothingFits } from '../did-you-mean.ts';
import { parseInstant } from '../instant.ts';

/** A plan as `--json` shows it: instants as text. */
type Result = ReturnType<typeof resultOf>;

const iso = (instant: Date): string => instant.toISOString();

function resultOf({ at, days, newNames, revocation, ...rest }: Plan) {
  return {
    at: iso(at),
    ...rest,
    days: days.map(({ from, renewals }) => ({ from: iso(from), renewals })),
    newNames: newNames ? { ...newNames, doneAt: iso(newNames.doneAt) } : null,
    revocation: revocation
      ? {
          ...revocation,
          replacedAt: iso(revocation.replacedAt),
          caughtUpAt: revocation.caughtUpAt ? iso(revocation.caughtUpAt) : null,
          authorities: revocation.authorities.map(({ replacedAt, ...each }) => ({
            ...each,
            replacedAt: iso(replacedAt),
          })),
        }
      : null,
  };
}

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/** An instant for people who plan their week, in UTC. */
const onWeekday = (instant: Date): string =>
  `${WEEKDAYS[instant.getUTCDay()]} ${iso(instant).slice(0, 16).replace('T', ' ')} UTC`;

const many = (count: number, what: string): string => `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;

function describeNew({ newNames }: Plan): string[] {
  if (!newNames) return [];
  const { certificates, doneAt, boundBy, waits } = newNames;
  const why = Object.entries(waits).map(([what, count]) => `${count.toLocaleString('en')} wait for ${what}`);
  return [
    `${many(certificates, 'new certificate')}: finished ${onWeekday(doneAt)}, bound by ${boundBy}`,
    ...(why.length > 0 ? [`  ${why.join(', ')}`] : []),
  ];
}

function describeRevocation({ revocation }: Plan): string[] {
  if (!revocation) return [];
  const { certificates, replacedAt, caughtUpAt, longestDelaySeconds, authorities } = revocation;
  const caughtUp = caughtUpAt
    ? `nothing is late from ${onWeekday(caughtUpAt)} on`
    : 'renewals stay late for longer than this plan goes';
  return [
    `${many(certificates, 'certificate')} to replace: finished ${onWeekday(replacedAt)}; ${caughtUp}; other renewals wait up to ${many(Math.ceil(longestDelaySeconds / 60), 'minute')}`,
    ...authorities.map(
      (each) =>
        `  ${each.name}: ${many(each.certificates, 'certificate')}, finished ${onWeekday(each.replacedAt)}, bound by ${each.boundBy}`,
    ),
  ];
}

/** Refuses what fits no certificate at all, rather than that there is nothing to replace. Throws `CERTBUS_CLI_NO_MATCH`. */
function checkPredicate(
  { state }: Pick<Manager, 'state'>,
  { domain, profile, issuer }: Pick<Predicate, 'domain' | 'profile' | 'issuer'>,
): void {
  const all = [...state.all()];
  const check = (
    flag: string,
    value: string | undefined,
    known: readonly string[],
    fits = known.includes(value ?? ''),
  ) => {
    if (value !== undefined && !fits) throw nothingFits({ flag, value, among: 'managed certificate', known });
  };
  const names = all.flatMap((certificate) => certificate.names);
  const below = `.${domain?.toLowerCase()}`;
  check(
    '--domain',
    domain,
    names,
    names.some((name) => `.${name}`.endsWith(below)),
  );
  check(
    '--profile',
    profile,
    all.flatMap((each) => each.profile ?? []),
  );
  check(
    '--issuer',
    issuer,
    all.flatMap(({ current }) => current?.issuers ?? []),
  );
}

export default class PlanCommand extends BaseCommand {
  static override summary = 'Say what will be renewed when, which limit binds, and when new names are done.';
  static override description =
    'Calculated in virtual time on the state of the bus; nothing is changed and no CA is asked. With --revoke it rehearses the replacement of all certificates, or of those that every given condition fits.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --new 4000',
    '<%= config.bin %> <%= command.id %> --from domains.txt --json',
    '<%= config.bin %> <%= command.id %> --revoke --issued-before 2027-01-31',
  ];
  static override flags = {
    days: Flags.integer({ description: 'how many days to plan', default: 30, min: 1, max: 400 }),
    new: Flags.integer({
      description: 'when so many new certificates are done, each for a domain of its own',
      min: 1,
      max: 1_000_000,
      exclusive: ['from'],
    }),
    from: Flags.string({
      description: 'the same for a file with the names of one certificate on each line; - for standard input',
    }),
    'order-seconds': Flags.integer({ description: 'how long an order takes', default: 7, min: 1, max: 3600 }),
    revoke: Flags.boolean({ description: 'rehearse a mass revocation' }),
    domain: Flags.string({ description: 'of certificates for this domain and below it', dependsOn: ['revoke'] }),
    authority: Flags.string({ description: 'of certificates of this authority', dependsOn: ['revoke'] }),
    profile: Flags.string({ description: 'of certificates with this profile', dependsOn: ['revoke'] }),
    'key-type': Flags.string({ description: 'of certificates with a key of this type', dependsOn: ['revoke'] }),
    issuer: Flags.string({ description: 'of certificates from the issuer with this hash', dependsOn: ['revoke'] }),
    'issued-before': Flags.string({ description: 'of certificates issued before then', dependsOn: ['revoke'] }),
  };

  async run(): Promise<Result> {
    const { flags } = await this.parse(PlanCommand);
    const [{ parseKeyType }, { withManager }] = await Promise.all([
      import('@certbus/manager'),
      import('@certbus/runtime'),
    ]);
    const asked = await this.#newNames(flags);
    const keyType = flags['key-type'];
    const before = flags['issued-before'];
    const predicate: Predicate = {
      domain: flags.domain?.toLowerCase(),
      authority: flags.authority,
      profile: flags.profile,
      keyType: keyType === undefined ? undefined : parseKeyType(keyType),
      issuer: flags.issuer,
      issuedBefore: before === undefined ? undefined : parseInstant(before),
    };
    return withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      const plan = await manager.plan({
        days: flags.days,
        newNames: asked,
        revoke: flags.revoke ? predicate : undefined,
        orderSeconds: flags['order-seconds'],
      });
      if (plan.revocation?.certificates === 0) checkPredicate(manager, flags);
      await this.#print(plan);
      return resultOf(plan);
    });
  }

  async #newNames({
    from,
    new: certificates,
  }: {
    readonly from?: string | undefined;
    readonly new?: number | undefined;
  }): Promise<NewNames | undefined> {
    if (from === undefined) return certificates === undefined ? undefined : { certificates };
    const { readNameSets } = await import('../certificates/name-file.ts');
    const sets = await readNameSets(from, { challengeType: 'dns-01', command: 'certbus plan' });
    return { names: sets.map(({ names }) => names) };
  }

  async #print(plan: Plan): Promise<void> {
    const { certificates, dueNow, days, authorities } = plan;
    this.progress(
      `${many(certificates, 'certificate')}, of which ${dueNow.toLocaleString('en')} due now, at position ${plan.position}`,
    );
    const busy = days.filter(({ renewals }) => renewals > 0);
    await this.printTable(
      ['from', 'renewals'],
      busy.map(({ from, renewals }) => [onWeekday(from), String(renewals)]),
    );
    await this.printTable(
      ['authority', 'new orders left', 'renewals an hour', 'bound by'],
      authorities.map(({ name, orders, renewalsPerHour, boundBy }) => [
        name,
        `${orders.left} of ${orders.capacity}`,
        String(renewalsPerHour),
        boundBy,
      ]),
    );
    if (!this.jsonEnabled()) for (const line of [...describeNew(plan), ...describeRevocation(plan)]) this.log(line);
  }
}
