/** The programs of this machine that `exec` solvers can run, as `certbus.json` describes them. */
import { existsSync } from 'node:fs';
import { ManagerError, resolveSecret, type SecretSource } from '@certbus/manager';
import type { Program } from '@certbus/solvers';
import { secretVariable } from '@certbus/solvers';
import * as v from 'valibot';
import { RuntimeError } from './errors.ts';
import { checkOwnToWrite } from './key-files.ts';
import type { LocalPrograms } from './local-config.ts';

/** A variable for a program: its text, or where a secret is. */
type Variable = string | { readonly env: string };

interface AnyProgram {
  /** Absolute path. */
  readonly path: string;
  readonly env?: Readonly<Record<string, Variable>> | undefined;
  /** How long one run may take, in seconds; default 120. */
  readonly timeoutS?: number | undefined;
  /** Whether runs for one zone come one after another. */
  readonly sequential?: boolean | undefined;
}

/** A program of this machine, as `programs` in `certbus.json` defines it. */
export type ProgramSettings =
  | (AnyProgram & {
      readonly preset: 'json' | 'lego' | 'lego-raw';
      readonly args?: readonly string[] | undefined;
    })
  | (AnyProgram & {
      readonly preset: 'certbot';
      readonly args?: readonly string[] | undefined;
      /** Absolute path of the clean-up hook. */
      readonly cleanup?: string | undefined;
    })
  | (AnyProgram & {
      readonly preset: 'acme.sh';
      /** Absolute path of a file of its dnsapi. */
      readonly dnsapi: string;
    });

type Programs = Readonly<Record<string, ProgramSettings>>;

const text = v.string('must be a string');
const absolutePath = v.pipe(text, v.regex(/^\//, 'must be an absolute path'));
const variable = v.union(
  [text, v.strictObject({ env: secretVariable })],
  'must be a string or {"env": "CERTBUS_SECRET_…"}',
);
const any = {
  path: absolutePath,
  env: v.optional(v.record(v.pipe(text, v.regex(/^[A-Za-z_]\w*$/, 'must be the name of a variable')), variable)),
  timeoutS: v.optional(
    v.pipe(
      v.number('must be a number of seconds'),
      v.minValue(1, 'must be 1 or more'),
      v.maxValue(3600, 'must be 3600 or less'),
    ),
  ),
  sequential: v.optional(v.boolean('must be true or false')),
};
const args = v.optional(v.array(text, 'must be a list of strings'));
const dnsapi = v.pipe(absolutePath, v.regex(/\/\w+\.sh$/, 'must name a file such as /…/dnsapi/dns_cf.sh'));

const presets = [
  v.strictObject({ preset: v.picklist(['json', 'lego', 'lego-raw']), ...any, args }),
  v.strictObject({ preset: v.literal('certbot'), ...any, args, cleanup: v.optional(absolutePath) }),
  v.strictObject({ preset: v.literal('acme.sh'), ...any, dnsapi }),
] as const;

const programs: v.GenericSchema<unknown, Programs> = v.pipe(
  v.unknown(),
  v.check((json) => !Array.isArray(json), 'must be an object of programs by name'),
  v.record(
    text,
    v.variant('preset', [...presets], 'must have a preset: json, lego, lego-raw, certbot or acme.sh'),
    'must be an object of programs by name',
  ),
);

function describe(issue: v.BaseIssue<unknown>): string {
  const path = ['programs', v.getDotPath(issue)].filter(Boolean).join('.');
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${path} is not a known field`;
  return issue.received === 'undefined' ? `${path} is missing` : `${path} ${issue.message}`;
}

function parsePrograms({ json, file }: LocalPrograms): Programs {
  const parsed = v.safeParse(programs, json);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.slice(0, 5).map(describe);
  throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${file}: ${problems.join('; ')}.`);
}

/** The files that are run for a program. */
function filesOf(program: ProgramSettings): readonly string[] {
  switch (program.preset) {
    case 'certbot':
      return program.cleanup === undefined ? [program.path] : [program.path, program.cleanup];
    case 'acme.sh':
      return [program.path, program.dnsapi];
    default:
      return [program.path];
  }
}

/** Paths of the files of all programs that `certbus.json` names. Throws `CERTBUS_CLI_CONFIG_INVALID`. */
export function programFiles(local: LocalPrograms): readonly string[] {
  return Object.values(parsePrograms(local)).flatMap(filesOf);
}

/**
 * Finds a program of this machine. Throws `CERTBUS_CLI_CONFIG_INVALID`, which names the JSON path of what is wrong with any of them,
 * `CERTBUS_MANAGER_PROGRAM_MISSING`, or `CERTBUS_CLI_CONFIG_OPEN` where others can change one of its files.
 */
export function findProgram(local: LocalPrograms, name: string): ProgramSettings {
  const all = parsePrograms(local);
  const program = Object.hasOwn(all, name) ? all[name] : undefined;
  if (!program) {
    const names = Object.keys(all).join(', ') || 'none';
    const message = `The configuration on the bus wants the program "${name}", which is not under "programs" in ${local.file}. There are: ${names}. Add it, or run the manager where it is.`;
    throw new ManagerError('CERTBUS_MANAGER_PROGRAM_MISSING', message);
  }
  for (const path of filesOf(program)) if (existsSync(path)) checkOwnToWrite(path, `The program "${name}"`);
  return program;
}

/** What the settings of a program leave out. */
interface Surroundings {
  readonly name: string;
  readonly secrets: SecretSource;
  /** Folder in which what certbot's auth hooks print is kept. */
  readonly outputs: string;
}

/** A program ready to run. Throws `CERTBUS_MANAGER_SECRET_MISSING`. */
export function programFor(settings: ProgramSettings, { name, secrets, outputs }: Surroundings): Program {
  const variables = Object.entries(settings.env ?? {});
  const env = Object.fromEntries(variables.map(([key, value]) => [key, resolveSecret(value, secrets)]));
  const hidden = variables.filter(([, value]) => typeof value !== 'string').map(([key]) => env[key] ?? '');
  const { timeoutS, sequential, ...own } = settings;
  const timeoutMs = timeoutS === undefined ? undefined : timeoutS * 1000;
  const common = { name, env, secrets: hidden, timeoutMs, isSequential: sequential };
  return own.preset === 'certbot' ? { ...own, ...common, outputs } : { ...own, ...common };
}
