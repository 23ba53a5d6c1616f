/** `certbus campaign ls`. */
import { BaseCommand } from '../../base-command.ts';
import { type CampaignJson, campaignJson, describePredicate } from '../../certificates/campaign-text.ts';

export default class CampaignLs extends BaseCommand {
  static override summary = 'List campaigns: id, state, how many are done, when the rest is.';
  static override description = 'Those that go on, and the newest that have ended: 20 in all.';
  static override aliases = ['campaign:list'];
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<{ campaigns: CampaignJson[] }> {
    const { flags } = await this.parse(CampaignLs);
    const { withManager } = await import('@certbus/runtime');
    const campaigns = await withManager(this.environment(flags), (manager) =>
      manager.campaigns({ signal: this.signal }),
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
    if (campaigns.length === 0) this.progress('no campaigns; start one with "certbus campaign start"');
    return { campaigns: campaigns.map(campaignJson) };
  }
}
