/** `certbus cert check`. */
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { parseDuration } from '../../certificates/duration.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { checkFilters, createFilter, type Row, rowOf, sortRows, tableOf } from '../../certificates/listing.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';

const COLUMNS = 'status,id,expires,names,why';

export default class CertCheck extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Check all certificates, for a monitor: the exit status says how they are.';
  static override description =
    'Exits 0 when all are valid, 10 when one is due, failing, about to end or was never issued, and 11 when one has ended; it lists those. A --name that fits no certificate is an error, and exits 4. Needs no manager key. When the bus cannot be reached, it checks what this machine has read before, with a warning.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> --expiring 7d --name '*.example.com'",
  ];
  static override flags = {
    expiring: Flags.string({ description: 'also count those that end within this time, such as 7d or 36h' }),
    name: Flags.string({ description: "only those with this name; '*' stands for any letters" }),
    at: AT_FLAG,
  };

  async run(): Promise<{ checked: number; certificates: Row[] }> {
    const { flags } = await this.parse(CertCheck);
    const now = flags.at ?? new Date();
    const soon = flags.expiring === undefined ? undefined : new Date(now.getTime() + parseDuration(flags.expiring));
    const isMeant = createFilter({ name: flags.name });
    const endsSoon = soon ? createFilter({ endingBy: soon }) : () => false;
    const { withPicture } = await import('@certbus/runtime/picture');
    const rows = await withPicture(
      this.environment(flags),
      async (picture) => {
        this.warnIfAway(picture);
        const all = Array.from(picture.state.listed(), (certificate) => rowOf(certificate, now));
        checkFilters(all, flags);
        return all.filter(isMeant);
      },
      { at: flags.at, signal: this.signal },
    );
    const isWrong = (row: Row) => !['valid', 'renewing'].includes(row.status) || endsSoon(row);
    const certificates = sortRows(rows.filter(isWrong), 'status');
    const result = { checked: rows.length, certificates };
    const table = tableOf(certificates, COLUMNS, { isTerminal: false });
    await this.printTable(table.header, table.rows);
    const expired = certificates.filter(({ status }) => status === 'expired').length;
    if (expired > 0) {
      const message = `${expired} of ${many(rows.length, 'certificate')} ${expired === 1 ? 'has' : 'have'} ended.`;
      throw new CliError('CERTBUS_CLI_EXPIRED', message, { result });
    }
    if (certificates.length > 0) {
      const need = certificates.length === 1 ? 'needs' : 'need';
      const message = `${certificates.length} of ${many(rows.length, 'certificate')} ${need} attention.`;
      throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result });
    }
    const valid = rows.length === 1 ? 'the certificate is valid' : `all ${many(rows.length, 'certificate')} are valid`;
    this.progress(rows.length === 0 ? 'there are no certificates to check' : valid);
    return result;
  }
}
