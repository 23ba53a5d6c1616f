/** `certbus init`: asks for what no flag gives, and sets up a bus. */
import { basename, join, resolve } from 'node:path';
import { clean, readFile } from '@certbus/runtime/local';
import { secretVariables } from '@certbus/solvers';
import { resolveAddress } from '@certbus/store';
import { Flags, type Interfaces } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { breakLines } from '../break-line.ts';
import { dnsFlags, dnsSettingsFrom, type GivenFlags, parseDnsSettings, providerNamed } from '../dns-flags.ts';
import { CliError } from '../errors.ts';
import { canAsk, openPrompt } from '../prompt.ts';
import type { SetUpResult } from '../set-up.ts';
import { readStandardInput } from '../text-input.ts';
import { type Answers, shellWord } from '../wizard/answers.ts';
import { nameOf, PUBLIC_AUTHORITIES, publicAuthority } from '../wizard/authorities.ts';
import { parseEmail } from '../wizard/email.ts';

/** Refuses settings of a DNS provider where none is named. Throws `CERTBUS_CLI_USAGE`. */
function checkNoDnsFlags(flags: GivenFlags): void {
  const given = Object.keys(flags).find((flag) => flag.startsWith('dns-') && flags[flag] !== undefined);
  if (given) throw new CliError('CERTBUS_CLI_USAGE', `--${given} goes with --dns-provider.`);
}

type InitFlags = Interfaces.InferredFlags<typeof Init.flags>;

export default class Init extends BaseCommand {
  protected override readonly takesDash = true;
  protected override readonly goesOnUnread = true;

