/** `certbus cert mk`. */
import { CHALLENGE_TYPES, normalizeAddress } from '@certbus/events';
import type { IssueResult, Progress } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { SigningCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';
import { progressPrinter } from '../../progress.ts';
import { describePutOff } from '../../put-off.ts';

function namesFor(
  domain: string,
  { wildcard, subdomain }: { readonly wildcard: boolean; readonly subdomain: boolean },
): string[] {
  if (domain.startsWith('*.')) {
    const parent = domain.slice(2);
    throw new CliError(
      'CERTBUS_CLI_USAGE',
      `Name the domain itself: "certbus cert mk ${parent} --wildcard" covers *.${parent} and ${parent}.`,
    );
  }
  if (normalizeAddress(domain)) {
    if (!wildcard) return [domain];
    throw new CliError(
      'CERTBUS_CLI_USAGE',
      `${domain} is an IP address, which has no names below it: leave --wildcard out.`,
    );
  }
  if (wildcard) return [`*.${domain}`, domain];
  return subdomain || /^www\./i.test(domain) ? [domain] : [domain, `www.${domain}`];
}

export default class CertMk extends SigningCommand {
  static override summary = 'Make a managed certificate for a domain and its www. name.';
  static override description =
    'For names that are managed already with a key of this type it prints the id of their certificate and exits 0, or 10 where that has ended or is about to.';
  static override aliases = ['cert:make'];
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com',
    '<%= config.bin %> <%= command.id %> --wildcard example.com',
    '<%= config.bin %> <%= command.id %> --subdomain shop.example.com --challenge http-01',
    '<%= config.bin %> <%= command.id %> 203.0.113.7 --challenge tls-alpn-01 --profile shortlived',
  ];
  static override args = {
    domain: Args.string({ required: true, description: 'the domain, IDNs are converted; or an IP address' }),
  };
  static override flags = {
    wildcard: Flags.boolean({ description: 'cover *.DOMAIN and DOMAIN', exclusive: ['subdomain'] }),
    subdomain: Flags.boolean({ description: 'cover DOMAIN alone' }),
    challenge: Flags.option({
      options: CHALLENGE_TYPES,
      default: 'dns-01' as const,
      description: 'how control is proved',
    })(),
    profile: Flags.string({ description: "the CA's certificate profile; default its own default" }),
    'key-type': Flags.string({
      description: 'P-256, P-384, RSA-2048, RSA-3072 or RSA-4096; default P-256; renewals keep it',
    }),
    new: Flags.boolean({ description: 'make a second certificate for names that have one with such a key' }),
    'take-over': Flags.boolean({ description: 'take over what another manager is at work on, without waiting' }),
  };

  async run(): Promise<IssueResult> {
    const { args, flags } = await this.parse(CertMk);
    const request = {
      names: namesFor(args.domain, flags),
      challengeType: flags.challenge,
      another: flags.new,
      ...(flags.profile ? { profile: flags.profile } : {}),
      ...(flags['key-type'] ? { keyType: flags['key-type'] } : {}),
    };
    const [{ isEnding, holdOf }, { withManager }] = await Promise.all([
      import('@certbus/manager'),
      import('@certbus/runtime'),
    ]);
    const onProgress = progressPrinter((line) => this.progress(line));
    let problem: string | undefined;
    const result = await withManager(this.environment(flags), async (manager) => {
      let claimed: string | undefined;
      const watch = (progress: Progress) => {
        if (progress.step === 'claimed') claimed = progress.certificateId;
        onProgress(progress);
      };
      const options = { signal: this.signal, takeOver: flags['take-over'], onProgress: watch };
      try {
        const issued = await manager.issue(request, options);
        const certificate = manager.certificate(issued.certificateId);
        // What is managed already is not in order for that alone.
        if (issued.outcome === 'already-managed' && isEnding(certificate, new Date()))
          problem = describePutOff(certificate, holdOf(certificate, new Date()));
        return issued;
      } catch (error) {
        if (claimed && !this.signal.aborted)
          this.progress(
            `${claimed} stays managed: "certbus cert renewable --renew-all" tries it again, "certbus cert rm ${claimed}" forgets it`,
          );
        throw error;
      }
    });
    if (result.outcome === 'already-managed') this.progress(`${result.names.join(', ')} is managed already`);
    this.log(result.certificateId);
    if (problem !== undefined) throw new CliError('CERTBUS_CLI_UNHEALTHY', problem, { result });
    return result;
  }
}
