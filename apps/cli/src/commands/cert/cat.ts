/** `certbus cert cat`. */
import { X509Certificate } from 'node:crypto';
import { dueSince, type Failure, nextActionAt } from '@certbus/events';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';
import { chainOf } from '../../certificates/chain.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { nextAttempt, reasonOf } from '../../certificates/renewal-text.ts';
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
  static override flags = {
    pem: Flags.boolean({ description: 'the certificate and its issuers, PEM' }),
    at: AT_FLAG,
  };

  async run(): Promise<Shown> {
    const { args, flags } = await this.parse(CertCat);
    const { withPicture } = await import('@certbus/runtime/picture');
    const now = flags.at ?? new Date();
    let next = '';
    const shown = await withPicture(
      this.environment(flags),
      async (picture): Promise<Shown> => {
        this.warnIfAway(picture);
        const certificate = await certificateOf(picture, args.id);
        const { certificateId, names, current, challengeType, profile, keyType, directory, failure } = certificate;
        const chain = chainOf(picture.state, certificate).map((der) => new X509Certificate(der));
        const [leaf] = chain;
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
          renewalReason: due && reasonOf(certificate, due, now),
          failure,
          pem: chain.map(String).join(''),
        };
      },
      { at: flags.at, signal: this.signal },
    );
    if (flags.pem && !shown.pem)
      throw new CliError('CERTBUS_CLI_USAGE', `Certificate ${args.id} was not issued yet: there is no PEM to show.`);
    if (flags.pem) this.log(shown.pem.trimEnd());
    else this.show(describe(shown, next));
    return shown;
  }
}
