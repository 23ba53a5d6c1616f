/** `certbus init`: asks for what no flag gives, and sets up a bus. */
import { basename, resolve } from 'node:path';
import { readFile } from '@certbus/runtime/local';
import { PROVIDERS, secretVariables } from '@certbus/solvers';
import { resolveAddress } from '@certbus/store';
import { Flags, type Interfaces } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import {
  dnsFlags,
  dnsSettingsFrom,
  type GivenFlags,
  neededFlags,
  parseDnsSettings,
  providerNamed,
} from '../dns-flags.ts';
import { CliError } from '../errors.ts';
import { ask, canAsk, confirm } from '../prompt.ts';
import type { SetUpResult } from '../set-up.ts';

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';

type InitFlags = Interfaces.InferredFlags<typeof Init.flags>;

export default class Init extends BaseCommand {
  static override summary = 'Make keys, a bus and its configuration: everything a first certificate needs.';
  static override description =
    'On a terminal it asks for what no flag says. Run again it completes what was interrupted, and changes nothing that is complete.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --agree-tos --dns-provider route53 --zone example.com',
    '<%= config.bin %> <%= command.id %> --agree-tos --dns-settings acme-dns.json',
    '<%= config.bin %> <%= command.id %> --agree-tos --bus "dynamodb://certbus/prod?region=eu-central-1"',
  ];
  static override flags = {
    dir: Flags.string({ default: '.', description: 'folder for the files' }),
    bus: Flags.string({ default: 'sqlite:./bus.db#certbus', description: 'address of the bus to make' }),
    name: Flags.string({ description: "this manager's name on the bus; default the machine's" }),
    directory: Flags.string({ description: `the CA's ACME directory; default ${LETS_ENCRYPT}` }),
    roots: Flags.string({ description: "PEM file of a private CA's roots" }),
    contact: Flags.string({ multiple: true, description: 'e-mail address for the CA' }),
    'agree-tos': Flags.boolean({ description: "agree to the CA's terms of service" }),
    'dns-provider': Flags.string({ description: 'where DNS-01 is answered, as "certbus provider ls" lists it' }),
    'dns-settings': Flags.string({
      description: 'its settings, as "certbus provider show" has them: a JSON file, or - for standard input',
    }),
    ...Object.fromEntries(dnsFlags().map(({ name, description }) => [name, Flags.string({ description })])),
    zone: Flags.string({ multiple: true, description: 'zone of the DNS provider; default all' }),
    'http01-port': Flags.integer({ description: 'port that a private CA validates HTTP-01 at; default 80' }),
    'tls-alpn01-port': Flags.integer({ description: 'port that a private CA validates TLS-ALPN-01 at; default 443' }),
    resolver: Flags.string({
      multiple: true,
      description: "ADDRESS:PORT of a private name server that is asked in place of the system's",
    }),
  };

  async run(): Promise<SetUpResult> {
    const { flags, metadata } = await this.parse(Init);
    const { defaultManagerName, setUp } = await import('../set-up.ts');
    const { existsSync } = await import('node:fs');
    const folder = resolve(flags.dir);
    const isComplete = existsSync(resolve(folder, 'certbus.json'));
    const configuration = isComplete ? undefined : await this.#configuration(flags);
    const given = Object.fromEntries(
      Object.entries(flags).filter(([name]) => metadata.flags[name]?.setFromDefault !== true),
    );
    if (given['bus'] !== undefined) given['bus'] = resolveAddress(flags.bus, folder);
    const request = { folder, bus: flags.bus, name: flags.name ?? defaultManagerName(), configuration, given };
    const result = await setUp(request, { signal: this.signal, onStep: (line) => this.progress(line) });
    this.#report(result, { folder, hasDns: configuration?.dns !== undefined });
    return result;
  }

  async #configuration(flags: InitFlags): Promise<{ readonly dns?: unknown }> {
    const directory = flags.directory ?? LETS_ENCRYPT;
    const contact = flags.contact ?? (await this.#askContact(flags.directory));
    const agreed =
      flags['agree-tos'] ||
      (canAsk() && (await confirm(`Do you agree to the terms of service of ${new URL(directory).host}?`, this.signal)));
    if (!agreed)
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        'A CA issues to those who agree to its terms of service: read them, then add --agree-tos.',
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
    const name = flags.directory ? 'ca' : 'letsencrypt';
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

  async #askContact(directory: string | undefined): Promise<string[]> {
    if (directory || !canAsk()) return [];
    const address = await ask('E-mail address for the CA (may be empty):', this.signal);
    return address ? [address] : [];
  }

  async #dnsSettings(flags: InitFlags): Promise<object | undefined> {
    const file = await this.#settingsFile(flags['dns-settings']);
    const inFile = typeof file['provider'] === 'string' ? file['provider'] : undefined;
    const name = flags['dns-provider'] ?? inFile ?? (await this.#askProvider(flags));
    if (name === undefined) return undefined;
    const provider = providerNamed(name);
    const answers: Record<string, string> = {};
    if (canAsk()) {
      for (const { name: flag, question } of neededFlags(provider, flags, file))
        answers[flag] = await ask(question, this.signal);
    }
    const settings = dnsSettingsFrom(provider, { ...flags, ...answers }, file);
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
    if (process.stdin.isTTY)
      throw new CliError('CERTBUS_CLI_USAGE', 'The DNS settings are read from standard input: … < FILE');
    const { text } = await import('node:stream/consumers');
    return parseDnsSettings(await text(process.stdin), 'What came on standard input');
  }

  async #askProvider(flags: GivenFlags): Promise<string | undefined> {
    const given = Object.keys(flags).find((flag) => flag.startsWith('dns-') && flag !== 'dns-settings');
    if (given) throw new CliError('CERTBUS_CLI_USAGE', `--${given} goes with --dns-provider.`);
    if (!canAsk()) return undefined;
    const names = PROVIDERS.filter(({ isForTests }) => !isForTests).map(({ name }) => name);
    const question = `DNS provider, which wildcards need: ${names.join(', ')}, or nothing:`;
    return (await ask(question, this.signal)) || undefined;
  }

  #report(
    { files, bus, changed, accountProblem, differences }: SetUpResult,
    { folder, hasDns }: { readonly folder: string; readonly hasDns: boolean },
  ): void {
    if (!changed) {
      this.log(`${folder} is set up already for the bus ${bus}; nothing was changed.`);
      for (const { flag, given, found } of differences)
        this.warn(
          `--${flag} ${given} differs from what is set up, which is ${found}. ${flag === 'bus' ? 'Set up another bus in another folder (--dir).' : 'Change it with "certbus conf display" and "certbus conf update".'}`,
        );
      return;
    }
    for (const { path, purpose, isNew } of files)
      this.log(`${isNew ? 'made' : 'kept'}  ${basename(path).padEnd(17)} ${purpose}`);
    this.log(`bus   ${bus}`);
    if (accountProblem)
      this.warn(`the CA has no account of yours yet (${accountProblem}); the first certificate registers one`);
    const first = hasDns
      ? 'certbus cert mk --wildcard YOUR.DOMAIN, and certbus example-server to see it served'
      : 'certbus example-server at port 80 of your domain, and certbus cert mk --challenge http-01 YOUR.DOMAIN';
    this.log(`\nNext: ${first}.`);
  }
}
