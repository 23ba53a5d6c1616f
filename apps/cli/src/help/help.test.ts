/** Help, usage errors, completion and examples of every command, without starting a process. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Config, Parser } from '@oclif/core';
import {
  callsInLines,
  documentedCommands,
  findMandoc,
  requirePart,
  temporaryFolder,
  wrongCommands,
} from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { COMMANDS, commandOf } from '../commands.builders.ts';
import { candidates, configIn, type Subject } from '../completion/candidates.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';
import { CliError } from '../errors.ts';
import { explainSystemError } from '../system-error.ts';
import { explainUsage, refuseDash, refuseValues, usageOf, withoutParser } from '../usage-error.ts';
import { drawsRows, writingOf } from '../writing.ts';
import { GROUPS, groupOf } from './groups.ts';
import { Help } from './help.ts';
import { manPagesOf } from './man.builders.ts';
import { PAGES } from './pages.ts';
import { referenceOf } from './reference.builders.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WIDTH = 80;
const commands = Object.entries(COMMANDS);
const asTyped = (id: string) => id.replaceAll(':', ' ');
let config: Config;

beforeAll(async () => {
  const pjson = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
  pjson.oclif.commands.target = './src/commands';
  pjson.oclif.hooks = {};
  delete pjson.oclif.helpClass;
  config = await Config.load({ root: ROOT, pjson, ignoreManifest: true });
});
afterAll(() => vi.restoreAllMocks());

describe.each(commands)('certbus %s', (id, command) => {
  test('has examples that fit a terminal of 80 columns with their prompt', () => {
    const examples = (command.examples ?? []).map((example) =>
      String(example).replaceAll('<%= config.bin %>', 'certbus').replaceAll('<%= command.id %>', asTyped(id)),
    );
    expect(examples).not.toEqual([]);
    for (const example of examples) expect(`  $ ${example}`.length, example).toBeLessThanOrEqual(WIDTH);
  });

  test('has a summary of one line, and is in a group of the top help', () => {
    expect(command.summary).toMatch(/^[A-Z].*\.$/);
    expect(groupOf(id) ?? command.hidden).toBeTruthy();
  });
});

test('every command that documents, messages and examples name is one, with flags and arguments that it takes', async () => {
  const parse = ({ args, flags, baseFlags, enableJsonFlag }: Command.Class, words: string[]) => {
    const json = enableJsonFlag ? { json: { type: 'boolean', name: 'json' } } : {};
    return Parser.parse(words, { args, flags: { ...baseFlags, ...flags, ...json }, strict: true } as never);
  };
  const examples = commands.flatMap(([id, { examples: own = [] }]) =>
    own.map((example) => ({
      where: id,
      line: String(example).replaceAll('<%= config.bin %>', 'certbus').replaceAll('<%= command.id %>', asTyped(id)),
    })),
  );
  const named = [...documentedCommands('certbus'), ...callsInLines('certbus', examples)];
  expect(named.length).toBeGreaterThan(600);
  expect(await wrongCommands(COMMANDS, named, parse)).toEqual([]);
});

test('the top help has every command in its group, and the pages', async () => {
  const lines: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  await new Help(config, { stripAnsi: true }).showHelp([]);
  vi.restoreAllMocks();
  const text = lines.join('');
  expect(text.match(/^[A-Z ]+$/gm)).toEqual(['USAGE', ...GROUPS.map(([title]) => title), 'MORE']);
  for (const [id, { hidden }] of commands) if (!hidden) expect(text).toMatch(new RegExp(`^ +${asTyped(id)} `, 'm'));
  expect(text).not.toMatch(/^ +(complete|cert list) /m);
  for (const name of Object.keys(PAGES)) expect(text).toMatch(new RegExp(`^ +${name} `, 'm'));
});

test.each(Object.entries(PAGES))('the page %s fits a terminal of 80 columns', (_, { text }) => {
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(WIDTH);
});

describe('a wrong command line', () => {
  const called = (id: string, words: readonly string[] = []) => {
    const { flags, args, baseFlags } = commandOf(id);
    return { name: `certbus ${asTyped(id)}`, flags: { ...baseFlags, ...flags }, args, words };
  };
  /** What the parser says of words behind a command, in plain words. */
  async function explained(id: string, ...argv: string[]): Promise<string> {
    const { flags, args, name } = called(id);
    const error = await Parser.parse(argv, { flags, args, strict: true } as never).then(
      () => new Error('nothing is wrong'),
      (thrown: Error) => thrown,
    );
    const { message, next } = explainUsage(error, called(id, argv));
    expect(next).toEqual([`"${name} --help" shows its flags and examples`]);
    return message;
  }

  test('an instant that is wrong is told without the words of the parser', () => {
    const said = new CliError('CERTBUS_CLI_USAGE', 'Parsing --at \n\t"x" is not a date.\nSee more help with --help');
    expect(withoutParser(said)).toMatchObject({ code: 'CERTBUS_CLI_USAGE', message: '--at: "x" is not a date.' });
  });

  test.each([
    ['ENOTFOUND', 'nowhere.test has no address (ENOTFOUND). Check the name, or write an IP address.'],
    ['EAI_AGAIN', 'nowhere.test: DNS does not answer (EAI_AGAIN). Check the resolver of this machine, and try again.'],
  ])('a name without an address is told as one: %s', (code, message) => {
    const error = Object.assign(new Error(), { code, syscall: 'getaddrinfo', hostname: 'nowhere.test' });
    expect(explainSystemError(error)).toMatchObject({ code: 'CERTBUS_CLI_PORT_PROBLEM', message });
  });

  test('a file that cannot be put in place is named, and not the one it was made under', () => {
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    const [made, place] = [join(folder.path, 'x.pem.new'), join(folder.path, 'x.pem')];
    writeFileSync(made, '');
    mkdirSync(place);
    const rename = () => {
      try {
        renameSync(made, place);
      } catch (error) {
        return explainSystemError(error);
      }
      return undefined;
    };
    expect(rename()).toMatchObject({
      code: 'CERTBUS_CLI_FILE_PROBLEM',
      message: expect.stringMatching(/^\S+x\.pem: it is a folder; name a file/),
    });
  });

  test('a current folder that was removed is told as one', () => {
    // As a process has it that was started there.
    const program = `const folder = fs.mkdtempSync(os.tmpdir() + '/'); process.chdir(folder); fs.rmdirSync(folder); try { process.cwd() } catch ({ code, syscall }) { console.log(JSON.stringify({ code, syscall })) }`;
    const { stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
    expect(explainSystemError(Object.assign(new Error(), JSON.parse(stdout)))).toMatchObject({
      code: 'CERTBUS_CLI_FILE_PROBLEM',
      message: expect.stringContaining('does not exist any more. Change to another one'),
    });
  });

  test.each([
    ['cert:ls', ['--colums'], '"--colums" is not a flag of "certbus cert ls". Did you mean "--columns"?'],
    ['cert:ls', ['--hlep'], '"--hlep" is not a flag of "certbus cert ls". Did you mean "--help"?'],
    [
      'cert:mk',
      ['a.test', '--parallel', '0'],
      '--parallel: expected an integer greater than or equal to 1 but received: 0.',
    ],
    ['bus:log', ['--follow', '--at', '2026-01-01'], '--at cannot also be provided when using --follow.'],
    ['cert:renewable', ['-r', '--renew-all'], '--renew-all cannot also be provided when using --renew-first.'],
    ['cert:mk', ['a.test', '--wild'], '"--wild" is not a flag of "certbus cert mk". Did you mean "--wildcard"?'],
    ['cert:ls', ['--utterly-wrong'], '"--utterly-wrong" is not a flag of "certbus cert ls".'],
    ['cert:cat', [], '"certbus cert cat" needs ID.'],
    ...['-kg0FH9uaQw2k-_2EzYEZAPNiuKhTzGzxAc1hWkjlWU', '-_-kg0FH9uaQw2k-_2EzYEZAPNiuKhTzGzxAc1hWk-y'].map(
      (key) =>
        [
          'manager:expel',
          [key, '--since', '7'],
          `"${key}" is not a flag of "certbus manager expel". A hash or key that begins with "-" comes last, after "--".`,
        ] as const,
    ),
    ['manager:expel', ['vm'], '"certbus manager expel" needs --since.'],
    ['cert:export', ['a.test'], '"certbus cert export" needs --out.'],
    ['bus:verify', ['x'], '"certbus bus verify" does not take "x".'],
    ['keygen', ['nonsense'], 'Expected nonsense to be one of: manager, loadbalancer, backup.'],
    ['cert:ls', ['--sort'], 'Flag --sort expects one of these values: expires, name, status, id.'],
  ] as const)('%s %j: %s', async (id, argv, message) => {
    expect(await explained(id, ...argv)).toBe(message);
  });

  test.each([[['a.test', '--out', '-']], [['a.test', '--out=-']], [['-', '--json']]])(
    'cert export %j is refused, where "-" would be a file',
    (argv) => {
      const message = expect.stringContaining('name a file');
      expect(() => refuseDash(called('cert:export', argv))).toThrow(
        expect.objectContaining({ code: 'CERTBUS_CLI_USAGE', message }),
      );
      expect(() => refuseDash(called('cert:export', ['./-', '--', '-q', '--out=a-b']))).not.toThrow();
    },
  );

  test('"-" for a command that takes no file is a word too many', async () => {
    expect(() => refuseDash(called('conf:update', ['-']))).not.toThrow();
    expect(() => refuseDash(called('cert:ls', ['--columns', '-']))).toThrow('name a file');
    expect(await explained('conf:update', '-')).toBe('"certbus conf update" does not take "-".');
  });

  test('names the variable that a refused value is from', async () => {
    vi.stubEnv('CERTBUS_LOG_FORMAT', 'xml');
    expect(await explained('cert:ls')).toBe('Expected CERTBUS_LOG_FORMAT=xml to be one of: text, json.');
    expect(await explained('cert:ls', '--log-format', 'yaml')).toBe(
      'Expected --log-format=yaml to be one of: text, json.',
    );
    vi.unstubAllEnvs();
  });

  test.each([
    ['cert:mk', ['--dry-run=false', 'a.test'], '--dry-run'],
    ['cert:rm', ['a.test', '--yes=no'], '--yes'],
    ['cert:ls', ['--quiet='], '--quiet'],
    ['cert:ls', ['--json=true'], '--json'],
  ])('%s %j is refused, and its value is not an argument', (id, argv, flag) => {
    expect(() => refuseValues(called(id, argv))).toThrow(
      expect.objectContaining({
        code: 'CERTBUS_CLI_USAGE',
        message: `"${flag}" takes no value. Write it without one, or leave it out.`,
      }),
    );
  });

  test.each([
    ['cert:mk', ['a.test', '--challenge=http-01', '--dry-run']],
    ['cert:ls', ['--', '--quiet=true']],
  ])('%s %j is not about values', (id, argv) => {
    expect(() => refuseValues(called(id, argv))).not.toThrow();
  });

  test('is broken between words on a narrow terminal', async () => {
    const { isTTY, columns } = process.stderr;
    Object.assign(process.stderr, { isTTY: true, columns: 30 });
    const lines: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
    try {
      await commandOf('doctor').run(['--quite'], config);
    } finally {
      write.mockRestore();
      Object.assign(process.stderr, { isTTY, columns });
      process.exitCode = undefined;
    }
    expect(lines.join('').split('\n')).toEqual([
      'Error: "--quite" is not a flag',
      'of "certbus doctor". Did you',
      'mean "--quiet"?',
      'Usage: certbus doctor [FLAGS]',
      'Help:  certbus doctor --help',
      '',
    ]);
  });

  test('is shown how the command is called', () => {
    expect(usageOf(called('cert:mk'))).toBe('certbus cert mk [DOMAIN...] [FLAGS]');
    expect(usageOf(called('cert:rm'))).toBe('certbus cert rm ID [FLAGS]');
  });
});

