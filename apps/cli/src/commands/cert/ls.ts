/** `certbus cert ls`. */
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { parseDuration } from '../../certificates/duration.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import {
  COLUMN_NAMES,
  checkFilters,
  createFilter,
  DEFAULT_COLUMNS,
  type Row,
  rowOf,
  SORTS,
  sortRows,
  tableOf,
} from '../../certificates/listing.ts';
import { many } from '../../counts.ts';

export default class CertLs extends BaseCommand {
  static override summary = 'List managed certificates: id, status, expiry, challenge type, names.';
  static override description =
    'On a terminal a table, cut to the window; piped, tab-separated lines without a header. Needs no manager key. When the bus cannot be reached, the list is what this machine has read before, with a warning that says as of when.';
  static override aliases = ['cert:list'];
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --expiring 14d --sort name',
    "<%= config.bin %> <%= command.id %> --failing --name '*.example.com'",
    '<%= config.bin %> <%= command.id %> --columns id,names,why --json',
  ];
  static override flags = {
    expiring: Flags.string({ description: 'only those that end within this time, such as 14d or 36h' }),
    name: Flags.string({ description: "only those with this name; '*' stands for any letters" }),
    failing: Flags.boolean({ description: 'only those that failed, ended or were never issued' }),
    authority: Flags.string({
      description: 'only those of this CA: "production" or "staging" of Let\'s Encrypt, or a part of its directory URL',
    }),
    sort: Flags.option({ options: SORTS, default: 'expires' as const, description: 'order of the list' })(),
    columns: Flags.string({ default: DEFAULT_COLUMNS, description: `comma-separated, of ${COLUMN_NAMES.join(', ')}` }),
    at: AT_FLAG,
  };

  async run(): Promise<{ certificates: Row[] }> {
    const { flags } = await this.parse(CertLs);
    const now = flags.at ?? new Date();
    const endingBy = flags.expiring === undefined ? undefined : new Date(now.getTime() + parseDuration(flags.expiring));
    const fits = createFilter({ ...flags, endingBy, isFailing: flags.failing });
    const isTerminal = process.stdout.isTTY === true;
    // A wrong column is refused before anything is read.
    tableOf([], flags.columns, { isTerminal });
    const { withPicture } = await import('@certbus/runtime/picture');
    const options = { at: flags.at, signal: this.signal };
    const { rows, total } = await withPicture(
      this.environment(flags),
      async (picture) => {
        this.warnIfAway(picture);
        const all = Array.from(picture.state.listed(), (certificate) => rowOf(certificate, now));
        checkFilters(all, flags);
        return { rows: all.filter(fits), total: all.length };
      },
      options,
    );
    const certificates = sortRows(rows, flags.sort);
    const table = tableOf(certificates, flags.columns, { isTerminal });
    await this.printTable(table.header, table.rows);
    if (total === 0) this.progress('no managed certificates; make one with "certbus cert mk DOMAIN"');
    else if (certificates.length === 0)
      this.progress(
        total === 1
          ? 'the only managed certificate does not fit'
          : `none of ${many(total, 'managed certificate')} fits`,
      );
    return { certificates };
  }
}
