/** `certbus cert import`. */
import { CHALLENGE_TYPES } from '@certbus/events';
import type { AccountCandidate, Manager } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { authorityOf } from '../../authority-flag.ts';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';
import { IMPORT_FORMATS } from '../../importing/read-source.ts';
import {
  asOutcome,
  HEADER,
  type ImportReport,
  reasonsOf,
  rowsOf,
  SHOWN_COLUMNS,
  summaryOf,
  warningsOf,
} from '../../importing/report.ts';
import { firstOf } from '../../put-off.ts';

/** Without a way to renew, these are only watched. */
const WATCHED = new Set(['imported', 'replaced']);

export default class CertImport extends SigningCommand {
  static override summary = 'Import certificates with their private keys from other programs.';
  static override description =
    'Names PEM files, or the folder of another program. Each pair is checked before anything is written: the key belongs to the certificate, the chain holds, the names can be served, and it is valid now. The key is sealed to the recipients of the bus, and never shown. An imported certificate is served and its end is watched; --manage renews it from now on. A second run changes nothing, and takes up what the other program renewed meanwhile. Exits 3 where something could not be imported; the rest is.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> fullchain.pem privkey.pem',
    '<%= config.bin %> <%= command.id %> /etc/ssl/shop --dry-run',
    '<%= config.bin %> <%= command.id %> shop.pem --password-file passphrase.txt',
  ];
  static override args = {
    path: Args.string({
      required: true,
      multiple: true,
      description: 'PEM files that belong together, or one folder',
    }),
  };
  static override flags = {
    format: Flags.option({ options: IMPORT_FORMATS, description: 'what it is; default as it looks' })(),
    manage: Flags.boolean({
      description: 'renew what is imported from now on, at the CA that issued it or the default one',
    }),
    authority: Flags.string({
      description: 'with --manage: renew at this CA of the configuration, by its name',
      dependsOn: ['manage'],
    }),
    challenge: Flags.option({
      options: CHALLENGE_TYPES,
      default: 'dns-01' as const,
      description: 'with --manage: how control is proved',
    })(),
    'replace-account': Flags.boolean({
      description:
        'put an account that is found in the place of the one at its CA, and deactivate that one; asks first',
    }),
    'password-file': Flags.string({ description: 'file whose first line is the passphrase of encrypted keys' }),
    'dry-run': Flags.boolean({ description: 'check everything and show what would become of it; write nothing' }),
    yes: YES_FLAG,
  };

  async run(): Promise<ImportReport> {
    const { args, flags } = await this.parse(CertImport);
    const { path: paths = [] } = args;
    const [{ readSource }, { toCandidates }, { passphraseFrom }] = await Promise.all([
      import('../../importing/read-source.ts'),
      import('../../importing/candidates.ts'),
      import('../../importing/passphrase.ts'),
    ]);
    const { signal } = this;
    const passphrase = passphraseFrom(flags['password-file'], { canPrompt: !this.jsonEnabled(), signal });
    const reading = await readSource(paths, { format: flags.format, passphrase });
    const found = await toCandidates(reading, passphrase);
    const isDryRun = flags['dry-run'];
    const report = await this.withManager(flags, async (manager): Promise<ImportReport> => {
      const authority = await authorityOf(manager, flags.authority, { signal });
      const manage = flags.manage ? { authority, challengeType: flags.challenge } : undefined;
      const replace = flags['replace-account'];
      if (replace && !isDryRun) await this.#agreeToReplace(manager, found.accounts, flags);
      const accounts = await manager.adoptAccounts(found.accounts, { replace, isDryRun, signal });
      const outcomes = await manager.importCertificates(found.certificates, { manage, isDryRun, signal });
      return { isDryRun, accounts, certificates: [...outcomes, ...found.notTaken.map(asOutcome)] };
    });
    return this.#show(report, paths.join(' '));
  }

  /** Asks before an account is deactivated, which nothing takes back. */
  async #agreeToReplace(
    manager: Manager,
    found: readonly AccountCandidate[],
    flags: { readonly yes: boolean },
  ): Promise<void> {
    const { signal } = this;
    await manager.refresh({ signal });
    const expected = await manager.adoptAccounts(found, { replace: true, isDryRun: true, signal });
    const where = expected.flatMap(({ outcome, directory = '' }) => (outcome === 'replaced' ? [directory] : []));
    if (where.length === 0) return;
    const question = `Deactivate the account of this bus at ${where.join(' and ')}, and use the one that was found? Nothing takes it back.`;
    await this.agree(question, flags);
  }

  async #show(report: ImportReport, from: string): Promise<ImportReport> {
    const { certificates, accounts, isDryRun } = report;
    const isTerminal = process.stdout.isTTY === true;
    const columns = isTerminal ? SHOWN_COLUMNS : HEADER.length;
    await this.printTable(
      HEADER.slice(0, columns),
      rowsOf(report).map((row) => row.slice(0, columns)),
    );
    if (isTerminal) for (const reason of reasonsOf(report)) this.progress(reason);
    if (certificates.length + accounts.length === 0)
      throw new CliError('CERTBUS_CLI_IMPORT_REFUSED', `${from} has nothing that can be imported.`, { result: report });
    this.progress(summaryOf(report));
    for (const warning of warningsOf(report)) this.warn(warning);
    const watched = certificates.filter(({ outcome, renewedAt }) => WATCHED.has(outcome) && renewedAt === undefined);
    if (watched.length > 0 && !isDryRun)
      this.progress(
        `${many(watched.length, 'imported certificate')} watched but not renewed. To have CertBus renew one, import it again with --manage, or run "certbus cert mk NAMES"`,
      );
    const refused = [...certificates, ...accounts].filter(({ outcome }) => outcome === 'refused');
    if (refused.length === 0) return report;
    const list = firstOf(refused.map(({ source, why }) => `${source}: ${why}`)).join('; ');
    const message = `${refused.length} of ${certificates.length + accounts.length} could not be imported. ${list}.`;
    throw new CliError('CERTBUS_CLI_IMPORT_REFUSED', message, { result: report });
  }
}
