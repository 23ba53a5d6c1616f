/** `certbus-agent init`. */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fchmodSync, fchownSync, openSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { stateDirectoryOf } from '@certbus/replica';
import { resolveAddress } from '@certbus/store';
import { describeFileProblem, makeFolders } from '@certbus/store/sqlite-files';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../command-line/base-command.ts';
import { parseConfiguration } from '../configuration/read-configuration.ts';
import { AgentError } from '../errors.ts';
import {
  type Answers,
  configurationOf,
  findBalancers,
  PLACES,
  TARGET_TYPES,
  type TargetType,
  UNSEEN,
} from '../init/answers.ts';
import { shippedProblem } from '../init/shipped.ts';
import { http01Snippet, orderFor, snippetFor, tlsAlpn01Snippet } from '../init/snippets.ts';
import { SERVICE_STATE_DIRECTORY } from '../state-directory.ts';
import { formatToken } from '../targets/nginx/token.ts';

const SCRIPTS = fileURLToPath(new URL('../../nginx', import.meta.url));
const SYSTEMD = fileURLToPath(new URL('../../systemd', import.meta.url));
/** The answer to a question that has none. */
const NONE = 'none';
const TOKEN_BYTES = 24;
const GROUP_READS = 0o640;
const DEFAULT_FILE = '/etc/certbus/agent.json';

/** What `init` can be told. */
type Flag =
  | 'bus'
  | 'trust'
  | 'identity'
  | 'state-directory'
  | 'target'
  | 'folder'
  | 'socket'
  | 'http01'
  | 'tls-alpn01'
  | 'endpoints'
  | 'check-in'
  | 'default'
  | 'address';

/** Where the service keeps its state, and where another user's agent does. */
function defaultStateDirectory(): string {
  const { env } = process;
  const isNamed = Boolean(env['CERTBUS_STATE_DIR'] || env['STATE_DIRECTORY']);
  return process.geteuid?.() === 0 && !isNamed ? SERVICE_STATE_DIRECTORY : stateDirectoryOf(env);
}

function giveLike(file: number, { uid, gid, mode }: Stats): void {
  try {
    fchownSync(file, uid, gid);
    fchmodSync(file, mode & GROUP_READS);
  } catch {
    // Another user's: the agent says that it cannot read the file, and what to do.
  }
}

/** Writes a new file with the owner, group and mode of another one, as far as this user can. Nobody else can read it in between. */
function writeLike(path: string, text: string, model: string): void {
  const stats = statSync(model, { throwIfNoEntry: false });
  const file = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    if (stats) giveLike(file, stats);
  } finally {
    closeSync(file);
  }
}

/** Makes a file and the folders above it, see {@link writeLike}. Throws `CERTBUS_AGENT_CONFIG_INVALID` where this user cannot. */
function make(path: string, text: string, model: string): void {
  try {
    makeFolders(dirname(path), { mode: 0o777 });
    writeLike(path, text, model);
  } catch (cause) {
    const what = `${path} cannot be made: ${describeFileProblem(cause, path)}. Run this as root, or name other places with --config and --folder.`;
    throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what, { cause });
  }
}

const isTargetType = (text: string): text is TargetType => (TARGET_TYPES as readonly string[]).includes(text);

