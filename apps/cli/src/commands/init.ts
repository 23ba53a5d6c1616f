import { basename, resolve } from 'node:path';
import { Flags, type Interfaces } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { CliError } from '../errors.ts';
import { readFile } from '../key-files.ts';
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
    '<%= config.bin %> <%= command.id %> --contact ops@example.com --agree-tos --dns-provider route53 --zone example.com',
    '<%= config.bin %> <%= command.id %> --bus "dynamodb://certbus/prod?region=eu-central-1" --agree-tos --contact ops@example.com',
  ];
  static override flags = {
    dir: Flags.string({ default: '.', description: 'folder for the files' }),
    bus: Flags.string({ default: 'sqlite:./bus.db#certbus', description: 'address of the bus to make' }),
    name: Flags.string({ description: "this manager's name on the bus; default the machine's" }),
    directory: Flags.string({ description: `the CA's ACME directory; default ${LETS_ENCRYPT}` }),
    roots: Flags.string({ description: "PEM file of a private CA's roots" }),
    contact: Flags.string({ multiple: true, description: 'e-mail address for the CA' }),
    'agree-tos': Flags.boolean({ description: "agree to the CA's terms of service" }),
    'dns-provider': Flags.option({
      options: ['route53', 'challtestsrv'] as const,
      description: 'where DNS-01 is answered',
    })(),
    'dns-url': Flags.string({ description: 'management address of challtestsrv' }),
    'dns-zone-id': Flags.string({ description: 'id of a Route 53 hosted zone; default the one that fits a name' }),
    zone: Flags.string({ multiple: true, description: 'zone of the DNS provider; default all' }),
    'http01-port': Flags.integer({ description: 'port that a private CA validates HTTP-01 at; default 80' }),
    'tls-alpn01-port': Flags.integer({ description: 'port that a private CA validates TLS-ALPN-01 at; default 443' }),
    resolver: Flags.string({
      multiple: true,
      description: 'ADDRESS:PORT of a private name server for checking HTTP-01 and TLS-ALPN-01',
    }),
  };

  async run(): Promise<SetUpResult> {
    const { flags } = await this.parse(Init);
    const { defaultManagerName, setUp } = await import('../set-up.ts');
    const { existsSync } = await import('node:fs');
    const folder = resolve(flags.dir);
    const isComplete = existsSync(resolve(folder, 'certbus.json'));
    const configuration = isComplete ? undefined : await this.#configuration(flags);
    const request = { folder, bus: flags.bus, name: flags.name ?? defaultManagerName(), configuration };
    const result = await setUp(request, { signal: this.signal, onStep: (line) => this.progress(line) });
    this.#report(result, folder);
    return result;
  }

  async #configuration(flags: InitFlags): Promise<unknown> {
    const directory = flags.directory ?? LETS_ENCRYPT;
    const contact = flags.contact ?? (await this.#askContact(flags.directory));
    const agreed =
      flags['agree-tos'] ||
      (canAsk() && (await confirm(`Do you agree to the terms of service of ${new URL(directory).host}?`, this.signal)));
    if (!agreed)
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        'A CA issues to those who agree to its terms of service: read them, then say --agree-tos.',
      );
    const provider = flags['dns-provider'] ?? (await this.#askProvider());
    const http01 = { answer: 'clients', port: flags['http01-port'], resolver: flags.resolver };
    const tlsAlpn01 = { port: flags['tls-alpn01-port'], resolver: flags.resolver };
    const zones = flags.zone ?? ['*'];
    const dns = provider && { zones, provider, url: flags['dns-url'], zoneId: flags['dns-zone-id'] };
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
      }),
    );
  }

  async #askContact(directory: string | undefined): Promise<string[]> {
    if (directory || !canAsk()) return [];
    const address = await ask('E-mail address for the CA (may be empty):', this.signal);
    return address ? [address] : [];
  }

  async #askProvider(): Promise<'route53' | undefined> {
    if (!canAsk()) return undefined;
    return (await confirm('Answer DNS-01 in Route 53 (needed for wildcards)?', this.signal)) ? 'route53' : undefined;
  }

  #report({ files, bus, changed, accountProblem }: SetUpResult, folder: string): void {
    if (!changed) {
      this.log(`${folder} is set up already for the bus ${bus}; nothing was changed.`);
      return;
    }
    for (const { path, purpose, isNew } of files)
      this.log(`${isNew ? 'made' : 'kept'}  ${basename(path).padEnd(17)} ${purpose}`);
    this.log(`bus   ${bus}`);
    if (accountProblem)
      this.warn(`the CA has no account of yours yet (${accountProblem}); the first certificate registers one`);
    this.log('\nNext: certbus cert mk --wildcard YOUR.DOMAIN, and certbus example-server to see it served.');
  }
}
