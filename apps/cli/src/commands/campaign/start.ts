/** `certbus campaign start`. */
import type { CampaignPlan, CampaignRequest } from '@certbus/manager';
import { Flags } from '@oclif/core';
import { authorityOf } from '../../authority-flag.ts';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { type CampaignJson, campaignJson, describeCampaign } from '../../certificates/campaign-text.ts';
import { describeForecast, onWeekday } from '../../certificates/forecast-text.ts';
import { hasConditions, predicateFlags, predicateOf } from '../../certificates/predicate.ts';
import { checkConditions } from '../../certificates/unmatched.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';

interface Result {
  /** `null` where there was nothing to replace. */
  readonly campaign: CampaignJson | null;
}

/** The first names in a sentence, with how many more there are. */
function listed({ first, forecast: { certificates } }: CampaignPlan): string {
  const shown = first.slice(0, 3).map(([name = '']) => name);
  const more = certificates - shown.length;
  return [...shown, ...(more > 0 ? [`${more.toLocaleString('en')} more`] : [])].join(', ');
}

export default class CampaignStart extends SigningCommand {
  static override summary = 'Replace many certificates, due or not: those that every given condition fits.';
  static override description =
    'Says first how many they are and when the last one is replaced. Every run of a manager goes on with it, after what is urgent and before what is only due; "certbus campaign status ID" shows how far it is. A certificate that is replaced in another way meanwhile counts as done. Starting the same again changes nothing.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --sealed-to loadbalancers --rate 1000',
    '<%= config.bin %> <%= command.id %> --authority le --issued-before 2027-01-31 --yes',
    "<%= config.bin %> <%= command.id %> --name '*.example.com'",
  ];
  static override flags = {
    ...predicateFlags(),
    all: Flags.boolean({ description: 'all certificates; needed where no condition is given' }),
    rate: Flags.integer({
      description: 'how many orders an hour at most; default as many as the limits of the CA allow',
      min: 1,
      max: 1_000_000,
    }),
    'order-seconds': Flags.integer({
      description: 'how long an order takes, for the forecast',
      default: 7,
      min: 1,
      max: 3600,
    }),
    yes: YES_FLAG,
  };

  async run(): Promise<Result> {
    const { flags } = await this.parse(CampaignStart);
    const predicate = await predicateOf(flags);
    // "all" is undefined where it is not given.
    if (hasConditions(predicate) ? flags.all : !flags.all)
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        'Specify which certificates are to be replaced, with a condition such as --sealed-to or --issued-before, or all of them with --all.',
      );
    const options = { signal: this.signal };
    const campaign = await this.withManager(flags, async (manager) => {
      const authority = await authorityOf(manager, flags.authority, options);
      const request: CampaignRequest = {
        predicate: { ...predicate, authority },
        ordersPerHour: flags.rate,
        orderSeconds: flags['order-seconds'],
      };
      const plan = await manager.planCampaign(request, options);
      const { forecast, same } = plan;
      if (same !== undefined) {
        this.progress(
          `campaign ${same} with these conditions is already running; "certbus campaign cancel ${same}" ends it`,
        );
        return manager.campaign(same, options);
      }
      if (forecast.certificates === 0) {
        checkConditions(manager, predicate);
        return undefined;
      }
      for (const line of describeForecast(forecast)) this.progress(line);
      const what = `${many(forecast.certificates, 'certificate')} (${listed(plan)})`;
      await this.agree(`Replace ${what}, the last one on ${onWeekday(forecast.replacedAt)}?`, flags);
      return manager.startCampaign(request, options);
    });
    if (!campaign) {
      this.progress('no certificate fits, so there is nothing to replace');
      return { campaign: null };
    }
    for (const line of describeCampaign(campaign)) this.show(line);
    return { campaign: campaignJson(campaign) };
  }
}
