/**
 * A machine for the commands of a guide: folders of the system below a temporary one, two CAs that stand in for those of Let's Encrypt, and
 * small programs in place of those that only root or systemd may use. All others are the real ones.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AcmeServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { freePort, temporaryFolder } from 'certbus-services';
import { replacing, type Shown } from './transcript.builders.ts';

const CLI = fileURLToPath(new URL('../../../cli', import.meta.url));
const STAGING = 'https://acme-staging-v02.api.letsencrypt.org/directory';
const PRODUCTION = 'https://acme-v02.api.letsencrypt.org/directory';

/** Folders of a machine that a guide names, which are made below the temporary one. */
const FOLDERS = [
  '/etc/certbus',
  '/etc/cron.d',
  '/etc/systemd/system',
  '/media/safe',
  '/opt/certbus',
  '/srv/certbus',
  '/usr/local/bin',
  '/var/backups',
  '/var/lib/certbus',
];
/** Those that are there from the beginning. */
const GIVEN = ['/etc/cron.d', '/etc/systemd/system', '/media/safe', '/usr/local/bin', '/var/backups'];

/** Ends the line that names a command, so that its status and the next command can be told from what it prints. */
const MARK = '\u001e';

/** How a command of a guide ended. */
export interface Ran {
  readonly status: number;
  readonly output: string;
}

export interface Machine {
  /** PEM file with what the addresses of its CAs are trusted by. */
  readonly addressRoots: string;
  /** The CA that stands in for the one with which visitors are served. */
  readonly production: Pick<AcmeServer, 'certificates'>;
  /** Runs the commands one after the other, in one shell. */
  run(commands: readonly Shown[]): Promise<readonly Ran[]>;
  stop(): Promise<void>;
}

/** Starts what the rest of its arguments names, in the background, until it says that it is ready. */
const SERVICE = `
service() {
  "$@" >"$ROOT/journal" 2>&1 &
  echo $! >"$ROOT/services/$unit"
  until grep -qsE '^(ready|listening)' "$ROOT/journal"; do
    kill -0 $! 2>/dev/null || { cat "$ROOT/journal"; exit 1; }
    sleep 0.05
  done
}
stop() {
  [ -e "$ROOT/services/$1" ] || return 0
  id=$(cat "$ROOT/services/$1")
  kill "$id"
  while kill -0 "$id" 2>/dev/null; do sleep 0.05; done
  rm "$ROOT/services/$1"
}`;

/** Waits a little for what is about to happen, and gives up where it does not: each time takes a tenth of a second or more. */
const PATIENCE = `
tries=0
again() {
  tries=$((tries + 1))
  [ $tries -lt 1200 ] || { echo "$0 gives up"; exit 1; }
  sleep 0.1
}`;

/** Programs in place of those that change the machine or that it lacks, each as a script of sh. */
const DOUBLES: Readonly<Record<string, string>> = {
  // What it installs is tested elsewhere; here the program has to be where the guide puts it.
  npm: `modules="$ROOT/opt/certbus/node_modules"
mkdir -p "$modules/.bin" "$modules/certbus"
cp -R "$CLI/systemd" "$CLI/cron" "$modules/certbus/"
cp "$ROOT/certbus" "$modules/.bin/certbus"
echo "certbus is installed in $ROOT/opt/certbus"`,
  groupadd: '',
  groupdel: '',
  useradd: '',
  userdel: '',
  install: `for word do
  shift
  case $word in -o|-g) skip=1;; *) [ -n "$skip" ] || set -- "$@" "$word"; skip=;; esac
done
exec /usr/bin/install "$@"`,
  runuser: 'shift 3\nexec "$@"',
  'systemd-run': `${SERVICE}
while :; do
  case $1 in
    --unit=*) unit=\${1#--unit=};;
    --uid=*) ;;
    -p) shift;;
    -E) shift; export "$1";;
    *) break;;
  esac
  shift
done
service "$@"
echo "Running as unit: $unit.service" >&2`,
  systemctl: `${SERVICE}
units="$ROOT/etc/systemd/system"
verb=$1
shift
for name do
  case $name in
    --now) continue;;
    *.*) file=$name;;
    *) file=$name.service;;
  esac
  unit=\${file%.service}
  wants="$units/$(sed -n 's/^WantedBy=//p' "$units/$file" 2>/dev/null).wants/$file"
  command=$(sed -n 's,^ExecStart=/usr/bin/env ,,p' "$units/$file" 2>/dev/null)
  case $verb in restart|stop|disable) stop "$unit";; esac
  case $verb in
    enable) echo "Created symlink $wants → $units/$file.";;
    disable) echo "Removed "$wants".";;
  esac
  case "$verb $command" in "enable "?*|"restart "?*) service $command --port "$PAGES_PORT";; esac
done`,
  // A reader types this seconds after the server has read of a new certificate.
  curl: `${PATIENCE}
until /usr/bin/curl --max-time 60 --cacert "$ROOT/issued.pem" --connect-to "www.example.com:443:127.0.0.1:$TLS_PORT" "$@"; do
  again
done`,
};