test.each([
  [[], {}, { isQuiet: false, level: undefined, format: 'text' }],
  [['-q'], {}, { isQuiet: true, level: 'error', format: 'text' }],
  [['-yq'], {}, { isQuiet: true, level: 'error', format: 'text' }],
  [['--', '-yq'], {}, { isQuiet: false, level: undefined, format: 'text' }],
  [['--verbose', '--log-format=json'], {}, { isQuiet: false, level: 'debug', format: 'json' }],
  [['--log-format', 'json'], {}, { isQuiet: false, level: undefined, format: 'json' }],
  [['--log-format', 'text'], { CERTBUS_LOG_FORMAT: 'json' }, { isQuiet: false, level: undefined, format: 'text' }],
  [['--', '--quiet'], { CERTBUS_LOG_FORMAT: 'json' }, { isQuiet: false, level: undefined, format: 'json' }],
])('%j with %j writes as %j', (argv, env, expected) => {
  expect(writingOf(argv, env)).toEqual(expected);
});

test.each([
  [80, 'xterm', true],
  [0, 'xterm', false],
  [80, 'dumb', false],
])('on a terminal of %i columns that is %s rows are drawn: %s', (columns, TERM, expected) => {
  expect(drawsRows({ columns }, { TERM })).toBe(expected);
});

