/** `certbus inspect`. */
import { isIP } from 'node:net';
import { type ManagedCertificate, normalizeServerName, sha256 } from '@certbus/events';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import type { Verdict } from '../certificates/comparison.ts';
import { CliError } from '../errors.ts';

interface Shown {
  readonly serialNumber: string;
  readonly names: readonly string[];
  /** ISO 8601. */
  readonly notBefore: string;
  readonly notAfter: string;
}

interface Result {
  readonly host: string;
  readonly port: number;
  readonly serverName: string | undefined;
  readonly verdict: Verdict;
  readonly served: Shown & {
    readonly issuer: string;
    readonly fingerprint256: string;
    readonly protocol: string | undefined;
  };
  /** The current certificates of the bus for this name, several where it has key types. */
  readonly expected: readonly (Shown & { readonly certificateId: string })[];
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  same: 'the server serves what the bus says',
  older: 'the server serves a certificate that was replaced: it has not taken the newest one from the bus',
  other: 'the server serves a certificate that is not from this bus',
  'not-issued': 'the bus has a certificate for this name, but it was never issued',
  unmanaged: 'the bus has no certificate for this name',
};

function expectedOf({ certificateId, names, current }: ManagedCertificate): Result['expected'] {
  if (!current) return [];
  const { serialNumber, notBefore, notAfter } = current;
  return [{ certificateId, names, serialNumber, notBefore, notAfter }];
}

/** Width of what a line is about, and of whose it is. */
const LABEL = 15;
const SOURCE = 8;

/** What the server has of each, and below it what the bus has: side by side they would not fit a terminal. */
function linesOf({ served, expected }: Result): string[] {
  const [first] = expected;
  const line = (label: string, source: string, value: string) =>
    `${label.padEnd(LABEL)}${source.padEnd(SOURCE)}${value}`;
  const both = (label: string, one: string, other: string | undefined) => [
    line(label, 'server', one),
    line('', 'bus', other ?? '-'),
  ];
  return [
    ...both('names', served.names.join(', '), first?.names.join(', ')),
    ...both('serial number', served.serialNumber, first?.serialNumber),
    ...both('valid from', served.notBefore, first?.notBefore),
    ...both('valid until', served.notAfter, first?.notAfter),
    line('issuer', 'server', served.issuer),
    line('SHA-256', 'server', served.fingerprint256),
    ...expected
      .slice(1)
      .map((each) => line('also', 'bus', `${each.certificateId}, serial number ${each.serialNumber}`)),
  ];
}

export default class Inspect extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Show what a server serves, next to what the bus says it should.';
  static override description =
    'Connects by TLS and looks at the certificate without trusting it. Exits 10 where the server serves another certificate than the bus says, or one that has ended. Needs no manager key.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com',
    '<%= config.bin %> <%= command.id %> 192.0.2.7:8443 --server-name example.com',
  ];
  static override args = {
    server: Args.string({ required: true, description: 'HOST or HOST:PORT; the port is 443 where there is none' }),
  };
  static override flags = {
    'server-name': Flags.string({ description: 'name to ask for; default HOST' }),
  };

  async run(): Promise<Result> {
    const { args, flags } = await this.parse(Inspect);
    const { askServer, parseServerAddress } = await import('../certificates/served.ts');
    const address = parseServerAddress(args.server);
    const asked = flags['server-name'] ?? address.host;
    const name = normalizeServerName(asked);
    if (name === undefined) throw new CliError('CERTBUS_CLI_USAGE', `"${asked}" is not a server name.`);
    const serverName = isIP(name) === 0 ? name : undefined;
    const [{ compare, coveringCertificates }, { withPicture }] = await Promise.all([
      import('../certificates/comparison.ts'),
      import('@certbus/runtime/picture'),
    ]);
    const { signal } = this;
    const covering = await withPicture(
      this.environment(flags),
      async (picture) => {
        this.warnIfAway(picture);
        return coveringCertificates(picture.state.all(), name);
      },
      { signal },
    );
    const { leaf, protocol } = await askServer(address, { serverName, signal });
    const served = {
      serialNumber: leaf.serialNumber,
      names: (leaf.subjectAltName ?? '').split(', ').map((each) => each.replace(/^(?:DNS|IP Address):/, '')),
      notBefore: new Date(leaf.validFrom).toISOString(),
      notAfter: new Date(leaf.validTo).toISOString(),
      issuer: leaf.issuer.replaceAll('\n', ', '),
      fingerprint256: leaf.fingerprint256,
      protocol,
    };
    const verdict = compare(covering, sha256(leaf.raw));
    const result = { ...address, serverName, verdict, served, expected: covering.flatMap(expectedOf) };
    for (const line of linesOf(result)) this.show(line, { indent: LABEL + SOURCE });
    const hasEnded = Date.parse(served.notAfter) <= Date.now();
    if (verdict === 'same' && !hasEnded) {
      this.progress(VERDICTS.same);
      return result;
    }
    const message = `${args.server}: ${VERDICTS[verdict]}${hasEnded ? `; what it serves ended ${served.notAfter}` : ''}.`;
    throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result });
  }
}
