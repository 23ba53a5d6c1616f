import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DnsServer, startDnsServer } from '../../dns/dns-server.builders.ts';
import type { Program } from './solver.ts';

/** What programs of tests are made of: a DNS host whose values are files, `records/NAME/VALUE`, and which wants a key. */
const CHANGE = `#!/bin/sh
set -eu
change() {
  read -r key < "$DNS_STORE/key"
  [ "$DNS_KEY" = "$key" ] || { echo "the key $DNS_KEY is wrong" >&2; exit 3; }
  folder=$DNS_STORE/records/$2
  echo "$1" >> "$DNS_STORE/log"
  case $1 in
    present) [ -d "$folder" ] || mkdir -p "$folder"; : > "$folder/$3" ;;
    cleanup) rm -f "$folder/$3" ;;
    *) exit 2 ;;
  esac
}
follow() {
  target=$1
  while [ -f "$DNS_STORE/aliases/$target" ]; do read -r target < "$DNS_STORE/aliases/$target"; done
}
`;

const FILES = {
  json: `${CHANGE}
read -r request
field() { rest=\${request#*\\"$1\\":\\"}; found=\${rest%%\\"*}; }
field action; action=$found
field fqdn; fqdn=$found
field value
change "$action" "\${fqdn%.}" "$found"
`,
  lego: `${CHANGE}
change "$1" "\${2%.}" "$3"
`,
  'lego-raw': `${CHANGE}
[ "$2" = -- ]
follow "_acme-challenge.$3"
case $5 in "$4".*) change "$1" "$target" "raw $5" ;; *) exit 2 ;; esac
`,
  auth: `${CHANGE}
follow "_acme-challenge.$CERTBOT_DOMAIN"
[ -z "\${CERTBOT_AUTH_OUTPUT+x}" ]
change present "$target" "$CERTBOT_VALIDATION"
echo "$CERTBOT_REMAINING_CHALLENGES $CERTBOT_ALL_DOMAINS" >> "$DNS_STORE/batch"
echo "  record of $CERTBOT_VALIDATION  "
`,
  clean: `${CHANGE}
follow "_acme-challenge.$CERTBOT_DOMAIN"
change cleanup "$target" "$CERTBOT_VALIDATION"
echo "$CERTBOT_AUTH_OUTPUT" >> "$DNS_STORE/outputs-seen"
`,
  /** A double of what the shim asks of acme.sh, whose script ends with a command line of its own. */
  'acme.sh': `#!/usr/bin/env sh
_initpath() {
  [ -d "$LE_WORKING_DIR" ] || return 1
  ACCOUNT_CONF_PATH=$LE_CONFIG_HOME/account.conf
}
_info() { echo "$*"; }
_err() { echo "$*" >&2; return 1; }
_saveaccountconf_mutable() { echo "SAVED_$1='$2'" >> "$ACCOUNT_CONF_PATH"; echo "$ACCOUNT_CONF_PATH" >> "$DNS_STORE/saved"; }
main() {
  [ -z "$1" ] && echo "Usage: acme.sh <command>" && return
  echo "$*" >> "$DNS_STORE/commands"
  "$@"
}
main "$@"
`,
  'dns_double.sh': `#!/usr/bin/env sh
dns_double_info='A DNS host of a test'
dns_double_add() {
  fulldomain=$1
  txtvalue=$2
  _double_change present
}
dns_double_rm() {
  fulldomain=$1
  txtvalue=$2
  _double_change cleanup
}
_double_change() {
  read -r key < "$DNS_STORE/key"
  if [ "$DNS_KEY" != "$key" ]; then
    _err "the key $DNS_KEY is wrong"
    return 1
  fi
  _saveaccountconf_mutable DNS_KEY "$DNS_KEY"
  _info "$1 $fulldomain"
  echo "$1" >> "$DNS_STORE/log"
  if [ "$1" = present ]; then
    [ -d "$DNS_STORE/records/$fulldomain" ] || mkdir -p "$DNS_STORE/records/$fulldomain"
    : > "$DNS_STORE/records/$fulldomain/$txtvalue"
  else
    rm -f "$DNS_STORE/records/$fulldomain/$txtvalue"
  fi
}
`,
} as const;

/** A DNS host of files, its programs, and a DNS server that shows what lies in the files. */
export interface ProgramHost {
  readonly folder: string;
  readonly key: string;
  readonly dns: DnsServer;
  program(preset: Program['preset'], key?: string): Program;
  /** Writes a script of the test's own, and returns its path. */
  script(name: string, text: string): string;
  values(name: string): readonly string[];
  addForeign(name: string, value: string): void;
  alias(name: string, target: string): void;
  stop(): Promise<void>;
}

/** What a file of the host stands for; in raw mode it is the host that makes the value. */
function shownValue(file: string): string {
  const [, keyAuthorization] = /^raw (.*)$/.exec(file) ?? [];
  return keyAuthorization === undefined ? file : createHash('sha256').update(keyAuthorization).digest('base64url');
}

/** Makes one, in a temporary folder. */
export async function startProgramHost(zones: readonly string[]): Promise<ProgramHost> {
  const folder = mkdtempSync(join(tmpdir(), 'certbus-exec-'));
  const key = crypto.randomUUID();
  const aliases = new Map<string, string>();
  for (const name of ['records', 'aliases']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'key'), `${key}\n`);

  function script(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    chmodSync(path, 0o755);
    return path;
  }
  for (const [name, text] of Object.entries(FILES)) script(name, text);

  function values(name: string): readonly string[] {
    try {
      return readdirSync(join(folder, 'records', name)).map(shownValue);
    } catch {
      return [];
    }
  }

  const dns = await startDnsServer({ zones, aliases, txt: values });
  return {
    folder,
    key,
    dns,
    script,
    values,
    program(preset, ownKey = key) {
      const name = `my ${preset}`;
      const env = { DNS_STORE: folder, DNS_KEY: ownKey };
      const common = { name, env, secrets: [ownKey] };
      switch (preset) {
        case 'certbot': {
          const [path, cleanup] = [join(folder, 'auth'), join(folder, 'clean')];
          return { ...common, preset, path, cleanup, outputs: join(folder, 'state', 'outputs') };
        }
        case 'acme.sh':
          return { ...common, preset, path: join(folder, 'acme.sh'), dnsapi: join(folder, 'dns_double.sh') };
        case 'json':
        case 'lego':
        case 'lego-raw':
          return { ...common, preset, path: join(folder, preset) };
      }
    },
    addForeign(name, value) {
      mkdirSync(join(folder, 'records', name), { recursive: true });
      writeFileSync(join(folder, 'records', name, value), '');
    },
    alias(name, target) {
      aliases.set(name, target);
      writeFileSync(join(folder, 'aliases', name), `${target}\n`);
    },
    async stop() {
      await dns.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
