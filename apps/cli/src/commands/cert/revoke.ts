/** `certbus cert revoke`. */
import { resolve } from 'node:path';
import type { RevocationReason } from '@certbus/acme';
import type { ManagedCertificate } from '@certbus/events';
import type {
  MassRevocationRequest,
  Predicate,
  RevocationOutcome,
  RevocationResult,
  RevocationSubject,
} from '@certbus/manager';
import { readKeyFile } from '@certbus/runtime/local';
import { Args, Flags } from '@oclif/core';
import { type AnswerError, describeError } from '../../answer.ts';
import { authorityOf } from '../../authority-flag.ts';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';
import { parseDuration } from '../../certificates/duration.ts';
import { hasConditions, predicateFlags, predicateOf } from '../../certificates/predicate.ts';
import { checkConditions } from '../../certificates/unmatched.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';

const REASONS: readonly RevocationReason[] = ['superseded', 'keyCompromise', 'cessationOfOperation', 'unspecified'];

/** What became of one of many certificates. */
interface Outcome extends Omit<RevocationOutcome, 'error' | 'until'> {
  /** With `failed`. */
  readonly error?: AnswerError;
  /** With `waiting`: from when on it is revoked. */
  readonly until?: string;
}

/** What became of many certificates. */
interface MassResult {
  readonly revoked: number;
  /** Of what was revoked, what had been removed from the bus. */
  readonly revokedRemoved: number;
  /** Replaced or removed, but not for long enough. */
  readonly waiting: number;
  readonly notReplaced: number;
  /** From CAs that are not known here: they are revoked where they came from. */
  readonly elsewhere: number;
  readonly failed: number;
  readonly outcomes: readonly Outcome[];
}

const outcomeOf = ({ error, until, ...outcome }: RevocationOutcome): Outcome => ({
  ...outcome,
  ...(error === undefined ? {} : { error: describeError(error) }),
  ...(until === undefined ? {} : { until: until.toISOString() }),
});

