/** `certbus campaign cancel`. */
import { Args } from '@oclif/core';
import { SigningCommand } from '../../base-command.ts';
import { type CampaignJson, campaignJson, describeCampaign } from '../../certificates/campaign-text.ts';

export default class CampaignCancel extends SigningCommand {
  static override summary = 'End a campaign: what is not replaced yet stays as it is.';
  static override description = 'Orders that are under way are completed. One that has ended already stays as it is.';
  static override examples = ['<%= config.bin %> <%= command.id %> cA3pQ1zLm0w'];
  static override args = { id: Args.string({ required: true, description: 'id of the campaign' }) };

  async run(): Promise<CampaignJson> {
    const { args, flags } = await this.parse(CampaignCancel);
    const campaign = await this.withManager(flags, (manager) =>
      manager.cancelCampaign(args.id, { signal: this.signal }),
    );
    for (const line of describeCampaign(campaign)) this.show(line);
    return campaignJson(campaign);
  }
}
