/** The pages of `certbus help` that are not about one command. */
import { EXIT_MEANINGS } from '../exit-status.ts';

/** A page of help. */
export interface Page {
  readonly summary: string;
  readonly text: string;
}

/** Two columns, the first as wide as its longest entry. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`).join('\n');
}

const VARIABLES: readonly (readonly [string, string])[] = [
  ['CERTBUS_CONFIG', 'the local configuration, as --config'],
  ['CERTBUS_BUS', 'address of the bus'],
  ['CERTBUS_TRUST', 'the trust file bus.pub, or its text'],
  ['CERTBUS_ARCHIVE', 'address of the archive'],
  ['CERTBUS_MANAGER_KEY_FILE', 'file of the manager key'],
  ['CERTBUS_IDENTITY_FILE', "file of a load balancer's identity"],
  ['CERTBUS_ROOT_KEY_FILE', 'file of the root key'],
  ['CERTBUS_STATE_DIR', 'where replicas are kept'],
  ['CERTBUS_ACCEPT_STALE', '1: as --accept-stale'],
  ['CERTBUS_CHECKPOINT', 'file or ssm:/PATH of how far the manager has read'],
  ['CERTBUS_LOG', 'debug, info, warn, error or silent; default warn'],
  ['CERTBUS_LOG_FORMAT', 'text or json; default text'],
  ['CERTBUS_SECRET_…', 'secrets that the configuration names'],
  ['CERTBUS_SECRET_…_HOSTS', 'hosts at which such a secret can be used'],
  ['HTTPS_PROXY, NO_PROXY', 'the proxy, and hosts that are reached without it'],
  ['NO_COLOR', 'any value: no colours'],
  ['VISUAL, EDITOR', 'the editor of "certbus conf edit"'],
];

const FILES: readonly (readonly [string, string])[] = [
  ['certbus.json', 'where everything is on this machine'],
  ['bus.pub', 'id, root and floor of the bus; not secret'],
  ['manager.key', 'signs commits, opens the configuration'],
  ['loadbalancer.key', 'opens private keys; on load balancers'],
  ['backup.key', 'opens private keys; keep it offline'],
  ['root.key', 'names who manages the bus; keep it offline'],
  ['bus.db', 'the bus itself, where it is a SQLite file'],
];

/** All pages, by the name that `certbus help` takes. */
export const PAGES: Readonly<Record<string, Page>> = {
  environment: {
    summary: 'environment variables',
    text: `ENVIRONMENT

A flag comes before a variable, a variable before the file. An empty
variable is not set. The variables of key files exist without _FILE, too:
then they have the text of the key, or where it is: ssm:/PATH or
secretsmanager:NAME. Secrets can be such references, too.

${columns(VARIABLES)}
`,
  },
  'exit-codes': {
    summary: 'what the exit status of a command means',
    text: `EXIT CODES

${columns(EXIT_MEANINGS.map(([status, meaning]) => [String(status), meaning]))}

With --json the same number is "exitCode", and "error" has a code for
each cause: see docs/errors.md.
`,
  },
  files: {
    summary: 'files of this machine',
    text: `FILES

certbus.json is looked for here, in $XDG_CONFIG_HOME/certbus (default
~/.config/certbus) and in /etc/certbus. Paths in it begin at its folder.
Key files that others can read or change are refused.

${columns(FILES)}

Replicas are in $CERTBUS_STATE_DIR, $STATE_DIRECTORY,
$XDG_STATE_HOME/certbus or ~/.local/state/certbus.
`,
  },
  formats: {
    summary: 'output for people and for programs',
    text: `FORMATS

Data goes to standard output, all else to standard error. On a terminal
lists are tables, cut to the window. Piped, they are tab-separated lines
without a header, and whole.

--json prints one object for every command:

  {
    "status": "ok",        or "failed"
    "result": {},          what the command found or did
    "warnings": [],
    "error": null,         or code, message and next
    "exitCode": 0
  }

"bus log --follow --json" prints one commit a line. --log-format json
writes the log and progress to standard error as one object a line.
--quiet leaves out progress, --verbose adds the log of each step.

--at TIME shows what the bus said at a time: certificates, campaigns,
events, keys, accounts and the configuration. What looks at this machine,
at a server or at a CA has no --at.
`,
  },
};
