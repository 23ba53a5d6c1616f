/** `certbus cert ls`. */
import { BaseCommand } from '../../base-command.ts';

interface Row {
  readonly certificateId: string;
  readonly notAfter: string | undefined;
  readonly challengeType: string | undefined;
  readonly names: readonly string[];
}

export default class CertLs extends BaseCommand {
  static override summary = 'List managed certificates: id, expiry, challenge type, domains.';
  static override description = 'On a terminal a table; piped, tab-separated lines without a header.';
  static override aliases = ['cert:list'];
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<{ certificates: Row[] }> {
    const { flags } = await this.parse(CertLs);
    const { withManager } = await import('@certbus/runtime');
    const certificates = await withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      return [...manager.state.all()].map(
        ({ certificateId, names, challengeType, current }): Row => ({
          certificateId,
          notAfter: current?.notAfter,
          challengeType,
          names,
        }),
      );
    });
    certificates.sort((a, b) => (a.notAfter ?? '').localeCompare(b.notAfter ?? ''));
    const rows = certificates.map(({ certificateId, notAfter, challengeType, names }) => [
      certificateId,
      notAfter?.slice(0, 16).replace('T', ' ') ?? 'not issued',
      challengeType ?? 'imported',
      names.join(', '),
    ]);
    await this.printTable(['id', 'expires (UTC)', 'challenge', 'domains'], rows);
    if (rows.length === 0) this.progress('no managed certificates; make one with "certbus cert mk DOMAIN"');
    return { certificates };
  }
}
