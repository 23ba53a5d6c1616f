/** BIND and Knot DNS, started. */
import { Resolver } from 'node:dns/promises';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, freePort, temporaryFolder } from './machine.ts';
import { run, startService } from './process.ts';
import { type ServedZone, zoneFile } from './zone-file.ts';

/** A name server that takes signed dynamic updates (RFC 2136, RFC 8945). */
export interface UpdateServer {
  /** `ADDRESS:PORT` for questions and updates, by UDP and TCP. */
  readonly address: string;
  readonly port: number;
  /** The key that may update TXT records of every zone, and nothing else; its secret is drawn for this server, in base64. */
  readonly key: TsigKeyText;
  /** A key that the server knows and lets update nothing. */
  readonly powerlessKey: TsigKeyText;
  /** Sends updates in the words of nsupdate, such as `update add a.test. 60 TXT "x"`, as an independent client. */
  update(zone: string, lines: readonly string[]): Promise<void>;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A TSIG key as configurations write it. */
export interface TsigKeyText {
  readonly name: string;
  readonly algorithm: string;
  readonly secret: string;
}

/** What the server serves, and with what kind of key. */
export interface UpdateServerOptions {
  readonly zones: readonly ServedZone[];
  /** Default `hmac-sha256`. */
  readonly algorithm?: string;
}

interface Layout {
  readonly folder: string;
  readonly port: number;
  readonly zones: readonly ServedZone[];
  readonly keys: {
    readonly txt: TsigKeyText;
    readonly powerless: TsigKeyText;
    /** May update anything: nsupdate's. */
    readonly all: TsigKeyText;
  };
}

function missing(...programs: readonly string[]): string | undefined {
  const absent = programs.find((program) => !findProgram(program));
  return absent && `${absent} is missing: .ci/install.sh installs it on a Debian`;
}

/** Why this machine cannot have BIND; `undefined` when it can. */
export const missingBind = (): string | undefined => missing('named', 'nsupdate');

/** Why this machine cannot have Knot DNS; `undefined` when it can. */
export const missingKnot = (): string | undefined => missing('knotd', 'nsupdate');

const keyClause = ({ name, algorithm, secret }: TsigKeyText) =>
  `key "${name}" { algorithm ${algorithm}; secret "${secret}"; };\n`;

function bindConfiguration({ folder, port, zones, keys }: Layout): string {
  const policy = `grant "${keys.txt.name}" zonesub TXT; grant "${keys.all.name}" zonesub ANY;`;
  const clauses = zones.map(
    ({ name }) => `zone "${name}" { type primary; file "${name}.db"; update-policy { ${policy} }; };\n`,
  );
  return `options {
  directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
};
controls { };
${Object.values(keys).map(keyClause).join('')}${clauses.join('')}`;
}

function knotConfiguration({ folder, port, zones, keys }: Layout): string {
  const keyItems = Object.values(keys).map(
    ({ name, algorithm, secret }) => `  - id: ${name}\n    algorithm: ${algorithm}\n    secret: ${secret}\n`,
  );
  const zoneItems = zones.map(({ name }) => `  - domain: ${name}\n    file: ${name}.db\n    acl: [ txt, all ]\n`);
  return `server:
  listen: 127.0.0.1@${port}
  rundir: ${folder}
control:
  listen: knot.sock
log:
  - target: stderr
    any: info
database:
  storage: ${folder}
key:
${keyItems.join('')}acl:
  - id: txt
    key: ${keys.txt.name}
    action: update
    update-type: TXT
  - id: all
    key: ${keys.all.name}
    action: update
template:
  - id: default
    storage: ${folder}
    zonefile-sync: -1
zone:
${zoneItems.join('')}`;
}

function drawKey(name: string, algorithm: string): TsigKeyText {
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(64))).toString('base64');
  return { name, algorithm, secret };
}

async function start(
  { zones, algorithm = 'hmac-sha256' }: UpdateServerOptions,
  {
    configure,
    launch,
  }: { configure(layout: Layout): string; launch(file: string, folder: string): [string, string[]] },
): Promise<UpdateServer> {
  const temporary = temporaryFolder();
  const folder = temporary.path;
  const port = await freePort();
  const keys = {
    txt: drawKey('certbus-key', algorithm),
    powerless: drawKey('powerless-key', algorithm),
    all: drawKey('nsupdate-key', algorithm),
  };
  const file = join(folder, 'server.conf');
  const layout = { folder, port, zones, keys };
  writeFileSync(file, configure(layout), { mode: 0o600 });
  for (const zone of zones) writeFileSync(join(folder, `${zone.name}.db`), zoneFile(zone));
  const keyFile = join(folder, 'update.key');
  writeFileSync(keyFile, keyClause(keys.all), { mode: 0o600 });
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  const [command, args] = launch(file, folder);
  const { pid, stop } = await startService(command, args, {
    isReady: async () => (await Promise.all(zones.map(({ name }) => resolver.resolveSoa(name)))).length > 0,
    folder: temporary,
  });
  let updates = 0;
  return {
    address: `127.0.0.1:${port}`,
    port,
    key: keys.txt,
    powerlessKey: keys.powerless,
    async update(zone, lines) {
      updates += 1;
      const script = join(folder, `update-${updates}`);
      writeFileSync(script, [`server 127.0.0.1 ${port}`, `zone ${zone}`, ...lines, 'send', ''].join('\n'));
      await run(findProgram('nsupdate') ?? '', ['-u', '30', '-k', keyFile, script]);
    },
    pid,
    stop,
  };
}

/** Starts Debian's BIND 9 on loopback with keys of its own. */
export function startBind(options: UpdateServerOptions): Promise<UpdateServer> {
  return start(options, {
    configure: bindConfiguration,
    launch(file, folder) {
      // Where AppArmor confines the packaged path, named may read no configuration of ours.
      const program = join(folder, 'named');
      copyFileSync(findProgram('named') ?? '', program);
      return [program, ['-g', '-4', '-n', '1', '-c', file]];
    },
  });
}

/** Starts Debian's Knot DNS on loopback with keys of its own. */
export function startKnot(options: UpdateServerOptions): Promise<UpdateServer> {
  return start(options, { configure: knotConfiguration, launch: (file) => [findProgram('knotd') ?? '', ['-c', file]] });
}
