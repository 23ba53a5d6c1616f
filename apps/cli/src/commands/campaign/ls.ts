/** `certbus campaign ls`. */
import { BaseCommand } from '../../base-command.ts';
import { type CampaignJson, campaignJson, describePredicate } from '../../certificates/campaign-text.ts';
import { AT_FLAG } from '../../certificates/flags.ts';

export default class CampaignLs extends BaseCommand {
  static override summary = 'List campaigns: id, state, how many are done, when the rest is.';
  static override description = 'Those that go on, and the newest that have ended: 20 in all.';
  static override aliases = ['campaign:list'];
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --at 2027-01-31',
  ];
  static override flags = { at: AT_FLAG };

  async run(): Promise<{ campaigns: CampaignJson[] }> {
    const { flags } = await this.parse(CampaignLs);
    const campaigns = await this.withManager(flags, (manager) =>
      manager.campaigns({ at: flags.at, signal: this.signal }),
    );
    await this.printTable(
      ['id', 'state', 'done', 'failing', 'started (UTC)', 'finishes (UTC)', 'what'],
      campaigns.map(({ campaignId, state, done, certificates, failingCount, startedAt, forecast, predicate }) => [
        campaignId,
        state,
        `${done} of ${certificates}`,
        String(failingCount),
        startedAt.toISOString().slice(0, 16).replace('T', ' '),
        forecast ? forecast.replacedAt.toISOString().slice(0, 16).replace('T', ' ') : '',
        describePredicate(predicate),
      ]),
    );
    const none = flags.at ? 'there were no campaigns' : 'no campaigns; start one with "certbus campaign start"';
    if (campaigns.length === 0) this.progress(none);
    return { campaigns: campaigns.map(campaignJson) };
  }
}
