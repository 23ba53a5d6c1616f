/** Debian's Alertmanager, started, and the program that checks rules of Prometheus. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackages } from './debian-packages.ts';
import { freePort, hasProgram, temporaryFolder } from './machine.ts';
import { startService } from './process.ts';

const NAME = 'prometheus-2.42';
const PACKAGES = { prometheus: '2.42.0+ds-5+deb12u1', 'prometheus-alertmanager': '0.25.0-1+b4' } as const;

/** An Alertmanager on loopback, which tells nobody. */
export interface Alertmanager {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Why this machine cannot have Prometheus; `undefined` when it can. */
export function missingPrometheus(): string | undefined {
  if (existsSync(debianPackageFolder(NAME))) return undefined;
  return hasProgram('apt-get') ? undefined : "Prometheus is unpacked from Debian's package, which needs apt-get";
}

/** Where Debian's Alertmanager has its templates, without which it does not start, and the same length of a path to the folder that it runs in. */
const SHARE = '/usr/share/prometheus/alertmanager';
const RUN_IN = '/proc/self/cwd'.padEnd(SHARE.length, '/.');

/** Programs of Prometheus, unpacked. */
interface Programs {
  readonly promtool: string;
  /** Runs in the folder {@link Programs.share}. */
  readonly alertmanager: string;
  readonly share: string;
}

/** The program, looking for its templates where it runs: nobody installs it into this machine. */
function relocate(program: string): string {
  const moved = `${program}-here`;
  if (existsSync(moved)) return moved;
  const bytes = readFileSync(program);
  for (let at = bytes.indexOf(SHARE); at >= 0; at = bytes.indexOf(SHARE, at)) bytes.write(RUN_IN, at);
  // Another process may do the same.
  const own = `${moved}-${process.pid}`;
  writeFileSync(own, bytes, { mode: 0o755 });
  renameSync(own, moved);
  return moved;
}

/** Finds or installs the programs of Prometheus. */
export async function findPrometheus(): Promise<Programs> {
  const folder = await installDebianPackages(NAME, PACKAGES);
  const bin = join(folder, 'usr', 'bin');
  const alertmanager = relocate(join(bin, 'prometheus-alertmanager'));
  return { promtool: join(bin, 'promtool'), alertmanager, share: join(folder, SHARE) };
}

/** Starts an Alertmanager, on any port unless told. It takes alerts, and has nobody to tell. */
export async function startAlertmanager({ port: wanted }: { readonly port?: number } = {}): Promise<Alertmanager> {
  const { alertmanager, share } = await findPrometheus();
  const folder = temporaryFolder();
  const file = join(folder.path, 'alertmanager.yml');
  writeFileSync(file, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n');
  const port = wanted ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const flags = [
    `--config.file=${file}`,
    `--storage.path=${folder.path}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ];
  const { stop } = await startService(alertmanager, flags, {
    cwd: share,
    isReady: async () => (await fetch(`${url}/-/ready`)).status === 200,
    folder,
  });
  return { url, port, stop };
}