function massResult(outcomes: readonly RevocationOutcome[]): MassResult {
  const count = (wanted: RevocationOutcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  return {
    revoked: count('revoked'),
    revokedRemoved: outcomes.filter(({ outcome, isRemoved }) => outcome === 'revoked' && isRemoved).length,
    waiting: count('waiting'),
    notReplaced: count('not-replaced'),
    elsewhere: count('elsewhere'),
    failed: count('failed'),
    outcomes: outcomes.map(outcomeOf),
  };
}

/** The first names in a sentence, with how many more there are. */
function listed(certificates: readonly { readonly names: readonly string[] }[]): string {
  const shown = certificates.slice(0, 10).map(({ names: [name = ''] }) => name);
  const more = certificates.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more.toLocaleString('en')} more`] : [])].join(', ');
}

const LOOK_FIRST = ' First make sure that nothing still uses what was removed, such as a load balancer with ACM.';

/** How many of those that were just counted were removed; nothing where none was. */
const ofThem = (removed: number): string => (removed > 0 ? `, ${removed.toLocaleString('en')} of them removed` : '');

/** What is asked before these are revoked. */
function questionOf(ready: readonly Pick<RevocationOutcome, 'names' | 'isRemoved'>[]): string {
  const removed = ready.filter(({ isRemoved }) => isRemoved).length;
  const check = removed > 0 ? LOOK_FIRST : '';
  const what = `${many(ready.length, 'certificate')}${ofThem(removed)}`;
  return `Revoke ${what} (${listed(ready)})?${check} Nothing takes a revocation back.`;
}

/** What is asked before one is revoked: what is replaced for it, which can be another certificate that serves the same leaf. */
function singleQuestionOf(
  { certificateId, names, removed }: Pick<ManagedCertificate, 'certificateId' | 'names' | 'removed'>,
  { serialNumber, servedAs }: RevocationSubject,
): string {
  const others = servedAs.flatMap((each) => (each.certificateId === certificateId ? [] : [each.certificateId]));
  const isOlder = others.length === servedAs.length;
  const what = `${certificateId} (${names.join(', ')})`;
  const ofOlder = removed
    ? `Revoke the leaf ${serialNumber} of the removed certificate ${what}`
    : `Revoke the older leaf ${serialNumber} of the certificate ${what}`;
  const does = isOlder ? ofOlder : `Replace and revoke the certificate ${what}`;
  const check = removed ? LOOK_FIRST : '';
  const [serve, are] = others.length === 1 ? ['serves', 'is'] : ['serve', 'are'];
  const also =
    others.length > 0 ? ` ${others.join(', ')} ${serve} it${isOlder ? '' : ', too'}, and ${are} replaced first.` : '';
  return `${does}?${also}${check} Nothing takes a revocation back.`;
}

/** What became of a certificate that was not revoked, and what to do next. */
function describeOutcome({ outcome, until }: RevocationOutcome): string {
  if (outcome === 'not-replaced') return 'not replaced yet: start a campaign with the same conditions';
  if (outcome === 'elsewhere') return 'came from a CA that is not known here: revoke it where it came from';
  return until ? `can be revoked from ${until.toISOString()} on: run this again then` : outcome;
}

export default class CertRevoke extends SigningCommand {
  static override summary =
    'Replace a certificate and revoke the old one at its CA; or revoke many that were replaced or removed.';
  static override description =
    'With an id: the new certificate is on the bus before the old one is revoked. Load balancers that have not read it yet serve the old one until they have. If this is interrupted between the two, run it again with --serial and the old serial number. With conditions: revokes each certificate that fits all of them and was replaced by one that does not fit, or removed, at least --served-for ago. Older leaves that are still valid are included, at least the newest 64 of each certificate. What is still served stays: replace it first, with "certbus campaign start" and the same conditions. Run it again until nothing is left.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com --reason keyCompromise',
    '<%= config.bin %> <%= command.id %> --sealed-to loadbalancers --served-for 2h',
    '<%= config.bin %> <%= command.id %> --sealed-to loadbalancers --identity backup.key --yes',
  ];
  static override args = {
    id: Args.string({ description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = {
    ...predicateFlags(),
    reason: Flags.custom<RevocationReason>({ options: [...REASONS] })({
      default: 'superseded',
      description: 'why (RFC 5280)',
    }),
    serial: Flags.string({
      description:
        'serial number of the one to revoke, as long as it is valid, also of a removed certificate; what serves it is replaced first',
    }),
    'served-for': Flags.string({
      description:
        'with conditions: revoke only what was replaced or removed at least this long ago, such as 90m or 2h',
      default: '1h',
    }),
    identity: Flags.string({
      description:
        "file with an identity that opens the private keys: each certificate's own key signs then in the place of the account",
    }),
    yes: YES_FLAG,
  };

  async run(): Promise<RevocationResult | MassResult> {
    const { args, flags } = await this.parse(CertRevoke);
    const predicate = await predicateOf(flags);
    if ((args.id === undefined) !== hasConditions(predicate))
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        'Name one certificate by its id or name, or many by conditions such as --sealed-to, not both.',
      );
    const terms = { reason: flags.reason, identity: await this.#identity(flags.identity) };
    if (args.id !== undefined) return this.#revokeOne(args.id, terms, flags);
    return this.#revokeMany(predicate, terms, flags);
  }

  async #identity(file: string | undefined): Promise<string | undefined> {
    if (file === undefined) return undefined;
    const { parseIdentityFile } = await import('@certbus/events');
    const { identity } = await parseIdentityFile(readKeyFile(resolve(file), 'The identity'));
    return identity;
  }

  async #revokeOne(
    id: string,
    terms: { readonly reason: RevocationReason; readonly identity: string | undefined },
    flags: { readonly serial?: string | undefined; readonly yes: boolean; readonly config?: string | undefined },
  ): Promise<RevocationResult> {
    const result = await this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      const certificate = await certificateOf(manager, id, { takesRemoved: flags.serial !== undefined });
      const { certificateId } = certificate;
      const request = { certificateId, ...terms, serialNumber: flags.serial };
      const { signal } = this;
      const subject = await manager.revocationSubject(request, { signal });
      await this.agree(singleQuestionOf(certificate, subject), flags);
      return this.withDisplay(({ onProgress }) => manager.revoke({ ...request, subject }, { signal, onProgress }));
    });
    const { serialNumber, replacement } = result;
    this.show(
      `revoked the certificate with serial number ${serialNumber}${replacement ? `; its replacement has serial number ${replacement}` : ''}`,
    );
    return result;
  }

  async #revokeMany(
    predicate: Predicate,
    terms: { readonly reason: RevocationReason; readonly identity: string | undefined },
    flags: { readonly 'served-for': string; readonly yes: boolean; readonly config?: string | undefined },
  ): Promise<MassResult> {
    const servedForMs = parseDuration(flags['served-for']);
    const outcomes = await this.withManager(flags, async (manager) => {
      const authority = await authorityOf(manager, predicate.authority, { signal: this.signal });
      const request: MassRevocationRequest = { predicate: { ...predicate, authority }, servedForMs };
      const found = await manager.revocable(request, { signal: this.signal });
      if (found.length === 0) checkConditions(manager, predicate);
      const ready = found.filter(({ state }) => state === 'ready');
      if (ready.length > 0) await this.agree(questionOf(ready), flags);
      const onOutcome = ({ outcome, serialNumber, names }: RevocationOutcome) => {
        if (outcome === 'revoked') this.progress(`revoked ${serialNumber} (${names.join(', ')})`);
      };
      // More can have become ready while the question stood.
      const leafHashes = ready.map(({ leafHash }) => leafHash);
      return manager.revokeReplaced(request, { ...terms, leafHashes, signal: this.signal, onOutcome });
    });
    return this.#report(outcomes);
  }

  #report(outcomes: readonly RevocationOutcome[]): MassResult {
    const result = massResult(outcomes);
    const { revoked, revokedRemoved, waiting, notReplaced, elsewhere, failed } = result;
    const others = elsewhere > 0 ? `, ${elsewhere} from elsewhere` : '';
    this.show(
      `${many(revoked, 'certificate')} revoked${ofThem(revokedRemoved)}, ${waiting} waiting, ${notReplaced} not replaced, ${failed} failed${others}`,
    );
    for (const each of outcomes.filter(({ outcome }) => outcome !== 'revoked'))
      this.progress(`${each.serialNumber} (${each.names.join(', ')}): ${describeOutcome(each)}`);
    if (failed === 0) return result;
    const why = outcomes.flatMap(({ outcome, serialNumber, error }) =>
      outcome === 'failed' ? [`${serialNumber}: ${error instanceof Error ? error.message : String(error)}`] : [],
    );
    const message = `${failed} of ${many(revoked + failed, 'revocation')} failed:\n${why.slice(0, 20).join('\n')}`;
    throw new CliError('CERTBUS_CLI_REVOCATION_FAILED', message, { result });
  }
}
