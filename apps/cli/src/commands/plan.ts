/** `certbus plan`. */
import type { NewNames, Plan } from '@certbus/manager';
import { Flags } from '@oclif/core';
import { authorityOf } from '../authority-flag.ts';
import { BaseCommand } from '../base-command.ts';
import { describeForecast, describeWaits, forecastJson, limitText, onWeekday } from '../certificates/forecast-text.ts';
import { predicateFlags, predicateOf } from '../certificates/predicate.ts';
import { checkConditions } from '../certificates/unmatched.ts';
import { many } from '../counts.ts';

/** A plan as `--json` shows it: instants as text. */
type Result = ReturnType<typeof resultOf>;

const iso = (instant: Date): string => instant.toISOString();

function resultOf({ at, days, newNames, revocation, ...rest }: Plan) {
  return {
    at: iso(at),
    ...rest,
    days: days.map(({ from, renewals }) => ({ from: iso(from), renewals })),
    newNames: newNames ? { ...newNames, doneAt: iso(newNames.doneAt) } : null,
    revocation: revocation ? forecastJson(revocation) : null,
  };
}

function describeNew({ newNames }: Plan): string[] {
  if (!newNames) return [];
  const { certificates, doneAt, boundBy, waits } = newNames;
  const why = Object.entries(waits).map(([what, count]) => `${count.toLocaleString('en')} wait for ${limitText(what)}`);
  return [
    `${many(certificates, 'new certificate')}, the last one on ${onWeekday(doneAt)}, limited by ${limitText(boundBy)}`,
    ...(why.length > 0 ? [`  ${why.join(', ')}`] : []),
  ];
}

export default class PlanCommand extends BaseCommand {
  protected override readonly takesDash = true;

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
    rate: Flags.integer({
      description: 'how many replacements an hour; default as many as the CA takes',
      min: 1,
      max: 1_000_000,
      dependsOn: ['revoke'],
    }),
    ...predicateFlags('revoke'),
  };

  async run(): Promise<Result> {
    const { flags } = await this.parse(PlanCommand);
    const asked = await this.#newNames(flags);
    const predicate = await predicateOf(flags);
    return this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      const authority = await authorityOf(manager, flags.authority, { signal: this.signal });
      const plan = await manager.plan({
        days: flags.days,
        newNames: asked,
        revoke: flags.revoke ? { ...predicate, authority } : undefined,
        ordersPerHour: flags.rate,
        orderSeconds: flags['order-seconds'],
      });
      if (plan.revocation?.certificates === 0) checkConditions(manager, predicate);
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
      ['authority', 'new orders left', 'renewals an hour', 'limited by'],
      authorities.map(({ name, orders, renewalsPerHour, boundBy }) => [
        name,
        `${orders.left} of ${orders.capacity}`,
        String(renewalsPerHour),
        boundBy,
      ]),
    );
    if (!this.jsonEnabled()) {
      const revocation = plan.revocation ? describeForecast(plan.revocation) : [];
      for (const line of [...describeWaits(authorities), ...describeNew(plan), ...revocation]) this.show(line);
    }
  }
}