  static override summary = 'Make keys, a bus and its configuration: everything a first certificate needs.';
  static override description =
    'On a terminal it asks for what no flag says, and shows everything before it makes anything; --yes takes the defaults instead. Without a terminal it never asks. Run again it completes what was interrupted, and changes nothing that is complete. "certbus conf use production" goes on from the staging CA.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --agree-tos --dns-provider route53 --zone example.com',
    '<%= config.bin %> <%= command.id %> --yes --ca production --agree-tos',
    '<%= config.bin %> <%= command.id %> --agree-tos --dns-settings acme-dns.json',
    '<%= config.bin %> <%= command.id %> --agree-tos --bus "dynamodb://certbus/prod?region=eu-central-1"',
  ];
  static override flags = {
    dir: Flags.string({ default: '.', description: 'folder for the files' }),
    bus: Flags.string({ default: 'sqlite:./bus.db#certbus', description: 'address of the bus to make' }),
    name: Flags.string({ description: "this manager's name on the bus; default the machine's" }),
    ca: Flags.option({
      options: PUBLIC_AUTHORITIES.map(({ choice }) => choice),
      description: "Let's Encrypt, for trying out or for visitors; default staging",
      exclusive: ['directory'],
    })(),
    directory: Flags.string({ description: 'the ACME directory of another CA, in place of --ca' }),
    roots: Flags.string({ description: "PEM file of a private CA's roots" }),
    contact: Flags.string({ multiple: true, description: 'e-mail address for the CA' }),
    'agree-tos': Flags.boolean({ description: "agree to the CA's terms of service" }),
    'dns-provider': Flags.string({ description: 'where DNS-01 is answered, as "certbus provider ls" lists it' }),
    'dns-settings': Flags.string({
      description: 'its settings, as "certbus provider show" has them: a JSON file, or - for standard input',
    }),
    ...Object.fromEntries(dnsFlags().map(({ name, description }) => [name, Flags.string({ description })])),
    domain: Flags.string({ description: 'a domain to begin with, for the command that is shown at the end' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask: take the defaults for what no flag says' }),
    zone: Flags.string({ multiple: true, description: 'zone of the DNS provider; default all' }),
    'http01-port': Flags.integer({ description: 'port that a private CA validates HTTP-01 at; default 80' }),
    'tls-alpn01-port': Flags.integer({ description: 'port that a private CA validates TLS-ALPN-01 at; default 443' }),
    resolver: Flags.string({
      multiple: true,
      description: "ADDRESS:PORT of a private name server that is asked in place of the system's",
    }),
  };

  async run(): Promise<SetUpResult> {
    const { flags: typed, metadata } = await this.parse(Init);
    const { defaultManagerName, setUp } = await import('../set-up.ts');
    const { existsSync } = await import('node:fs');
    const folder = resolve(typed.dir);
    const isComplete = existsSync(resolve(folder, 'certbus.json'));
    const isDefault = (name: string) => metadata.flags[name]?.setFromDefault === true;
    const given = Object.fromEntries(Object.entries(typed).filter(([name]) => !isDefault(name)));
    const asks = !isComplete && !typed.yes && !this.jsonEnabled() && canAsk();
    const flags: InitFlags = asks ? { ...typed, ...(await this.#ask(given, folder)) } : typed;
    const configuration = isComplete ? undefined : await this.#configuration(flags);
    const domain = configuration && (await this.#firstDomain(flags, configuration));
    if (given['bus'] !== undefined) given['bus'] = resolveAddress(flags.bus, folder);
    const request = { folder, bus: flags.bus, name: flags.name ?? defaultManagerName(), configuration, given };
    const result = await setUp(request, { signal: this.signal, onStep: (line) => this.progress(line) });
    if (result.changed) await this.#reportMade(result, { flags, configuration, domain });
    else this.#reportFound(result, folder);
    return result;
  }

  /** Asks for what no flag says. */
  async #ask(given: Answers, folder: string): Promise<Answers> {
    const { askForAnswers } = await import('../wizard/wizard.ts');
    const prompt = openPrompt(this.signal);
    const print = (line: string) =>
      void process.stderr.write(`${breakLines(clean(line), { window: process.stderr.columns })}\n`);
    try {
      return await askForAnswers(given, {
        folder,
        terminal: { ask: (question, otherwise) => prompt.ask(question, otherwise), print },
        signal: this.signal,
      });
    } finally {
      prompt.close();
    }
  }

  async #configuration(flags: InitFlags): Promise<{ readonly dns?: unknown }> {
    const directory = flags.directory ?? publicAuthority(flags.ca ?? 'staging')?.directory ?? '';
    const contact = (flags.contact ?? []).map(parseEmail);
    if (!flags['agree-tos'])
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        `A CA issues to those who agree to its terms of service, which ${directory} names: read them, then add --agree-tos.`,
      );
    const dns = await this.#dnsSettings(flags);
    const http01 = { answer: 'clients', port: flags['http01-port'], resolver: flags.resolver };
    const tlsAlpn01 = { port: flags['tls-alpn01-port'], resolver: flags.resolver };
    const authority = {
      directory,
      contact: contact.map((address) => `mailto:${address}`),
      termsOfServiceAgreed: true,
      roots: flags.roots && readFile(resolve(flags.roots), "The CA's roots"),
    };
    const name = nameOf(directory);
    // Through JSON, which leaves out what is undefined.
    return JSON.parse(
      JSON.stringify({
        version: 1,
        authorities: { [name]: authority },
        defaultAuthority: name,
        ...(dns ? { dns: [dns] } : {}),
        http01,
        ...(tlsAlpn01.port || tlsAlpn01.resolver ? { tlsAlpn01 } : {}),
        ...(flags.resolver ? { dnsPersist01: { resolver: flags.resolver, nameServers: flags.resolver } } : {}),
      }),
    );
  }

  async #dnsSettings(flags: InitFlags): Promise<object | undefined> {
    const file = await this.#settingsFile(flags['dns-settings']);
    const inFile = typeof file['provider'] === 'string' ? file['provider'] : undefined;
    const name = flags['dns-provider'] ?? inFile;
    if (name === undefined) {
      checkNoDnsFlags(flags);
      return undefined;
    }
    const provider = providerNamed(name);
    const settings = dnsSettingsFrom(provider, flags, file);
    for (const variable of secretVariables(settings)) {
      if (!process.env[variable])
        this.warn(`${name} takes a secret from ${variable}, which is not set here: export it wherever certbus runs`);
    }
    const { resolver } = flags;
    const takesResolver = provider.fields.some((field) => field.name === 'resolver');
    const zones = flags.zone ?? file['zones'] ?? ['*'];
    const complete = { ...(resolver && takesResolver ? { resolver } : {}), ...settings, zones };
    const toDo = provider.toDo(complete);
    if (toDo !== undefined) this.warn(toDo);
    return complete;
  }

  async #settingsFile(from: string | undefined): Promise<Readonly<Record<string, unknown>>> {
    if (from === undefined) return {};
    if (from !== '-') return parseDnsSettings(readFile(resolve(from), 'The DNS settings'), from);
    const text = await readStandardInput({ usage: 'certbus init --dns-settings - < FILE' });
    return parseDnsSettings(text, 'What came on standard input');
  }

  #reportFound({ bus, differences }: SetUpResult, folder: string): void {
    this.log(`${folder} is set up already for the bus ${bus}; nothing was changed.`);
    for (const { flag, given, found } of differences)
      this.warn(`--${flag} ${given} differs from what is set up, which is ${found}. ${this.#adviceOn(flag, given)}`);
  }

  /** How to have what a flag says, where something else is set up. */
  #adviceOn(flag: string, given: string): string {
    if (flag === 'bus') return 'Set up another bus in another folder (--dir).';
    if (flag === 'name') return 'Name another manager with "certbus manager add".';
    if (flag === 'ca') return `Move to it with "certbus conf use ${given}".`;
    if (flag === 'directory') return `Move to it with "certbus conf use NAME --directory ${given}".`;
    return 'Change it with "certbus conf display" and "certbus conf update".';
  }

  /** The domain to begin with: the one that is named, else that of a zone, where a CA issues for it. */
  async #firstDomain(flags: InitFlags, { dns }: { readonly dns?: unknown }): Promise<string | undefined> {
    const { parseDomain } = await import('../wizard/domain.ts');
    const options = { hasDns: dns !== undefined };
    if (flags.domain !== undefined) return parseDomain(flags.domain, options);
    const zone = flags.zone?.find((each) => each !== '*');
    if (zone === undefined) return undefined;
    try {
      return parseDomain(zone, options);
    } catch {
      // A zone need not be a name that has certificates.
      return undefined;
    }
  }

  async #reportMade(
    { files, bus, accountProblem }: SetUpResult,
    {
      flags,
      configuration,
      domain,
    }: {
      readonly flags: InitFlags;
      readonly configuration: { readonly dns?: unknown } | undefined;
      readonly domain: string | undefined;
    },
  ): Promise<void> {
    for (const { path, purpose, isNew } of files)
      this.show(`${isNew ? 'made' : 'kept'}  ${basename(path).padEnd(17)} ${purpose}`, { indent: 24 });
    this.log(`bus   ${bus}`);
    if (accountProblem)
      this.warn(`the CA has no account of yours yet (${accountProblem}); the first certificate registers one`);
    const { nextSteps } = await import('../wizard/next-steps.ts');
    const config = resolve(flags.dir) === process.cwd() ? undefined : shellWord(join(flags.dir, 'certbus.json'));
    const isStaging = flags.directory === undefined && (flags.ca ?? 'staging') === 'staging';
    for (const line of nextSteps({ bus, config, domain, hasDns: configuration?.dns !== undefined, isStaging }))
      this.show(line);
  }
}