export default class Init extends BaseCommand {
  static override summary = "Write agent.json, and print what the balancer's own configuration needs.";
  static override description =
    'Asks what is not given as a flag, where there is a terminal. Nothing that is there is written over.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> \\\n  --bus 'dynamodb://certbus/prod?region=eu-central-1' --trust bus.pub \\\n  --identity loadbalancer.key --target haproxy",
  ];
  static override flags = {
    bus: Flags.string({ description: 'address of the bus, such as dynamodb://TABLE/STREAM or sqlite:PATH' }),
    trust: Flags.string({ description: 'the trust file, bus.pub' }),
    identity: Flags.string({ description: "this group's age identity, loadbalancer.key" }),
    target: Flags.string({ description: 'what is fed; default what is found here', options: [...TARGET_TYPES] }),
    folder: Flags.string({ description: 'where the files go' }),
    socket: Flags.string({ description: "the balancer's socket" }),
    'state-directory': Flags.string({ description: 'where the agent keeps its replica, status and pauses' }),
    http01: Flags.string({ description: `answer HTTP-01 on HOST:PORT or on the path of a socket, or "${NONE}"` }),
    'tls-alpn01': Flags.string({
      description: `answer TLS-ALPN-01 on HOST:PORT or on the path of a socket, or "${NONE}"`,
    }),
    endpoints: Flags.string({
      description: `serve /healthz and /metrics on PORT of 127.0.0.1, or on HOST:PORT, or "${NONE}"`,
    }),
    'check-in': Flags.string({
      description: `URL of a dead man's switch, called while everything is in place, or "${NONE}"`,
    }),
    default: Flags.string({
      description: `the name whose certificate clients without a server name get, or "${NONE}"`,
    }),
    address: Flags.string({
      description: `HOST:PORT where the balancer takes TLS: what it shows there is compared, or "${NONE}"`,
    }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Init);
    const file = resolve(flags.config ?? DEFAULT_FILE);
    if (existsSync(file)) {
      const what = `${file} is there already, and is not written over. Edit it, or name another file with --config.`;
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what);
    }
    // As where a variable of a shell is not set: a folder of that name would be the one that this is run in.
    const empty = Object.entries(flags).find(([, value]) => value === '');
    if (empty)
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `--${empty[0]} is empty. Give it a value, or leave it out.`);
    const answers = await this.#answers(flags);
    const text = `${JSON.stringify(configurationOf(answers), undefined, 2)}\n`;
    // What could not be read back is not written.
    const { targets } = parseConfiguration(text, file);
    const [target] = targets;
    const made = [file];
    // Before the file of the configuration: where this fails, the command can be run again.
    if (target?.type === 'nginx' && !existsSync(target.tokenFile)) {
      make(target.tokenFile, formatToken(randomBytes(TOKEN_BYTES).toString('base64url')), answers.identity);
      made.push(target.tokenFile);
      this.log(`made ${target.tokenFile}, for those who can read ${answers.identity}; nginx reads it as root`);
    }
    // It can hold the URL of a check-in.
    make(file, text, answers.identity);
    this.log(`made ${file}, for those who can read ${answers.identity}`);
    const places = { scripts: SCRIPTS, systemd: SYSTEMD };
    const snippet = target ? snippetFor(target, places) : '';
    const http01 = answers.http01 === undefined ? undefined : http01Snippet(answers.target, answers.http01);
    const tlsAlpn01 = answers.tlsAlpn01 === undefined ? undefined : tlsAlpn01Snippet(answers.target, answers.tlsAlpn01);
    const snippets = [snippet, http01, tlsAlpn01].filter(Boolean);
    this.log(`\nAdd to the configuration of the balancer:\n\n${snippets.join('\n')}`);
    this.log(`${orderFor(answers.target)} "certbus-agent check" shows what would change.`);
    const problem = shippedProblem(answers.target, places);
    if (problem !== undefined) this.log(problem);
    for (const path of [answers.trust, answers.identity])
      if (!existsSync(path)) this.log(`${path} is not there yet: copy it from the folder that "certbus init" made.`);
    if (!existsSync(answers.identity)) {
      const [files, like] = [made.join(' '), `--reference=${answers.identity}`];
      this.log(`Then give ${made.join(' and ')} its owner and mode: chown ${like} ${files} && chmod ${like} ${files}`);
    }
    return { file, snippet, http01: http01 ?? null, tlsAlpn01: tlsAlpn01 ?? null };
  }

  async #answers(flags: Readonly<Record<Flag, string | undefined>>): Promise<Answers> {
    const terminal = process.stdin.isTTY && process.stderr.isTTY && !this.jsonEnabled();
    const lines: Interface | undefined = terminal
      ? createInterface({ input: process.stdin, output: process.stderr })
      : undefined;
    const ask = async (flag: string, question: string, otherwise: string | undefined): Promise<string> => {
      const shown = otherwise === undefined ? '' : ` [${otherwise}]`;
      const answer = await lines?.question(`${question}${shown} `, { signal: this.signal });
      const given = answer?.trim() || otherwise;
      if (given) return given;
      if (lines) return ask(flag, question, otherwise);
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `There is no terminal to ask on; add --${flag}.`);
    };
    try {
      const bus = resolveAddress(flags.bus ?? (await ask('bus', 'Address of the bus?', undefined)), process.cwd());
      const trust = resolve(flags.trust ?? (await ask('trust', 'Trust file?', '/etc/certbus/bus.pub')));
      const identity = resolve(
        flags.identity ??
          (await ask('identity', 'Identity of this group of load balancers?', '/etc/certbus/loadbalancer.key')),
      );
      const question = 'Where does the agent keep its replica, status and pauses?';
      const stateDirectory = resolve(
        flags['state-directory'] ?? (await ask('state-directory', question, defaultStateDirectory())),
      );
      const found = findBalancers();
      const [first = 'files', second] = found;
      const both =
        second === undefined ? '' : ` Found here: ${found.join(', ')}; add the other one to "targets" later.`;
      const type = flags.target ?? (await ask('target', `What is fed (${TARGET_TYPES.join(', ')})?${both}`, first));
      if (!isTargetType(type))
        throw new AgentError(
          'CERTBUS_AGENT_CONFIG_INVALID',
          `"${type}" is not a type of target. Choose one of ${TARGET_TYPES.join(', ')}.`,
        );
      const place = PLACES[type];
      const folder = resolve(flags.folder ?? (await ask('folder', 'Where do the files go?', place.folder)));
      const needsSocket = place.socket !== '';
      const socket = flags.socket ?? (needsSocket ? await ask('socket', "The balancer's socket?", place.socket) : '');
      const orNone = async (flag: Flag, question: string): Promise<string | undefined> => {
        const answer = flags[flag] ?? (await ask(flag, question, NONE));
        return answer === NONE ? undefined : answer;
      };
      const http01 = await orNone('http01', 'Answer HTTP-01 on HOST:PORT, such as 127.0.0.1:8402, or not?');
      const tlsAlpn01 = await orNone('tls-alpn01', 'Answer TLS-ALPN-01 on HOST:PORT, such as 127.0.0.1:8403, or not?');
      const endpoints = await orNone('endpoints', 'Serve /healthz and /metrics on a port, such as 9402, or not?');
      const checkIn = await orNone('check-in', "URL of a dead man's switch?");
      const defaultName = await orNone('default', 'Name whose certificate clients without a server name get?');
      const ofAddress = 'HOST:PORT where it takes TLS, such as 127.0.0.1:443, to compare what it shows, or not?';
      const isAsked = flags.address !== undefined || UNSEEN.includes(type);
      const address = isAsked ? await orNone('address', ofAddress) : undefined;
      return {
        bus,
        trust,
        identity,
        stateDirectory,
        target: type,
        folder,
        socket: socket && resolve(socket),
        http01,
        tlsAlpn01,
        endpoints,
        checkIn,
        defaultName,
        address,
      };
    } finally {
      lines?.close();
    }
  }
}
