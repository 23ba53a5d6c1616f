/** `certbus campaign status`. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { type CampaignJson, campaignJson, describeCampaign } from '../../certificates/campaign-text.ts';
import { AT_FLAG } from '../../certificates/flags.ts';

export default class CampaignStatus extends BaseCommand {
  static override summary = 'Show how far a campaign is, when the rest is done, and which certificates fail and why.';
  static override examples = ['<%= config.bin %> <%= command.id %> cA3pQ1zLm0w'];
  static override flags = { at: AT_FLAG };
  static override args = { id: Args.string({ required: true, description: 'id of the campaign' }) };

  async run(): Promise<CampaignJson> {
    const { args, flags } = await this.parse(CampaignStatus);
    const campaign = await this.withManager(flags, (manager) =>
      manager.campaign(args.id, { at: flags.at, signal: this.signal }),
    );
    for (const line of describeCampaign(campaign)) this.show(line);
    await this.printTable(
      ['id', 'attempts', 'tried again (UTC)', 'domains', 'why'],
      campaign.failing.map(({ certificateId, attempts, notBefore, names, detail }) => [
        certificateId,
        String(attempts),
        notBefore.toISOString().slice(0, 16).replace('T', ' '),
        names.join(', '),
        detail,
      ]),
    );
    return campaignJson(campaign);
  }
}