function writeProgram(path: string, script: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** Copies a bundled program, in which addresses of public CAs become others; not what Node compiled of it, which others write meanwhile. */
function copyProgram(from: string, to: string, change: (text: string) => string): void {
  cpSync(from, to, { recursive: true, filter: (path) => basename(path) !== 'compiled' });
  const scripts = readdirSync(to, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
  for (const path of scripts.map((name) => join(to, name))) writeFileSync(path, change(readFileSync(path, 'utf8')));
}

/** What a machine has besides. */
export interface MachineOptions {
  /** ADDRESS:PORT of a DNS server that the CAs ask. Default one that knows every name as this machine. */
  readonly dnsServer?: string;
  /** Further programs, as {@link DOUBLES}. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Further variables of the shell. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Starts a machine on which `certbus` is this program, a file for Node. */
export async function startMachine(
  program: string,
  { dnsServer, programs = {}, variables = {} }: MachineOptions = {},
): Promise<Machine> {
  const temporary = temporaryFolder();
  const root = temporary.path;
  const [httpPort, tlsPort, pagesPort] = [await freePort(), await freePort(), await freePort()];
  const dns = await startDnsServer();
  const resolver = dnsServer ?? dns.address;
  const validation = { dnsServer: resolver, httpPort, tlsPort };
  const staging = await startAcmeServer({ validation });
  const production = await startAcmeServer({ validation });
  writeFileSync(join(root, 'addresses.pem'), staging.roots + production.roots);
  writeFileSync(join(root, 'issued.pem'), production.issuedRoots.join(''));
  for (const folder of GIVEN) mkdirSync(root + folder, { recursive: true });
  for (const [name, script] of Object.entries({ ...DOUBLES, ...programs }))
    writeProgram(join(root, 'doubles', name), script);
  const copy = join(root, 'program');
  copyProgram(dirname(program), copy, (text) =>
    text.replaceAll(STAGING, staging.directory).replaceAll(PRODUCTION, production.directory),
  );
  const node = `"${process.execPath}" --conditions=certbus:source "${join(copy, basename(program))}"`;
  const local = `--http01-port ${httpPort} --resolver ${resolver}`;
  // What answers here has no name servers.
  writeFileSync(join(root, 'dns.json'), JSON.stringify({ nameServers: false }));
  writeProgram(
    join(root, 'certbus'),
    `${PATIENCE}
case $1 in
  init)
    set -- "$@" ${local}
    case "$*" in *--dns-provider*) set -- "$@" --dns-settings "$ROOT/dns.json";; esac;;
  # As for curl.
  inspect) until said=$(${node} "$@" 2>&1); do again; done; echo "$said"; exit;;
esac
exec ${node} "$@"`,
  );

  /** What a guide says, and what it is on this machine. */
  const places: readonly (readonly [string, string])[] = [
    [STAGING, staging.directory],
    [PRODUCTION, production.directory],
    [new URL(STAGING).host, new URL(staging.directory).host],
    [new URL(PRODUCTION).host, new URL(production.directory).host],
    ['--host 0.0.0.0 --port 443 --http-port 80', `--port ${tlsPort} --http-port ${httpPort}`],
    ['127.0.0.1:443', `127.0.0.1:${tlsPort}`],
    ['127.0.0.1:80', `127.0.0.1:${httpPort}`],
    [' port 80', ` port ${httpPort}`],
    ['127.0.0.1:9780', `127.0.0.1:${pagesPort}`],
    ...FOLDERS.map((folder) => [folder, root + folder] as const),
  ];
  const here = replacing(places);
  const asSaid = replacing(places.map(([said, real]) => [real, said]));

  const env = {
    PATH: [join(root, 'doubles'), join(root, 'usr/local/bin'), dirname(process.execPath), '/usr/bin:/bin'].join(':'),
    HOME: join(root, 'root'),
    LANG: 'C.UTF-8',
    ROOT: root,
    CLI,
    PAGES_PORT: String(pagesPort),
    TLS_PORT: String(tlsPort),
    NODE_EXTRA_CA_CERTS: join(root, 'addresses.pem'),
    // What the first command compiled, the others load.
    NODE_COMPILE_CACHE: join(root, 'compiled'),
    // Looked for in /etc/certbus, which is another folder here.
    CERTBUS_CONFIG: join(root, 'etc/certbus/certbus.json'),
    NO_PROXY: '*',
    ...variables,
  };
  mkdirSync(env.HOME);
  const services = join(root, 'services');
  mkdirSync(services);
  const shells: ChildProcess[] = [];
  return {
    addressRoots: env.NODE_EXTRA_CA_CERTS,
    production,
    async run(commands) {
      const script = commands.map(({ command }) => `${here(command)}\nprintf '${MARK}%s${MARK}' $?`).join('\n');
      const child = spawn('bash', ['--norc', '-c', `exec 2>&1\n${script}`], {
        cwd: env.HOME,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
        // With a group of its own, which ends as a whole.
        detached: true,
      });
      shells.push(child);
      let printed = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk));
      await once(child, 'close');
      const parts = printed.split(MARK);
      return commands.map((_, index) => ({
        output: asSaid(parts[2 * index] ?? ''),
        status: Number(parts[2 * index + 1] ?? NaN),
      }));
    },
    async stop() {
      for (const { pid, exitCode } of shells) if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGKILL');
      for (const unit of readdirSync(services)) process.kill(Number(readFileSync(join(services, unit), 'utf8')));
      await Promise.all([staging, production, dns].map((each) => each[Symbol.asyncDispose]()));
      temporary.remove();
    },
  };
}
