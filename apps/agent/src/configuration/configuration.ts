/** What `agent.json` may say. */
import { relative } from 'node:path/posix';
import { normalizeName } from '@certbus/events';
import * as v from 'valibot';

const text = v.pipe(v.string(), v.nonEmpty('must not be empty'));
const path = v.pipe(v.string(), v.regex(/^\/[^\0]*$/, 'must be a full path, from / on'));
/** A path that a balancer's own configuration and commands name, where a blank, a quote or a semicolon ends it. */
const plainPath = v.pipe(
  path,
  v.regex(
    /^[\w./@:,+=~-]*$/,
    "must have only ASCII letters, digits and ./@:,+=~_-: the balancer's configuration names it, too",
  ),
);
/** Linux takes no longer one for the path of a socket (unix(7)). */
const MAX_SOCKET_PATH = 107;
const socketPath = v.pipe(
  plainPath,
  v.maxLength(MAX_SOCKET_PATH, `must have at most ${MAX_SOCKET_PATH} characters, as the path of a socket`),
);
const milliseconds = v.pipe(
  v.number(),
  v.integer('must be a whole number'),
  v.minValue(0, 'must not be negative'),
  v.maxValue(86_400_000, 'must be a day at most'),
);
const MAX_PORT = 65_535;
const WRONG_ADDRESS = `must be HOST:PORT, with a port up to ${MAX_PORT}`;
const address = v.pipe(
  v.string(),
  v.regex(/^(?:\[[0-9a-f:.]+\]|[^\s:/@]+):\d{1,5}$/i, WRONG_ADDRESS),
  v.check((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= MAX_PORT, WRONG_ADDRESS),
);
/** A name in the one form that certificates have: one in upper case, in another script or with a dot at its end would fit none of them. */
const name = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return normalizeName(dataset.value);
    } catch {
      addIssue({ message: 'must be a name or an IP address, or *.NAME for every name below it' });
      return NEVER;
    }
  }),
);
const WRONG_PORT = `must be a port, from 0 to ${MAX_PORT}`;
const port = v.pipe(
  v.number(WRONG_PORT),
  v.integer(WRONG_PORT),
  v.minValue(0, WRONG_PORT),
  v.maxValue(MAX_PORT, WRONG_PORT),
);

const CommandSchema = v.strictObject({
  command: v.pipe(
    v.array(text),
    v.minLength(1, 'must name a program'),
    v.check(([program = '']) => program.startsWith('/'), 'must begin with the full path of the program'),
  ),
  timeoutMs: v.optional(v.pipe(milliseconds, v.minValue(1, 'must be 1 at least'))),
});

/** Lists without an entry would take every certificate from a balancer: more often the mistake of what wrote them than meant. */
const selection = v.pipe(
  v.strictObject({ ids: v.optional(v.array(text)), names: v.optional(v.array(name)) }),
  v.check(
    ({ ids, names }) => (ids ?? names) === undefined || (ids ?? []).length + (names ?? []).length > 0,
    'must have a name or an id: empty lists would remove every certificate from the target. Leave "certificates" out for all of the bus, or take the target out',
  ),
);

/** What every target has. */
const common = {
  name: v.optional(
    v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'must be letters, digits, dots and dashes')),
  ),
  certificates: v.optional(selection),
  default: v.optional(name),
  windowMs: v.optional(milliseconds),
  spreadMs: v.optional(milliseconds),
};

/** A folder above that of a target that others may write to: a volume of a pod. */
const sharedVolume = v.optional(path);

/** Where a target's files are, and who may read them. */
const files = {
  folder: path,
  sharedVolume,
  owner: v.optional(text),
  group: v.optional(text),
  mode: v.optional(
    v.pipe(v.string(), v.regex(/^0?[4-7][0-7]0$/, 'must be an octal mode without any access of others, such as 0640')),
  ),
  keyEncoding: v.optional(v.picklist(['pkcs8', 'traditional'])),
};

const FilesTargetSchema = v.strictObject({
  type: v.literal('files'),
  ...common,
  ...files,
  layout: v.optional(v.picklist(['certbot', 'lego', 'combined', 'pkcs12'])),
  /** Of the layout `pkcs12`, which needs one. */
  passwordFile: v.optional(path),
  replaceBy: v.optional(v.picklist(['swap', 'replace'])),
  test: v.optional(CommandSchema),
  after: v.optional(CommandSchema),
  address: v.optional(address),
});

