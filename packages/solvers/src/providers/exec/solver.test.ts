import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { isFull } from 'certbus-services/vitest';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type SolverUnderTest, solverConformance } from '../../conformance/index.ts';
import { drawChallenge } from '../../conformance/subject.ts';
import { startSilentServer } from '../../dns/silent-server.builders.ts';
import { startProgramHost } from './double.builders.ts';
import { createExecSolver, type ExecOptions, type Program } from './solver.ts';

const ZONES = ['zone.test', 'child.zone.test'];
const PRESETS = ['json', 'lego', 'lego-raw', 'certbot', 'acme.sh'] as const;
const HOUR_MS = 3_600_000;
const { signal } = new AbortController();

async function startHost() {
  const host = await startProgramHost(ZONES);
  const { address, port } = host.dns;
  const open = (program: Program, options: Partial<ExecOptions> = {}) =>
    createExecSolver({ program, resolver: [address], nameServerPort: port, ...options });
  return { host, open };
}

async function setUp() {
  const all = await startHost();
  onTestFinished(all.host.stop);
  return all;
}

async function create(preset: Program['preset']): Promise<SolverUnderTest> {
  const { host, open } = await startHost();
  const silent = await startSilentServer();
  const wrong = crypto.randomUUID();
  const sleeping = host.script('sleeping', '#!/bin/sh\nsleep 60\n');
  const program = host.program(preset);
  const waiting: Program =
    program.preset === 'acme.sh'
      ? { ...program, path: sleeping }
      : program.preset === 'certbot'
        ? { ...program, path: sleeping, cleanup: sleeping }
        : { ...program, path: sleeping };
  return {
    domain: 'a.zone.test',
    childDomain: 'b.child.zone.test',
    strayDomain: 'stray.test',
    secrets: [host.key, wrong],
    open: async () => open(program),
    openRefused: async () => open(host.program(preset, wrong)),
    openSilent: async () => open(waiting, { nameServers: [silent.address] }),
    values: async (name) => host.values(name),
    addForeign: async (name, value) => host.addForeign(name, value),
    alias: async (name, target) => host.alias(name, target),
    async dispose() {
      await host.stop();
      await silent.stop();
    },
  };
}

const isWindows = process.platform === 'win32';

describe.skipIf(isWindows).each(PRESETS)('%s passes the suite', (preset) => {
  /** A crowd is hundreds of programs: that of one preset shows what the queue does, the others' are full counts. */
  const testOnce = (name: string, body: () => Promise<void>) => {
    const isLong = preset !== PRESETS[0] && name.includes('200 names');
    if (isLong && isFull) test(name, { tags: 'full' }, body);
    if (!isLong) test(name, body);
  };
  solverConformance({ describe, test: testOnce, create: () => create(preset), patienceMs: 300_000 });
});

