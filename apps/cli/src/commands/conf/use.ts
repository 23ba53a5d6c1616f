/** `certbus conf use`: makes another CA the default, and moves certificates there. */
import { resolve } from 'node:path';
import type { ManagedCertificate } from '@certbus/events';
import type { CertificateAuthority, Configuration, Manager } from '@certbus/manager';
import { readFile } from '@certbus/runtime/local';
import { Args, Flags, type Interfaces } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { type Move, type Moved, moveAll } from '../../certificates/moving.ts';
import { many } from '../../counts.ts';
import { didYouMean, nothingFits, similarTo } from '../../did-you-mean.ts';
import { CliError } from '../../errors.ts';
import { canAsk, confirm } from '../../prompt.ts';
import { firstOf } from '../../put-off.ts';
import { shellWord } from '../../wizard/answers.ts';
import { describeTerms, publicAuthority } from '../../wizard/authorities.ts';
import { parseEmail } from '../../wizard/email.ts';

type UseFlags = Interfaces.InferredFlags<typeof ConfUse.flags>;

/** A CA and its name in the configuration. */
interface Named {
  readonly name: string;
  readonly authority: CertificateAuthority;
  /** Whether the configuration has it already. */
  readonly isThere: boolean;
}

/** A CA whose certificates move, by its name in the configuration. */
interface Former {
  readonly name: string;
  readonly directory: string;
}

interface Result {
  readonly authority: string;
  readonly accountUrl: string;
  readonly certificates: readonly Moved[];
  /** Certificates that stay where they are. */
  readonly left: readonly string[];
}

/** The name in the configuration that a user means: the one that is there, or that of a public CA. */
function nameIn({ authorities }: Configuration, typed: string): string {
  return Object.hasOwn(authorities, typed) ? typed : (publicAuthority(typed)?.name ?? typed);
}

/** The certificates of one of these directories, by name: also those that were on their way from there to the new one when that was interrupted. */
function certificatesAt(
  { state }: Pick<Manager, 'state'>,
  { directories, to }: { readonly directories: readonly string[]; readonly to: string },
): ManagedCertificate[] {
  const isThere = (directory: string | undefined) => directory !== undefined && directories.includes(directory);
  return [...state.all()]
    .filter(({ directory, current }) => isThere(directory) || (directory === to && isThere(current?.directory)))
    .sort(({ names: [one = ''] }, { names: [other = ''] }) => one.localeCompare(other));
}

