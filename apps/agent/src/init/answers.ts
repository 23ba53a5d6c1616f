/** What `certbus-agent init` asks, and what it finds on this machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfiguration, TargetConfiguration } from '../configuration/configuration.ts';

/** Kinds of targets that `init` sets up. */
export const TARGET_TYPES = ['haproxy', 'nginx', 'nginx-files', 'files'] as const;

/** One of {@link TARGET_TYPES}. */
export type TargetType = (typeof TARGET_TYPES)[number];

/** Answers to the questions of `init`. */
export interface Answers {
  readonly bus: string;
  readonly trust: string;
  readonly identity: string;
  readonly stateDirectory: string;
  readonly target: TargetType;
  readonly folder: string;
  readonly socket: string;
  /** `HOST:PORT` or the path of a socket; `undefined` where challenges are not answered here. */
  readonly http01: string | undefined;
  /** The same for TLS-ALPN-01. */
  readonly tlsAlpn01: string | undefined;
  /** `PORT` of 127.0.0.1 or `HOST:PORT` of `/healthz` and `/metrics`; `undefined` where they are not served. */
  readonly endpoints: string | undefined;
  /** The URL of a dead man's switch. */
  readonly checkIn: string | undefined;
  readonly defaultName: string | undefined;
  /** `HOST:PORT` where the balancer takes TLS; `undefined` where what it shows is not compared. */
  readonly address: string | undefined;
}

const PROGRAMS: Readonly<Record<'haproxy' | 'nginx', readonly string[]>> = {
  haproxy: ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy'],
  nginx: ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/local/nginx/sbin/nginx'],
};

/** Where nginx's packages put the module njs. */
const NJS = [
  '/usr/lib/nginx/modules',
  '/usr/lib64/nginx/modules',
  '/usr/share/nginx/modules',
  '/etc/nginx/modules',
  '/usr/local/nginx/modules',
].map((folder) => `${folder}/ngx_http_js_module.so`);

/** What runs on this machine, as far as its usual places say. An nginx without njs would not start with the lines for one that has it. */
export function findBalancers(root = '/'): readonly TargetType[] {
  const isAnyThere = (paths: readonly string[]) => paths.some((path) => existsSync(join(root, path)));
  const found: TargetType[] = [];
  if (isAnyThere(PROGRAMS.haproxy)) found.push('haproxy');
  if (isAnyThere(PROGRAMS.nginx)) found.push(isAnyThere(NJS) ? 'nginx' : 'nginx-files');
  return found;
}

/** How nginx without njs is tested and reloaded, where its agent is not root: units of systemd, which a rule of polkit lets the agent start. */
const bySystemd = () => ({
  test: { command: ['/usr/bin/systemctl', 'start', 'certbus-nginx-test.service'] },
  after: { command: ['/usr/bin/systemctl', 'reload', 'nginx.service'] },
});

/** Whether systemd runs this machine (sd_booted(3)). */
const hasSystemd = (): boolean => existsSync('/run/systemd/system');

/** The group of nginx's workers, by the names that distributions give it; `undefined` where none of them is there. */
function workersGroup(): string | undefined {
  try {
    const groups = new Set(
      readFileSync('/etc/group', 'utf8')
        .split('\n')
        .map((line) => line.split(':')[0]),
    );
    return ['www-data', 'nginx'].find((name) => groups.has(name));
  } catch {
    return undefined;
  }
}

/** Targets of which the agent knows nothing but the files that it wrote, unless it asks by TLS what is shown. */
export const UNSEEN: readonly TargetType[] = ['nginx-files', 'files'];

/** Where each kind of target has its files and its socket, unless told. */
export const PLACES: Readonly<Record<TargetType, { readonly folder: string; readonly socket: string }>> = {
  haproxy: { folder: '/var/lib/certbus-agent/haproxy', socket: '/run/haproxy/admin.sock' },
  nginx: { folder: '/etc/certbus', socket: '/run/certbus-nginx/admin.sock' },
  // Not in the agent's own folder, which nginx's workers do not enter: the identity may be there.
  'nginx-files': { folder: '/var/lib/certbus-nginx', socket: '' },
  files: { folder: '/var/lib/certbus-agent/files', socket: '' },
};

function targetOf({ target: type, folder, socket, defaultName, address }: Answers): TargetConfiguration {
  const common = {
    ...(defaultName === undefined ? {} : { default: defaultName }),
    ...(address === undefined ? {} : { address }),
  };
  switch (type) {
    case 'files':
      return { type, folder, ...common };
    case 'nginx-files': {
      const group = workersGroup();
      return {
        type,
        folder,
        ...(group === undefined ? {} : { group }),
        ...(hasSystemd() ? bySystemd() : {}),
        ...common,
      };
    }
    case 'haproxy':
      return { type, folder, socket, ...common };
    case 'nginx':
      return { type, socket, tokenFile: `${folder}/nginx-token.conf`, ...common };
  }
}

function endpointsOf(place: string): NonNullable<AgentConfiguration['endpoints']> {
  const at = place.lastIndexOf(':');
  const port = Number(place.slice(at + 1));
  return at < 0 ? { port } : { port, host: place.slice(0, at).replace(/^\[|\]$/g, '') };
}

/** The configuration that answers lead to. */
export function configurationOf(answers: Answers): AgentConfiguration {
  const { bus, trust, identity, stateDirectory, http01, tlsAlpn01, endpoints, checkIn } = answers;
  return {
    ...{ bus, trust, identity, stateDirectory },
    ...(http01 === undefined ? {} : { http01: { listen: http01 } }),
    ...(tlsAlpn01 === undefined ? {} : { tlsAlpn01: { listen: tlsAlpn01 } }),
    ...(endpoints === undefined ? {} : { endpoints: endpointsOf(endpoints) }),
    ...(checkIn === undefined ? {} : { checkIn }),
    targets: [targetOf(answers)],
  };
}