describe('completion', () => {
  const names = ['a.test', 'b.test', 'idOfA'];
  const subjects: Readonly<Record<Subject, readonly string[]>> = {
    certificates: names,
    campaigns: ['campaign1'],
    managers: ['manager1'],
    recipients: ['loadbalancers'],
    providers: ['route53'],
    authorities: ['staging', 'production'],
    pages: Object.keys(PAGES),
  };
  const complete = (...words: string[]) =>
    candidates(words, { commands: config.commands, subjects: async (subject) => subjects[subject] });

  test.each([
    [['ce'], ['cert']],
    [
      ['cert', 're'],
      ['remove', 'renew', 'renewable', 'revoke'],
    ],
    [['cert', 'status', ''], names],
    [['cert', 'status', ' '], names],
    [['cert', 'renew', '--yes', 'b'], ['b.test']],
    [['cert', 'status', 'a.test', ''], []],
    [['cert', 'ls', '--so'], ['--sort']],
    [
      ['cert', 'ls', '--sort', ''],
      ['expires', 'id', 'name', 'status'],
    ],
    [['cert', 'ls', '--sort', 'id', '--fail'], ['--failing']],
    [['doctor', '--no-w'], ['--no-write-dns']],
    [['keygen', 'm'], ['manager']],
    [['completion', ''], [...SHELLS].sort()],
    [['cert', 'mk', '--from', ''], []],
    [['nonsense', ''], []],
    [['compl'], ['completion']],
    [['campaign', 'status', ''], ['campaign1']],
    [['campaign', 'cancel', 'c'], ['campaign1']],
    [['manager', 'rm', ''], ['manager1']],
    [['manager', 'expel', ''], ['manager1']],
    [['manager', 'add', ''], []],
    [['recipient', 'rm', ''], ['loadbalancers']],
    [['provider', 'show', ''], ['route53']],
    [['conf', 'use', 'p'], ['production']],
    [
      ['help', 'ex'],
      ['example-server', 'exit-codes'],
    ],
    [['help', 'bus', 'l'], ['log']],
  ])('%j: %j', async (words, expected) => {
    expect(await complete(...words)).toEqual(expected);
  });

  const folder = temporaryFolder();
  writeFileSync(join(folder.path, 'file.a.test'), '');
  afterAll(() => folder.remove());

  /** What bash completes the second word with, where `certbus` prints the words that it is called with, and two more. */
  function inBash(typed: string): string[] {
    const script = `certbus() { printf '%s\\n' "$@" '*.a.test' 'b c'; }
      ${SCRIPTS.bash}
      COMP_WORDS=(certbus cert "$0" behind); COMP_CWORD=2; _certbus; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const options = { cwd: folder.path, encoding: 'utf8' } as const;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, typed], options);
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  }

  test.each([
    ['re', ['re', '\\*.a.test', 'b\\ c']],
    [String.raw`\*.a`, ['\\*.a', '\\*.a.test', 'b\\ c']],
    [`'*.a`, ['*.a', '*.a.test', 'b c']],
  ])('bash asks for the words up to the cursor %s, and expands no name of a wildcard', (typed, expected) => {
    expect(inBash(typed)).toEqual(['complete', '--', 'cert', ...expected]);
  });

  test.each([
    [['cert', 'status', ''], undefined],
    [['--config', 'there.json', 'cert', 'status', ''], 'there.json'],
    [['cert', 'status', '--config=there.json', ''], 'there.json'],
  ])('what %j names is completed with the configuration %s', (words, expected) => {
    expect(configIn(words)).toBe(expected);
  });
});