export default class ConfUse extends SigningCommand {
  static override summary = 'Make another CA the default, register there, and move certificates to it.';
  static override description =
    'CA is "production" or "staging" of Let\'s Encrypt, or a name in the configuration, or a new name with --directory. It is added where it is not there, with the e-mail addresses of the default one, and an account is registered; then it becomes the default. The certificates of the CA that was the default before are listed, and issued again at the new one after a question; what serves goes on with the old ones until then. Where certificates are left, it shows the command that moves them.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> production',
    '<%= config.bin %> <%= command.id %> production --agree-tos --yes',
    '<%= config.bin %> <%= command.id %> letsencrypt --no-reissue',
  ];
  static override args = { ca: Args.string({ required: true, description: 'the CA' }) };
  static override flags = {
    'agree-tos': Flags.boolean({ description: "agree to the CA's terms of service" }),
    contact: Flags.string({ multiple: true, description: 'e-mail address for a CA that is new; default as before' }),
    directory: Flags.string({ description: 'ACME directory of a CA that is new' }),
    roots: Flags.string({ description: "PEM file of a private CA's roots" }),
    from: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'a CA whose certificates move, by its name; default the one that was the default before',
    }),
    reissue: Flags.boolean({ default: true, allowNo: true, description: 'issue certificates again at this CA' }),
    parallel: Flags.integer({ min: 1, max: 100, default: 20, description: 'how many are issued at a time' }),
    yes: YES_FLAG,
  };

  async run(): Promise<Result> {
    const { args, flags } = await this.parse(ConfUse);
    return this.withManager(flags, (manager) => this.#use(manager, args.ca, flags));
  }

  async #use(manager: Manager, ca: string, flags: UseFlags): Promise<Result> {
    const { parseConfiguration } = await import('@certbus/manager');
    await manager.refresh({ signal: this.signal });
    const stored = await manager.configuration();
    const config = parseConfiguration(stored?.json);
    const chosen = this.#find(config, ca, flags);
    const from = this.#formerOnes(config, chosen, flags);
    const places = { directories: from.map(({ directory }) => directory), to: chosen.authority.directory };
    const find = () => certificatesAt(manager, places);
    this.#checkCanAsk(find(), flags);
    const accountUrl = await this.#makeDefault(manager, config, chosen, flags);
    const moving = find();
    const certificates = await this.#listMoving(moving);
    const result = { authority: chosen.name, accountUrl, certificates: [], left: certificates };
    if (certificates.length === 0) return result;
    // The configuration no longer tells which CA was the default before.
    const former = from.filter(({ directory }) =>
      moving.some((each) => [each.directory, each.current?.directory].includes(directory)),
    );
    const again = ['certbus', 'conf', 'use', ca, ...former.flatMap(({ name }) => ['--from', name])];
    const command = again.map(shellWord).join(' ');
    this.continueBy = `Run "${command}"`;
    if (!flags.reissue) {
      this.progress(`they stay where they are; "${command}" moves them`);
      return result;
    }
    const question = `Issue ${certificates.length === 1 ? 'this certificate' : `these ${certificates.length} certificates`} again at ${chosen.name}?`;
    if (!flags.yes && !(await confirm(question, this.signal))) {
      this.progress(`they stay where they are; "${command}" moves them`);
      return result;
    }
    return this.#move(
      manager,
      { certificates, authority: chosen.name, directory: chosen.authority.directory, parallel: flags.parallel },
      result,
    );
  }

  /** Where the certificates are that move: at the default CA, and where this was interrupted at the staging CA of the new one. */
  #formerOnes(config: Configuration, { authority: { directory, staging } }: Named, { from }: UseFlags): Former[] {
    const { authorities, defaultAuthority } = config;
    const unknown = from?.find((name) => !Object.hasOwn(authorities, name));
    if (unknown !== undefined)
      throw nothingFits({ flag: '--from', value: unknown, among: 'authority', known: Object.keys(authorities) });
    return (from ?? [defaultAuthority, staging]).flatMap((name) => {
      const found = name === undefined ? undefined : authorities[name]?.directory;
      return name === undefined || found === undefined || found === directory ? [] : [{ name, directory: found }];
    });
  }

  /** Refuses, before anything is changed, what could not be asked about later. */
  #checkCanAsk(moving: readonly ManagedCertificate[], { yes, reissue }: UseFlags): void {
    if (yes || !reissue || moving.length === 0 || (canAsk() && !this.jsonEnabled())) return;
    const why = this.jsonEnabled() ? 'With --json it cannot ask' : 'There is no terminal to ask on';
    const message = `${many(moving.length, 'certificate')} would be issued again. ${why}: add --yes to agree, or --no-reissue to leave them.`;
    throw new CliError('CERTBUS_CLI_USAGE', message);
  }

  #find(config: Configuration, typed: string, flags: UseFlags): Named {
    const name = nameIn(config, typed);
    const existing = Object.hasOwn(config.authorities, name) ? config.authorities[name] : undefined;
    if (existing && flags.directory !== undefined && flags.directory !== existing.directory) {
      const message = `The configuration has "${name}" already, with the directory ${existing.directory}. Give the new CA another name.`;
      throw new CliError('CERTBUS_CLI_USAGE', message);
    }
    if (existing) return { name, authority: existing, isThere: true };
    const directory = flags.directory ?? publicAuthority(typed)?.directory;
    if (directory === undefined) {
      const known = [...Object.keys(config.authorities), 'staging', 'production'];
      const message = `No CA is called "${typed}".${didYouMean(similarTo(typed, known))} There are: ${known.join(', ')}; a new one needs --directory.`;
      throw new CliError('CERTBUS_CLI_NO_MATCH', message);
    }
    const before = config.authorities[config.defaultAuthority];
    const contact = flags.contact?.map((address) => `mailto:${parseEmail(address)}`) ?? before?.contact ?? [];
    const roots = flags.roots === undefined ? undefined : readFile(resolve(flags.roots), "The CA's roots");
    // What fails there twice is tried at the CA that was tried out first.
    const isFromStaging = before?.directory === publicAuthority('staging')?.directory;
    const staging = isFromStaging ? { staging: config.defaultAuthority } : {};
    const authority = { directory, contact, termsOfServiceAgreed: true, ...(roots ? { roots } : {}), ...staging };
    return { name, authority, isThere: false };
  }

  async #agreeToTerms({ directory, roots }: CertificateAuthority, flags: UseFlags): Promise<void> {
    if (flags['agree-tos']) return;
    if (!canAsk() || this.jsonEnabled())
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        `The CA has terms of service, which ${directory} names: read them, then add --agree-tos.`,
      );
    const where = await describeTerms({ directory, roots }, this.signal);
    this.progress(`terms of service of the CA: ${where}`);
    if (await confirm('Do you agree to them?', this.signal)) return;
    throw new CliError('CERTBUS_CLI_DECLINED', 'Nothing was changed.');
  }

  /** Adds the CA, registers there, and only then makes it the default: a CA that refuses the account changes nothing for renewals. */
  async #makeDefault(manager: Manager, config: Configuration, chosen: Named, flags: UseFlags): Promise<string> {
    const { name, authority, isThere } = chosen;
    const put = async (change: (json: Configuration) => object) => {
      const stored = await manager.configuration();
      const json = stored?.json as Configuration;
      await manager.configure({ ...json, ...change(json) }, { expectPosition: stored?.position, signal: this.signal });
    };
    if (!isThere) {
      await this.#agreeToTerms(authority, flags);
      await put(({ authorities }) => ({ authorities: { ...authorities, [name]: authority } }));
    }
    const { accountUrl } = await manager.register({ authorityName: name, signal: this.signal });
    if (config.defaultAuthority !== name) await put(() => ({ defaultAuthority: name }));
    this.show(`${name} is the default CA now, with the account ${accountUrl}`);
    return accountUrl;
  }

  async #listMoving(moving: readonly ManagedCertificate[]): Promise<string[]> {
    await this.printTable(
      ['id', 'expires (UTC)', 'names'],
      moving.map(({ certificateId, current, names }) => [
        certificateId,
        current?.notAfter.slice(0, 16).replace('T', ' ') ?? 'not issued',
        names.join(', '),
      ]),
    );
    return moving.map(({ certificateId }) => certificateId);
  }

  async #move(
    manager: Manager,
    move: Omit<Move, 'signal' | 'onProgress' | 'onMoved'>,
    result: Result,
  ): Promise<Result> {
    const { signal } = this;
    const certificates = await this.withDisplay(({ onProgress, headline }) => {
      let done = 0;
      const onMoved = ({ names, error }: Moved) => {
        done += 1;
        headline(
          `${done}/${move.certificates.length}: ${names.join(', ')} ${error ? `failed: ${error.message}` : 'issued'}`,
        );
      };
      return moveAll(manager, { ...move, signal, onProgress, onMoved });
    });
    const failures = certificates.flatMap(({ names, error }) =>
      error ? [`${names.join(', ')}: ${error.message}`] : [],
    );
    const isMoved = new Set(certificates.flatMap(({ certificateId, error }) => (error ? [] : [certificateId])));
    const left = result.left.filter((id) => !isMoved.has(id));
    const moved = { ...result, certificates, left };
    if (certificates.length < move.certificates.length) {
      this.progress(`${isMoved.size} of ${many(result.left.length, 'certificate')} issued at ${move.authority}`);
      throw this.interruptedWith(moved);
    }
    if (failures.length === 0) return moved;
    const message = `${failures.length} of ${many(certificates.length, 'certificate')} could not be issued at ${move.authority}. ${firstOf(failures).join('; ')}. What is served stays. ${this.continueBy} to continue.`;
    throw new CliError('CERTBUS_CLI_ISSUANCE_FAILED', message, { result: moved });
  }
}