describe.skipIf(isWindows)('a program', () => {
  const mine = () => drawChallenge('www.zone.test');

  test('of certbot hears which challenge of how many it is, and gets back what it printed', async () => {
    const { host, open } = await setUp();
    const program = host.program('certbot');
    const many = ['a', 'b', 'c'].map((label) => drawChallenge(`${label}.zone.test`));
    await open(program).present(many, { signal });
    const all = 'a.zone.test,b.zone.test,c.zone.test';
    expect(readFileSync(join(host.folder, 'batch'), 'utf8')).toBe(`2 ${all}\n1 ${all}\n0 ${all}\n`);
    const outputs = join(host.folder, 'state', 'outputs');
    const kept = readdirSync(outputs);
    expect(kept).toHaveLength(3);
    expect(statSync(outputs).mode & 0o777).toBe(0o700);
    expect(statSync(join(outputs, kept[0] ?? '')).mode & 0o777).toBe(0o600);
    await open(program).cleanUp(many, { signal });
    const seen = many.map(({ dnsValue }) => `record of ${dnsValue}\n`).join('');
    expect(readFileSync(join(host.folder, 'outputs-seen'), 'utf8')).toBe(seen);
    expect(readdirSync(outputs)).toEqual([]);
  });

  test('of certbot without a clean-up hook is not run for it', async () => {
    const { host, open } = await setUp();
    const [solver, challenge] = [open({ ...host.program('certbot'), cleanup: undefined } as Program), mine()];
    await solver.present([challenge], { signal });
    await solver.cleanUp([challenge], { signal });
    expect(host.values(challenge.dnsName)).toEqual([challenge.dnsValue]);
  });

  test('of acme.sh saves what it likes in a folder that is gone afterwards', async () => {
    const { host, open } = await setUp();
    await open(host.program('acme.sh')).present([mine()], { signal });
    const saved = readFileSync(join(host.folder, 'saved'), 'utf8').trim();
    expect(saved).toMatch(/account\.conf$/);
    expect(existsSync(join(saved, '..'))).toBe(false);
  });

  test('of acme.sh is given no command by which it would do something else', async () => {
    const { host, open } = await setUp();
    const challenge = mine();
    await open(host.program('acme.sh')).present([challenge], { signal });
    expect(host.values(challenge.dnsName)).toEqual([challenge.dnsValue]);
    expect(existsSync(join(host.folder, 'commands'))).toBe(false);
  });

  test('gets PATH and HOME of this process, what is its own, and nothing else', async () => {
    const { host, open } = await setUp();
    process.env['CERTBUS_SECRET_OTHER'] = 'of somebody else';
    onTestFinished(() => void delete process.env['CERTBUS_SECRET_OTHER']);
    const path = host.script('env', `#!/bin/sh\n{ env; pwd; } > "$DNS_STORE/env-seen"\n`);
    await open({ ...host.program('lego'), path }).present([mine()], { signal });
    const seen = readFileSync(join(host.folder, 'env-seen'), 'utf8').trim().split('\n');
    const names = seen.filter((line) => line.includes('=')).map((line) => line.split('=')[0] ?? '');
    // Shells set some by themselves.
    const own = names.filter((name) => !/^(PWD|OLDPWD|SHLVL|_)$/.test(name)).toSorted();
    expect(own).toEqual(['DNS_KEY', 'DNS_STORE', 'HOME', 'PATH', 'TMPDIR']);
    expect(seen).toContain(`PATH=${process.env['PATH']}`);
    expect(existsSync(seen.at(-1) ?? '')).toBe(false);
  });

  test('gets arguments of its own before the others, as they are', async () => {
    const { host, open } = await setUp();
    const path = host.script('args', `#!/bin/sh\nprintf '%s\\n' "$@" > "$DNS_STORE/args-seen"\n`);
    const challenge = mine();
    const args = ['--zone', '$(id) "; rm -r'];
    await open({ ...host.program('lego'), path, args } as Program).present([challenge], { signal });
    const expected = [...args, 'present', `${challenge.dnsName}.`, challenge.dnsValue];
    expect(readFileSync(join(host.folder, 'args-seen'), 'utf8').trim().split('\n')).toEqual(expected);
  });

  test('that makes the names itself answers dns-01 alone', async () => {
    const { host, open } = await setUp();
    const alone = PRESETS.filter((preset) => open(host.program(preset)).challenges.length === 1);
    expect(alone).toEqual(['lego-raw', 'certbot']);
  });

  test('that fails is told with its exit status and the end of what it said, without secrets', async () => {
    const { host, open } = await setUp();
    const text = `#!/bin/sh\ncat >/dev/null\nyes filler | head -n 20000\nprintf 'key %s\\033[31m' "$DNS_KEY"\necho "no zone for it" >&2\nexit 7\n`;
    const path = host.script('failing', text);
    const failure = await open({ ...host.program('json'), path })
      .present([mine()], { signal })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'CERTBUS_ACME_SOLVER_FAILED',
      message: expect.stringMatching(
        /^Presenting the TXT value of _acme-challenge\.www\.zone\.test: the program "my json" ended with exit status 7\. It said: ….*key …/,
      ),
    });
    expect((failure as Error).message).toContain('no zone for it');
    expect((failure as Error).message.length).toBeLessThan(800);
    expect(inspect(failure)).not.toContain(host.key);
  });

  test('that repeats the key authorization makes nobody tell it', async () => {
    const { host, open } = await setUp();
    const challenge = mine();
    const path = host.script('chatty', '#!/bin/sh\necho "$@"\nexit 1\n');
    const failure = await open({ ...host.program('lego-raw'), path })
      .present([challenge], { signal })
      .catch((error: unknown) => error);
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain(challenge.token);
    expect(String(failure)).toContain('It said: present -- www.zone.test … …');
  });

  test('that repeats a secret which begins like another makes nobody tell the rest', async () => {
    const { host, open } = await setUp();
    const path = host.script('repeating', '#!/bin/sh\necho "have $LONG"\nexit 1\n');
    const program = { ...host.program('lego'), path, env: { LONG: 'opensesame' }, secrets: ['', 'open', 'opensesame'] };
    await expect(open(program).present([mine()], { signal })).rejects.toThrow(/It said: have …$/);
  });

  test('that says megabytes disturbs nobody', async () => {
    const { host, open } = await setUp();
    const path = host.script('loud', '#!/bin/sh\nhead -c 50000000 /dev/zero\n');
    await open({ ...host.program('json'), path }).present([mine()], { signal });
  });

  test.each([
    ['that is missing', 'missing', undefined, /"my lego" cannot be started: it does not exist/],
    [
      'whose interpreter is missing',
      'lost',
      '#!/nowhere/sh\n',
      /cannot be started: it does not exist, or what its first/,
    ],
  ])('%s is told by its name, and no path', async (_, name, text, message) => {
    const { host, open } = await setUp();
    const path = text === undefined ? join(host.folder, name) : host.script(name, text);
    const failure = open({ ...host.program('lego'), path }).present([mine()], { signal });
    await expect(failure).rejects.toMatchObject({
      code: 'CERTBUS_ACME_SOLVER_FAILED',
      message: expect.stringMatching(message),
    });
    await expect(failure).rejects.not.toThrow(host.folder);
  });

  test('that is not executable is told with what to do', async () => {
    const { host, open } = await setUp();
    const path = join(host.folder, 'plain');
    writeFileSync(path, '#!/bin/sh\n', { mode: 0o644 });
    const failure = open({ ...host.program('lego'), path }).present([mine()], { signal });
    await expect(failure).rejects.toThrow(/cannot execute it \(chmod \+x\)/);
  });

  test('whose arguments are too long for the system is told', async () => {
    const { host, open } = await setUp();
    const program = { ...host.program('lego'), args: ['x'.repeat(5_000_000)] } as Program;
    await expect(open(program).present([mine()], { signal })).rejects.toThrow(/cannot be started: E2BIG/);
  });

  test('that was ended by a signal is told', async () => {
    const { host, open } = await setUp();
    const path = host.script('killed', '#!/bin/sh\nkill -KILL $$\n');
    const failure = open({ ...host.program('lego'), path }).present([mine()], { signal });
    await expect(failure).rejects.toThrow(/was ended by SIGKILL/);
  });

  /** A program that starts a child which starts another, all deaf to SIGTERM; the last one writes as long as it lives. */
  const FAMILY = `#!/bin/sh
trap '' TERM
sh -c 'trap "" TERM; sh -c "trap \\"\\" TERM; while :; do echo x >> \\"$DNS_STORE/alive\\"; sleep 0.05; done" & wait' &
`;

  /** Whether anything is still written there. */
  async function isAlive(folder: string): Promise<boolean> {
    const size = () => statSync(join(folder, 'alive')).size;
    const before = size();
    await new Promise((resolve) => setTimeout(resolve, 400));
    return size() > before;
  }

  /** Lets a program have its whole time once the test says so, however long it took to start; other waits go on. */
  function holdTime(): (ms: number) => void {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    onTestFinished(() => void vi.useRealTimers());
    return (ms) => void vi.advanceTimersByTime(ms);
  }

  async function hasStarted(folder: string): Promise<void> {
    while (!existsSync(join(folder, 'alive'))) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  test('that takes too long is ended with everything that it started', async () => {
    const { host, open } = await setUp();
    const path = host.script('slow', `${FAMILY}\nsleep 60\n`);
    const goOn = holdTime();
    const presenting = open({ ...host.program('lego'), path, timeoutMs: HOUR_MS }).present([mine()], { signal });
    const failure = expect(presenting).rejects.toThrow(/was ended after 3600 s, its time\. It said: nothing/);
    await hasStarted(host.folder);
    goOn(HOUR_MS);
    await failure;
    expect(await isAlive(host.folder)).toBe(false);
  });

  test('is ended with everything that it started when the operation is aborted', async () => {
    const { host, open } = await setUp();
    const path = host.script('slow', `${FAMILY}\nsleep 60\n`);
    const [controller, reason] = [new AbortController(), new Error('enough')];
    const presenting = open({ ...host.program('lego'), path }).present([mine()], { signal: controller.signal });
    await hasStarted(host.folder);
    controller.abort(reason);
    await expect(presenting).rejects.toBe(reason);
    expect(await isAlive(host.folder)).toBe(false);
  });

  test('that ends well leaves nothing running behind', async () => {
    const { host, open } = await setUp();
    const path = host.script('careless', `${FAMILY}\nwhile ! [ -f "$DNS_STORE/alive" ]; do sleep 0.02; done\n`);
    await open({ ...host.program('lego'), path }).present([mine()], { signal });
    expect(await isAlive(host.folder)).toBe(false);
  });

  test('that obeys SIGTERM can put things in order', async () => {
    const { host, open } = await setUp();
    const polite = `trap 'echo bye > "$DNS_STORE/bye"; exit' TERM\ntouch "$DNS_STORE/alive"\nsleep 60 & wait\n`;
    const path = host.script('polite', `#!/bin/sh\n${polite}`);
    const goOn = holdTime();
    const presenting = open({ ...host.program('lego'), path, timeoutMs: HOUR_MS }).present([mine()], { signal });
    const failure = expect(presenting).rejects.toThrow(/its time/);
    await hasStarted(host.folder);
    goOn(HOUR_MS);
    await failure;
    expect(readFileSync(join(host.folder, 'bye'), 'utf8')).toBe('bye\n');
  });

  /** Counts how many run at once, in a file for each. */
  const COUNTING = `#!/bin/sh
mkdir "$DNS_STORE/running/$$"
ls "$DNS_STORE/running" | wc -l >> "$DNS_STORE/counts"
sleep 0.1
rmdir "$DNS_STORE/running/$$"
`;

  async function highestCount({ isSequential }: { readonly isSequential: boolean }): Promise<number> {
    const { host, open } = await setUp();
    mkdirSync(join(host.folder, 'running'));
    const program = { ...host.program('lego'), path: host.script('counting', COUNTING), isSequential };
    const orders = Array.from({ length: 4 }, (_, order) =>
      Array.from({ length: 4 }, (_, index) => drawChallenge(`o${order}n${index}.zone.test`)),
    );
    await Promise.all(orders.map((challenges) => open(program).present(challenges, { signal })));
    const counts = readFileSync(join(host.folder, 'counts'), 'utf8').trim().split('\n').map(Number);
    expect(counts).toHaveLength(16);
    return Math.max(...counts);
  }

  test('runs a few times at once, never more than eight', async () => {
    expect(await highestCount({ isSequential: false })).toBeLessThanOrEqual(8);
    expect(await highestCount({ isSequential: false })).toBeGreaterThan(1);
  });

  test('that is to be run one at a time per zone is, also by parallel orders', async () => {
    expect(await highestCount({ isSequential: true })).toBe(1);
  });

  test.each(['-rf.zone.test', '*.zone.test', 'x/y.zone.test'])('is not told of the name %s', async (target) => {
    const { host, open } = await setUp();
    const challenge = mine();
    host.alias(challenge.dnsName, target);
    const failure = open(host.program('acme.sh')).present([challenge], { signal });
    await expect(failure).rejects.toThrow(/was not run for it/);
    expect(existsSync(join(host.folder, 'log'))).toBe(false);
  });

  test('whose output cannot be kept is told', async () => {
    const { host, open } = await setUp();
    const outputs = join(host.folder, 'key', 'below a file');
    const failure = open({ ...host.program('certbot'), outputs } as Program).present([mine()], { signal });
    await expect(failure).rejects.toMatchObject({ code: 'CERTBUS_ACME_SOLVER_FAILED' });
  });
});
