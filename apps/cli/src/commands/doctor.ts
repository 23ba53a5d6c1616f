/** `certbus doctor`. */
import { isIP } from 'node:net';
import { isAddress, normalizeNames } from '@certbus/events';
import type { Finding } from '@certbus/manager';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { CliError } from '../errors.ts';
import { describeWaiting } from '../progress.ts';

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

export default class Doctor extends BaseCommand {
  static override summary = 'Check all that an issuance depends on, and say what to do about what is wrong.';
  static override description =
    'Looks at the bus and this manager key, at certificates that fail, at who else can read or change the files of this machine, at whether its state directory can be written, at each CA of the configuration with its clock and the account there, at CAA records, and writes a TXT value into DNS, waits until every authoritative server shows it, and takes it away again. The exit status is 10 where something failed.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
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
  };

  async run(): Promise<{ findings: readonly Finding[] }> {
    const { flags } = await this.parse(Doctor);
    for (const domain of flags.domain ?? []) checkDomain(domain);
    for (const resolver of flags.resolver ?? []) checkResolver(resolver);
    const { localFiles, withManager } = await import('@certbus/runtime');
    const onFinding = (finding: Finding) => {
      this.log(`${finding.status.padEnd(8)} ${finding.check.padEnd(10)} ${finding.subject}: ${finding.detail}`);
      if (finding.advice) this.log(`${''.padEnd(20)}${finding.advice}`);
    };
    const environment = this.environment(flags);
    const findings = await withManager(environment, (manager) =>
      manager.diagnose({
        local: localFiles(environment),
        writeDns: flags['write-dns'],
        ...(flags.domain ? { domains: flags.domain } : {}),
        ...(flags.resolver ? { resolvers: flags.resolver } : {}),
        signal: this.signal,
        onFinding,
        onWaiting: (waiting) => this.progress(describeWaiting(waiting)),
      }),
    );
    const failed = findings.filter(({ status }) => status === 'failed');
    if (failed.length > 0) {
      const message = `${failed.length} of ${findings.length} checks failed.`;
      throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result: { findings } });
    }
    this.progress('nothing failed');
    return { findings };
  }
}
