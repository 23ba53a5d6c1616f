/** `certbus cert mk`. */
import { CHALLENGE_TYPES } from '@certbus/events';
import type { IssueRequest, IssueResult, Manager, Progress } from '@certbus/manager';
import { Args, Flags, type Interfaces } from '@oclif/core';
import { authorityOf } from '../../authority-flag.ts';
import { SigningCommand } from '../../base-command.ts';
import { type BulkOutcome, createTally, issueAll } from '../../certificates/bulk.ts';
import type { NameSet } from '../../certificates/name-sets.ts';
import type { Plan } from '../../certificates/plan.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';
import { describePutOff, firstOf } from '../../put-off.ts';

type MkFlags = Interfaces.InferredFlags<typeof CertMk.flags>;

/** What became of a file of name sets. */
interface BulkResult {
  readonly issued: number;
  readonly alreadyManaged: number;
  readonly failed: number;
  /** Of those that were made or failed before it was interrupted. */
  readonly certificates: readonly BulkOutcome[];
}

export default class CertMk extends SigningCommand {
  protected override readonly takesDash = true;

  static override summary = 'Make a managed certificate for a domain and its www. name, or for many.';
  static override description =
    'One domain stands for itself and its www. name; several are exactly the names of one certificate. --from takes the names of one certificate from each line of a file, makes what is not there yet, and goes on where it was interrupted when it is run again. For names that are managed already with a key of this type it prints the id of their certificate and exits 0, or 10 where that has ended or is about to.';
  static override aliases = ['cert:make'];
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com',
    '<%= config.bin %> <%= command.id %> --wildcard example.com',
    '<%= config.bin %> <%= command.id %> shop.example.com api.example.com --dry-run',
    '<%= config.bin %> <%= command.id %> --from domains.txt',
    '<%= config.bin %> <%= command.id %> --subdomain shop.example.com --challenge http-01',
    '<%= config.bin %> <%= command.id %> 203.0.113.7 --challenge tls-alpn-01',
  ];
  static override args = {
    domain: Args.string({
      multiple: true,
      description: 'the domain, IDNs are converted; or an IP address; several are the names of one certificate',
    }),
  };
  static override flags = {
    from: Flags.string({
      description: 'a file with the names of one certificate on each line; - for standard input',
      exclusive: ['wildcard', 'subdomain', 'new'],
    }),
    'dry-run': Flags.boolean({ description: 'only show names, CA, challenge and limits, and ask for nothing' }),
    authority: Flags.string({ description: 'a CA of the configuration, by its name; default its default one' }),
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
    'ignore-dns': Flags.boolean({
      description:
        'order also where DNS shows that the CA would refuse: names that do not exist, other name servers, or CAA records',
    }),
    'take-over': Flags.boolean({ description: 'take over what another manager is at work on, without waiting' }),
    parallel: Flags.integer({
      min: 1,
      max: 100,
      default: 20,
      description: 'with --from: how many certificates are made at a time',
    }),
  };

  async run(): Promise<IssueResult | BulkResult | { plans: Plan[] }> {
    const { args, flags } = await this.parse(CertMk);
    const { domain = [] } = args;
    if (flags.from !== undefined && domain.length > 0)
      throw new CliError('CERTBUS_CLI_USAGE', 'Name domains, or a file with --from, not both.');
    const [{ namesFor }, { readNameSets }] = await Promise.all([
      import('../../certificates/name-sets.ts'),
      import('../../certificates/name-file.ts'),
    ]);
    const source = { challengeType: flags.challenge, command: 'certbus cert mk' };
    const sets = flags.from === undefined ? undefined : await readNameSets(flags.from, source);
    const names = sets ? [] : namesFor(domain, flags);
    return this.withManager(flags, async (manager) => {
      const authority = await authorityOf(manager, flags.authority, { signal: this.signal });
      const wanted = { ...flags, authority };
      if (flags['dry-run']) return this.#plan(manager, sets?.map((set) => set.names) ?? [names], wanted);
      return sets ? this.#makeAll(manager, sets, wanted) : this.#makeOne(manager, names, wanted);
    });
  }

  #request(flags: MkFlags): Omit<IssueRequest, 'names'> {
    const { challenge, profile, authority, 'key-type': keyType } = flags;
    return {
      challengeType: challenge,
      another: flags.new,
      ignoreDns: flags['ignore-dns'],
      ...(authority === undefined ? {} : { authority }),
      ...(profile ? { profile } : {}),
      ...(keyType ? { keyType } : {}),
    };
  }

  async #plan(manager: Manager, sets: readonly (readonly string[])[], flags: MkFlags): Promise<{ plans: Plan[] }> {
    const [{ parseConfiguration, parseKeyType, parseSubject }, { describeLimits, describePlan, planFor }] =
      await Promise.all([import('@certbus/manager'), import('../../certificates/plan.ts')]);
    await manager.refresh({ signal: this.signal });
    const stored = await manager.configuration();
    const config = parseConfiguration(stored?.json);
    const { challenge: challengeType, authority = config.defaultAuthority, new: another } = flags;
    const keyType = flags['key-type'] === undefined ? undefined : parseKeyType(flags['key-type']);
    const plans = sets.map((set) =>
      planFor(
        { config, state: manager.state },
        { names: parseSubject(set, challengeType), authority, challengeType, keyType, another },
      ),
    );
    for (const plan of plans) this.show(`${describePlan(plan).join('\n')}\n`);
    const asked = plans.filter(({ managedAs }) => managedAs === undefined).length;
    const [{ directory } = { directory: '' }] = plans;
    this.show(`limits     ${describeLimits(config, directory)}`);
    this.show(`a run would order ${asked} of ${many(plans.length, 'certificate')}; nothing was asked for`);
    return { plans };
  }

  async #makeAll(manager: Manager, sets: readonly NameSet[], flags: MkFlags): Promise<BulkResult> {
    await manager.refresh({ signal: this.signal });
    const tally = createTally(sets.length, new Date());
    const options = { request: this.#request(flags), parallel: flags.parallel, takeOver: flags['take-over'] };
    const certificates = await this.withDisplay(({ onProgress, headline, data }) => {
      const onOutcome = (outcome: BulkOutcome) => {
        const far = tally.add(outcome, new Date());
        const { certificateId, names, error } = outcome;
        if (certificateId !== undefined) data(`${certificateId}\t${names.join(', ')}`);
        const what = error ? `failed: ${error.message}` : outcome.outcome.replace('-', ' ');
        headline(`${far}: ${names.join(', ')} ${what}`);
      };
      return issueAll(manager, sets, { ...options, signal: this.signal, onOutcome, onProgress });
    });
    const count = (wanted: BulkOutcome['outcome']) => certificates.filter(({ outcome }) => outcome === wanted).length;
    const [issued, alreadyManaged, failed] = [count('issued'), count('already-managed'), count('failed')];
    const result = { issued, alreadyManaged, failed, certificates };
    const left = sets.length - certificates.length;
    const more = left > 0 ? `, ${left} left` : '';
    this.progress(`${issued} issued, ${alreadyManaged} managed already, ${failed} failed${more}`);
    if (left > 0) throw this.interruptedWith(result);
    if (failed === 0) return result;
    const lines = certificates.flatMap(({ line, names, error }) =>
      error ? [`line ${line}, ${names.join(', ')}: ${error.message} (${error.code})`] : [],
    );
    const message = `${failed} of ${many(sets.length, 'certificate')} could not be made. ${firstOf(lines).join('; ')}. Run the same command again: it tries these, and leaves the others as they are.`;
    throw new CliError('CERTBUS_CLI_ISSUANCE_FAILED', message, { result });
  }

  async #makeOne(manager: Manager, names: readonly string[], flags: MkFlags): Promise<IssueResult> {
    const { isEnding, holdOf } = await import('@certbus/manager');
    let claimed: string | undefined;
    const issue = this.withDisplay(({ onProgress }) => {
      const watch = (progress: Progress) => {
        if (progress.step === 'claimed') claimed = progress.certificateId;
        onProgress(progress);
      };
      const options = { signal: this.signal, takeOver: flags['take-over'], onProgress: watch };
      return manager.issue({ ...this.#request(flags), names }, options);
    });
    const result = await issue.catch((error: unknown) => {
      if (claimed && !this.signal.aborted)
        this.progress(
          `${claimed} stays managed: "certbus cert renewable --renew-all" tries it again, "certbus cert rm ${claimed}" forgets it`,
        );
      throw error;
    });
    const isManaged = result.outcome === 'already-managed';
    if (isManaged) this.progress(`already managed: ${result.names.join(', ')}`);
    this.log(result.certificateId);
    const certificate = manager.certificate(result.certificateId);
    // What is managed already is not in order for that alone.
    if (!isManaged || !isEnding(certificate, new Date())) return result;
    const problem = describePutOff(certificate, holdOf(certificate, new Date()));
    throw new CliError('CERTBUS_CLI_UNHEALTHY', problem, { result });
  }
}
