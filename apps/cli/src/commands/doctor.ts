/** `certbus doctor`. */
import { isIP } from 'node:net';
import { isAddress, normalizeNames } from '@certbus/events';
import type { Finding } from '@certbus/manager';
import { clean, type Environment } from '@certbus/runtime/local';
import { Flags, type Interfaces, ux } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { breakLines } from '../break-line.ts';
import { CliError } from '../errors.ts';
import { describeWaiting } from '../progress/steps.ts';

/** Width of what comes before the subject of a finding. */
const INDENT = 20;

function isDomain(text: string): boolean {
  try {
    return !normalizeNames([text]).some(isAddress);
  } catch {
    return false;
  }
}

function checkDomain(domain: string): void {
  if (isDomain(domain)) return;
  throw new CliError('CERTBUS_CLI_USAGE', `"${domain}" is not a domain name; give one like example.com.`);
}

function checkResolver(resolver: string): void {
  const [, bracketed, host] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(resolver) ?? [];
  if (isIP(bracketed ?? host ?? resolver) !== 0) return;
  throw new CliError(
    'CERTBUS_CLI_USAGE',
    `"${resolver}" is not the address of a resolver; write one like 192.0.2.53 or [2001:db8::53]:5353.`,
  );
}

const COLOURS = { good: 'green', warning: 'yellow', failed: 'red' } as const;

export default class Doctor extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Check all that an issuance depends on, and show what to do about what is wrong.';
  static override description =
    'Looks at the bus and this manager key, at certificates that fail, at who else can read or change the files of this machine, at whether its state directory can be written and has room, at each CA of the configuration with its clock, the account there and the proxy on the way, at CAA records, and writes a TXT value into DNS, waits until every authoritative server shows it, and takes it away again. It goes on after what it finds: also where the bus is away, its history is refused, or there is no manager key. With --load-balancer it looks at what a load balancer needs: identity, bus, files, certificates. The exit status is 10 where something failed.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --quiet',
    '<%= config.bin %> <%= command.id %> --load-balancer',
    '<%= config.bin %> <%= command.id %> --domain example.com --no-write-dns --json',
  ];
  static override flags = {
    domain: Flags.string({
      multiple: true,
      description: 'a domain to look at; default those of the managed certificates, 20 at most',
    }),
    resolver: Flags.string({
      multiple: true,
      description: "a resolver to ask, ADDRESS or ADDRESS:PORT; default the configuration's, else the system's",
    }),
    'write-dns': Flags.boolean({ allowNo: true, default: true, description: 'try to write into DNS' }),
    'load-balancer': Flags.boolean({
      description: 'look at what a load balancer needs, without a manager key',
      exclusive: ['domain', 'resolver'],
    }),
  };

  async run(): Promise<{ findings: readonly Finding[] }> {
    const { flags } = await this.parse(Doctor);
    for (const domain of flags.domain ?? []) checkDomain(domain);
    for (const resolver of flags.resolver ?? []) checkResolver(resolver);
    const onFinding = (finding: Finding) => {
      if (!flags.quiet || finding.status !== 'good') this.#show(finding);
    };
    const findings = await this.#examine(flags, onFinding);
    const failed = findings.filter(({ status }) => status === 'failed');
    if (failed.length > 0) {
      const message = `${failed.length} of ${findings.length} checks failed.`;
      throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result: { findings } });
    }
    this.progress('nothing failed');
    return { findings };
  }

  async #examine(
    flags: Interfaces.InferredFlags<typeof Doctor.flags> & Interfaces.InferredFlags<typeof Doctor.baseFlags>,
    onFinding: (finding: Finding) => void,
  ): Promise<readonly Finding[]> {
    let environment: Environment;
    try {
      environment = this.environment(flags);
    } catch (error) {
      // Without it there is nothing else to look at: it says which bus there is.
      const detail = error instanceof Error ? error.message : String(error);
      const advice = 'Run "certbus init", or name the file with --config.';
      const finding: Finding = { check: 'config', subject: 'this machine', status: 'failed', detail, advice };
      onFinding(finding);
      return [finding];
    }
    const { examineMachine } = await import('@certbus/runtime');
    return examineMachine(environment, {
      isLoadBalancer: flags['load-balancer'],
      writeDns: flags['write-dns'],
      ...(flags.domain ? { domains: flags.domain } : {}),
      ...(flags.resolver ? { resolvers: flags.resolver } : {}),
      signal: this.signal,
      onFinding,
      onWaiting: (waiting) => this.progress(describeWaiting(waiting)),
    });
  }

  #show({ status, check, subject, detail, advice }: Finding): void {
    const window = process.stdout.isTTY ? process.stdout.columns : undefined;
    const word = status.padEnd(8);
    const line = clean(`${word} ${check.padEnd(10)} ${subject}: ${detail}`);
    // Colours are put in once the line is broken, since they have no width.
    const shown = breakLines(line, { window, indent: INDENT });
    this.log(`${ux.colorize(COLOURS[status], word)}${shown.slice(word.length)}`);
    if (advice) this.show(`${''.padEnd(INDENT)}${advice}`, { indent: INDENT });
  }
}
