/** `certbus cert cat`. */
import { X509Certificate } from 'node:crypto';
import { dueSince, dutyOf, type Failure, type ManagedCertificate, NEVER, nextActionAt } from '@certbus/events';
import { clean } from '@certbus/runtime/local';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { certificateIdOf } from '../../certificate-argument.ts';
import { CliError } from '../../errors.ts';

interface Shown {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly serialNumber: string | undefined;
  readonly notBefore: string | undefined;
  readonly notAfter: string | undefined;
  readonly issuer: string | undefined;
  readonly fingerprint256: string | undefined;
  readonly challengeType: string | undefined;
  readonly profile: string | undefined;
  readonly keyType: string | undefined;
  readonly directory: string | undefined;
  readonly renewal: string | undefined;
  /** Why then. */
  readonly renewalReason: string | undefined;
  readonly failure: Failure | undefined;
  readonly pem: string;
}

const LABELS: readonly (readonly [keyof Shown, string])[] = [
  ['certificateId', 'id'],
  ['names', 'names'],
  ['serialNumber', 'serial number'],
  ['issuer', 'issuer'],
  ['notBefore', 'valid from'],
  ['notAfter', 'valid until'],
  ['renewal', 'renewal due'],
  ['renewalReason', 'because'],
  ['fingerprint256', 'SHA-256'],
  ['challengeType', 'challenge'],
  ['profile', 'profile'],
  ['keyType', 'key'],
  ['directory', 'directory'],
];

function reasonOf(certificate: ManagedCertificate, due: Date): string {
  const { current, revoked, renewalInfo, failure, issuance } = certificate;
  if (issuance)
    return issuance.holder === undefined ? 'an issuance was interrupted' : `${issuance.holder} is at work on it`;
  if (failure && due.getTime() === dutyOf(certificate)?.pausedUntil?.getTime()) return 'the last attempt failed';
  if (!current) return 'it was never issued';
  if (revoked) return 'the CA revoked it';
  if (!renewalInfo) return 'its lifetime says so; the CA has not said when yet';
  const { windowStart, windowEnd, renewAt, explanationUrl } = renewalInfo;
  if (due.getTime() < Date.parse(renewAt)) return `its end is near, though the CA would wait until ${renewAt}`;
  return `the CA asks for it from ${windowStart} to ${windowEnd}${explanationUrl ? `, see ${explanationUrl}` : ''}`;
}

/** When a manager tries it again, as it decides: what the bus says can be later than any pause lasts. */
function nextAttempt(certificate: ManagedCertificate, { notBefore, retryAt }: Failure, now: Date): string {
  if (notBefore === NEVER) return 'given up: once the names can be proved again, run "certbus cert renew"';
  const next = nextActionAt(certificate, now)?.toISOString() ?? notBefore;
  const isEarlier = retryAt !== undefined && retryAt < next;
  return `next attempt from ${next}${isEarlier ? ', or once the CA answers again' : ''}`;
}

function describe(shown: Shown, next: string): string {
  const lines = LABELS.filter(([field]) => shown[field] !== undefined).map(([field, label]) => {
    const value = shown[field];
    return `${label.padEnd(14)} ${Array.isArray(value) ? value.join(', ') : String(value)}`;
  });
  const { failure } = shown;
  const { problem, detail } = failure?.own ?? failure ?? {};
  if (failure)
    lines.push(`${'last failure'.padEnd(14)} ${problem}: ${detail} (failing since ${failure.since}; ${next})`);
  return lines.join('\n');
}

export default class CertCat extends BaseCommand {
  static override summary = 'Show a certificate: as text, as PEM with its chain, or as JSON. Never a key.';
  static override examples = ['<%= config.bin %> <%= command.id %> ID --pem > chain.pem'];
  static override args = {
    id: Args.string({ required: true, description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = { pem: Flags.boolean({ description: 'the certificate and its issuers, PEM' }) };

  async run(): Promise<Shown> {
    const { args, flags } = await this.parse(CertCat);
    const { withManager } = await import('@certbus/runtime');
    let next = '';
    const shown = await withManager(this.environment(flags), async (manager): Promise<Shown> => {
      await manager.refresh({ signal: this.signal });
      const id = certificateIdOf(manager, args.id);
      const certificate = manager.certificate(id);
      const { certificateId, names, current, challengeType, profile, keyType, directory, failure } = certificate;
      const chain = manager.chain(id).map((der) => new X509Certificate(der));
      const [leaf] = chain;
      const now = new Date();
      const due = nextActionAt(certificate, now);
      if (failure) next = nextAttempt(certificate, failure, now);
      return {
        certificateId,
        names,
        serialNumber: current?.serialNumber,
        notBefore: current?.notBefore,
        notAfter: current?.notAfter,
        issuer: leaf?.issuer.replaceAll('\n', ', '),
        fingerprint256: leaf?.fingerprint256,
        challengeType,
        profile,
        keyType: keyType ?? (directory && 'P-256'),
        directory,
        renewal: dueSince(certificate, now)?.toISOString(),
        renewalReason: due && reasonOf(certificate, due),
        failure,
        pem: chain.map(String).join(''),
      };
    });
    if (flags.pem && !shown.pem)
      throw new CliError('CERTBUS_CLI_USAGE', `Certificate ${args.id} was not issued yet: there is no PEM to show.`);
    this.log(flags.pem ? shown.pem.trimEnd() : clean(describe(shown, next)));
    return shown;
  }
}
