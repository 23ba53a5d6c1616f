/** `certbus cert status`. */
import { claimantOf, dueSince, type ManagedCertificate, nextActionAt } from '@certbus/events';
import type { DatedPicture } from '@certbus/runtime/picture';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { type Row, rowOf } from '../../certificates/listing.ts';
import { nextAttempt, reasonOf } from '../../certificates/renewal-text.ts';

interface Status extends Row {
  readonly profile: string | undefined;
  readonly serialNumber: string | undefined;
  readonly notBefore: string | undefined;
  /** When the CA wants it renewed. */
  readonly window: ManagedCertificate['renewalInfo'] | undefined;
  /** When a manager acts on it next, and why then. */
  readonly nextAction: string | undefined;
  readonly nextReason: string | undefined;
  readonly failure: ManagedCertificate['failure'] | undefined;
  /** Who is at work on it. */
  readonly claim:
    | { readonly holder: string; readonly until: string; readonly orderUrl: string | undefined }
    | undefined;
  /** Names of those whose keys open its private key; none before the first one is issued, and where the bus does not say. */
  readonly recipients: readonly string[];
  /** How much of the bus is in this. */
  readonly position: number;
  readonly newestAt: string | undefined;
}

function statusFrom(
  certificate: ManagedCertificate,
  { position, newestAt }: DatedPicture,
  { now, recipients }: { readonly now: Date; readonly recipients: readonly string[] },
): Status {
  const { profile, current, renewalInfo, failure, issuance } = certificate;
  const holder = claimantOf(certificate, now);
  const due = nextActionAt(certificate, now);
  const { until, orderUrl } = issuance ?? {};
  return {
    ...rowOf(certificate, now),
    profile,
    serialNumber: current?.serialNumber,
    notBefore: current?.notBefore,
    window: renewalInfo,
    nextAction: (dueSince(certificate, now) ?? due)?.toISOString(),
    nextReason: due && reasonOf(certificate, due, now),
    failure,
    claim: holder === undefined || until === undefined ? undefined : { holder, until, orderUrl },
    recipients,
    position,
    newestAt,
  };
}

/** The lines of a status; what there is not is left out. */
function linesOf(shown: Status, next: string): string[] {
  const { status, why, window, failure, claim, position, newestAt } = shown;
  const { problem, detail } = failure?.own ?? failure ?? {};
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['id', shown.certificateId],
    ['status', why ? `${status}: ${why}` : status],
    ['names', shown.names.join(', ')],
    ['key', shown.keyType],
    ['CA', shown.directory ?? 'imported'],
    ['profile', shown.profile],
    ['challenge', shown.challengeType],
    ['serial number', shown.serialNumber],
    ['valid from', shown.notBefore],
    ['valid until', shown.notAfter],
    ["CA's window", window && `${window.windowStart} to ${window.windowEnd}`],
    ['next action', shown.nextAction && `${shown.nextAction}${shown.nextReason ? `: ${shown.nextReason}` : ''}`],
    [
      'last error',
      failure && `${problem}: ${detail} (attempt ${failure.attempt}, failing since ${failure.since}; ${next})`,
    ],
    ['claim', claim && `${claim.holder} until ${claim.until}`],
    ['order', claim?.orderUrl],
    ['recipients', shown.recipients.join(', ')],
    ['as of', `position ${position}${newestAt ? `, ${newestAt}` : ''}`],
  ];
  return fields.flatMap(([label, value]) => (value ? [`${label.padEnd(14)} ${value}`] : []));
}

export default class CertStatus extends BaseCommand {
  static override summary = 'Show all that the bus says of a certificate: its state, its CA, what comes next.';
  static override description =
    'Needs no manager key, and answers from what this machine has read before when the bus cannot be reached. "certbus inspect" shows what a server serves.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com',
    '<%= config.bin %> <%= command.id %> example.com --at 2027-01-31',
  ];
  static override args = {
    id: Args.string({ required: true, description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = { at: AT_FLAG };

  async run(): Promise<Status> {
    const { args, flags } = await this.parse(CertStatus);
    const { openersOf, withPicture } = await import('@certbus/runtime/picture');
    const now = flags.at ?? new Date();
    return withPicture(
      this.environment(flags),
      async (picture) => {
        this.warnIfAway(picture);
        const certificate = await certificateOf(picture, args.id);
        const { current, failure } = certificate;
        const recipients = (current && openersOf(current, picture.rootHistory())) ?? [];
        const shown = statusFrom(certificate, picture, { now, recipients });
        for (const line of linesOf(shown, failure ? nextAttempt(certificate, failure, now) : '')) this.show(line);
        return shown;
      },
      { at: flags.at, signal: this.signal },
    );
  }
}