test('docs/commands.md is what the commands say of themselves; CERTBUS_CONTRACT=write writes it', async () => {
  const file = fileURLToPath(new URL('../../../../docs/commands.md', import.meta.url));
  const text = referenceOf(commands);
  if (process.env['CERTBUS_CONTRACT'] === 'write') writeFileSync(file, text);
  expect(readFileSync(file, 'utf8')).toBe(text);
});

describe('the man pages', () => {
  const folder = join(ROOT, 'man');
  const pages = manPagesOf(commands);

  test('are what the commands say of themselves; CERTBUS_CONTRACT=write writes them', () => {
    if (process.env['CERTBUS_CONTRACT'] === 'write') {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      for (const [file, page] of pages) writeFileSync(join(folder, file), page);
    }
    const written = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const);
    expect(new Map(written)).toEqual(new Map(pages));
  });

  const mandoc = requirePart('mandoc');
  test.skipIf(mandoc.skip)(
    mandoc.title('mandoc finds nothing wrong with them but that they have no date'),
    async () => {
      const files = [...pages.keys()].map((file) => join(folder, file));
      const { stdout } = spawnSync(await findMandoc(), ['-Tlint', '-Wwarning', ...files], { encoding: 'utf8' });
      expect(stdout.split('\n').filter((line) => line && !line.includes('missing date'))).toEqual([]);
    },
  );
});