const HaproxyTargetSchema = v.strictObject({
  type: v.literal('haproxy'),
  ...common,
  ...files,
  folder: plainPath,
  socket: socketPath,
  balancerFolder: v.optional(plainPath),
  bufferSize: v.optional(
    v.pipe(v.number(), v.integer('must be a whole number'), v.minValue(4_096, 'must be 4096 at least')),
  ),
  address: v.optional(address),
});

const NginxTargetSchema = v.strictObject({
  type: v.literal('nginx'),
  ...common,
  socket: socketPath,
  tokenFile: plainPath,
  /** With Lua: files for its start. */
  folder: v.optional(plainPath),
  sharedVolume,
  address: v.optional(address),
});

const NginxFilesTargetSchema = v.strictObject({
  type: v.literal('nginx-files'),
  ...common,
  ...files,
  folder: plainPath,
  test: v.optional(CommandSchema),
  after: v.optional(CommandSchema),
  address: v.optional(address),
});

/** Whether a folder is below another one, and not that itself: anyone who can write there could put another one in the place of its files. */
const isBelow = (folder: string, above: string): boolean => /^(?!\.\.(?:\/|$))./.test(relative(above, folder));

const TargetSchema = v.pipe(
  v.variant('type', [FilesTargetSchema, HaproxyTargetSchema, NginxTargetSchema, NginxFilesTargetSchema]),
  v.check(
    (target) => target.type !== 'files' || (target.layout === 'pkcs12') === (target.passwordFile !== undefined),
    'the layout pkcs12 needs a "passwordFile", and no other has one',
  ),
  v.check(
    ({ folder, sharedVolume: volume }) => volume === undefined || (folder !== undefined && isBelow(folder, volume)),
    '"folder" must be a folder below "sharedVolume", and not that volume itself: the agent makes it, and nobody else can write to it',
  ),
);

/** Where the balancer sends challenges. */
const ChallengesSchema = v.strictObject({
  listen: v.union(
    [address, socketPath],
    `${WRONG_ADDRESS}, or the full path of a socket: at most ${MAX_SOCKET_PATH} ASCII letters, digits and ./@:,+=~_-`,
  ),
  group: v.optional(text),
});

const WRONG_URL = 'must be an http or https URL without a user name and a password';
// Its path is as good as a secret: no message shows it.
const url = v.pipe(v.string(), v.url(WRONG_URL), v.regex(/^https?:\/\/[^\s/?#@]+(?:[/?#]\S*)?$/i, WRONG_URL));
const CheckInSchema = v.union(
  [url, v.strictObject({ url, everyMs: v.optional(v.pipe(milliseconds, v.minValue(1, 'must be 1 at least'))) })],
  'must be an http or https URL without a user name and a password, or { "url": URL, "everyMs": NUMBER }',
);

/** An address to listen on; that of IPv6 can be in the brackets that it has before a port. */
const host = v.pipe(
  text,
  v.transform((written) => written.replace(/^\[(.*)\]$/, '$1')),
);

/** The schema of `agent.json`. */
export const AgentConfigurationSchema = v.strictObject({
  bus: text,
  trust: text,
  identity: text,
  archive: v.optional(text),
  stateDirectory: v.optional(path),
  intervalMs: v.optional(v.pipe(milliseconds, v.minValue(100, 'must be 100 at least'))),
  http01: v.optional(ChallengesSchema),
  tlsAlpn01: v.optional(ChallengesSchema),
  endpoints: v.optional(v.strictObject({ port, host: v.optional(host) })),
  checkIn: v.optional(CheckInSchema),
  /** How long a target may fail before `/healthz` is bad. */
  behindAfterMs: v.optional(milliseconds),
  targets: v.pipe(v.array(TargetSchema), v.minLength(1, 'must have one entry at least')),
});

/** `agent.json`, as it is written. */
export type AgentConfiguration = v.InferOutput<typeof AgentConfigurationSchema>;

/** One entry of `targets`. */
export type TargetConfiguration = AgentConfiguration['targets'][number];
