/** Runs the drills of docs/guides/drills.md, command by command as the page has them, and tries what is left to a thief or a person who left. */
import { readFileSync } from 'node:fs';
import { startDnsServer } from '@certbus/acme-server';
import { bundledCommandLine, isFull } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, type Ran, startMachine } from './machine.builders.ts';
import { guide } from './pages.builders.ts';

const [, ...SECTIONS] = readFileSync(guide('drills.md'), 'utf8').split(/^## /m);

/** What the page names and is not run here, by drill and how it begins, and why. */
const NOT_RUN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'A stolen manager key': { 'certbus bus export': 'the bus is on another machine than the thief' },
  'A lost manager key': { 'certbus manager rm': 'it was the only manager' },
  'A stolen load balancer': { 'certbus cert renew': 'the campaign replaces it' },
  'A lost root key': {},
  'A person leaves': {},
};

/** What a reader puts in the place of a word of the page. */
const WORD = /\bage1…|\b[A-Z]+\b/g;

/** The commands of a drill, in their order, as the page has them. */
function commandsOf(drill: string): string[] {
  const section = SECTIONS.find((each) => each.startsWith(`${drill}\n`)) ?? '';
  const spans = [...section.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
  return spans.filter((span) => /^(?:certbus |CERTBUS_\w+=|\(umask |grep )/.test(span));
}

const isRun = (drill: string, command: string): boolean =>
  !Object.keys(NOT_RUN[drill] ?? {}).some((begin) => command.startsWith(begin));

test('each drill of the page is run here, and what is not run of it has a reason', () => {
  expect(SECTIONS.map((section) => section.split('\n')[0])).toEqual(Object.keys(NOT_RUN));
  for (const [drill, reasons] of Object.entries(NOT_RUN)) {
    const commands = commandsOf(drill);
    expect(commands.filter((command) => isRun(drill, command)).length, drill).toBeGreaterThan(2);
    for (const begin of Object.keys(reasons))
      expect(commands.filter((command) => command.startsWith(begin))).not.toEqual([]);
  }
});

/** A command as it is typed, where the page leaves something to the reader. */
interface Typing {
  /** By the words of the page. */
  readonly words?: Readonly<Record<string, string>>;
  /** What is typed around it, such as a file that it reads. */
  readonly around?: (command: string) => string;
}

const DIRECTORY = 'https://acme-v02.api.letsencrypt.org/directory';
/** In the place of a person who agrees. */
const AGREEING = `case "$1 $2" in
  "manager add"|"manager rm"|"manager expel"|"recipient add"|"recipient rm"|"campaign start"|"account rollover"|"account deactivate"|"cert renew"|"cert revoke")
    set -- "$@" --yes;;
esac
exec "$ROOT/certbus" "$@"`;
const [OLD_SECRET, NEW_SECRET] = ['a-secret-that-was-read', 'a-secret-that-came-later'];

/** Has programs see a clock that is two hours ahead. */
const TWO_HOURS_LATER = `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(
  'const Real=Date;globalThis.Date=class extends Real{constructor(...given){super(...(given.length>0?given:[Real.now()+72e5]))}static now(){return Real.now()+72e5}}',
).replaceAll(/[()]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)}`;

if (isFull)
  describe('given a manager on a machine of its own', { tags: 'full', timeout: 1_200_000 }, () => {
    let machine: Machine;
    let dns: Awaited<ReturnType<typeof startDnsServer>>;

    beforeAll(async () => {
      dns = await startDnsServer();
      const options = { dnsServer: dns.address, programs: { certbus: AGREEING } };
      machine = await startMachine(await bundledCommandLine(), options);
    });
    afterAll(async () => {
      await machine.stop();
      await dns[Symbol.asyncDispose]();
    });

    const configuration = (token: string) =>
      JSON.stringify({
        version: 1,
        authorities: { letsencrypt: { directory: DIRECTORY, termsOfServiceAgreed: true } },
        defaultAuthority: 'letsencrypt',
        dns: [
          { zones: ['*'], provider: 'challtestsrv', url: dns.url },
          { zones: ['elsewhere.test'], provider: 'cloudflare', token },
        ],
      });

    /** A bus in a folder of its own, of which a drill is run. */
    function placeOf(drill: string) {
      const folder = drill.toLowerCase().replaceAll(' ', '-');
      const here = `umask 077; mkdir -p ${folder}; cd ${folder}
export CERTBUS_CONFIG=$PWD/certbus.json CERTBUS_STATE_DIR=$PWD/state CERTBUS_ROOT_KEY_FILE=$PWD/root.key`;
      const attempt = async (command: string): Promise<Ran> => {
        const [ran] = await machine.run([{ command: `${here}\n${command}`, output: '' }]);
        if (!ran) throw new TypeError('each command ends');
        return ran;
      };
      /** Runs what has to work; resolves with what it prints. */
      const run = async (command: string): Promise<string> => {
        const { status, output } = await attempt(command);
        expect(status, `${command}\n${output}`).toBe(0);
        return output;
      };
      const position = async () => Number(/all (\d+) commits/.exec(await run('certbus bus verify'))?.[1]);
      /** Runs with another manager's key, on a machine of its own. */
      const as = (key: string, command: string) =>
        attempt(`CERTBUS_MANAGER_KEY_FILE=${key} CERTBUS_STATE_DIR=$PWD/state-of-${key} ${command}`);
      return {
        run,
        attempt,
        as,
        position,
        /** Makes a bus with one certificate. */
        async begin() {
          await run('certbus init --dir . --yes --name alice --ca production --agree-tos');
          await run(`cat > old.json <<'END'\n${configuration(OLD_SECRET)}\nEND
cat > new.json <<'END'\n${configuration(NEW_SECRET)}\nEND
certbus conf update < old.json`);
          await run('certbus cert mk honest.test');
        },
        /** Runs the commands of the page; resolves with what each printed. */
        async follow(
          type: (command: string) => Typing | Promise<Typing>,
          after: (command: string) => Promise<unknown> = async () => {},
        ): Promise<ReadonlyMap<string, string>> {
          const printed = new Map<string, string>();
          for (const command of commandsOf(drill).filter((each) => isRun(drill, each))) {
            const { words = {}, around = (typed: string) => typed } = await type(command);
            const typed = command.replaceAll(WORD, (word) => {
              const given = words[word];
              if (given === undefined) throw new Error(`${drill}: what is ${word} of "${command}"?`);
              return given;
            });
            printed.set(command, await run(around(typed)));
            await after(command);
          }
          return printed;
        },
        /** Whether a key that is not in force any more writes nothing, and reads nothing that came later. */
        async expectToBeOver(key: string) {
          const before = await position();
          expect((await as(key, 'certbus cert mk more.test')).status).not.toBe(0);
          expect(await position()).toBe(before);
          expect((await as(key, 'certbus conf display --show-secrets')).output).not.toContain(NEW_SECRET);
          expect(await run('certbus conf display --show-secrets')).toContain(NEW_SECRET);
        },
      };
    }

    /** Whether the CA has revoked each certificate for a name, oldest first. */
    const revocations = (name: string) =>
      machine.production
        .certificates()
        .filter(({ names }) => names.includes(name))
        .map(({ revoked }) => revoked?.reason);
    const printedBy = (printed: ReadonlyMap<string, string>, end: RegExp) =>
      [...printed].find(([command]) => end.test(command))?.[1];

    test('a stolen manager key: the thief is out, what it obtained is revoked, and what it read is listed', async () => {
      const { begin, run, as, position, follow, expectToBeOver } = placeOf('A stolen manager key');
      await begin();
      await run('cp manager.key copy.key');
      const since = String((await position()) + 1);
      expect((await as('copy.key', 'certbus cert mk stranger.test')).status).toBe(0);
      const taken = machine.production.certificates().find(({ names }) => names.includes('stranger.test'));
      const serial = taken?.serial.toUpperCase().replace(/^00/, '') ?? '';
      const thief = { NAME: 'alice', POSITION: since, ID: 'stranger.test', SERIAL: serial };
      let expelled = '';
      await follow(
        (command) => {
          if (command.startsWith('certbus keygen')) return { around: (typed) => `${typed} > clean.key` };
          if (command.startsWith('CERTBUS_MANAGER_KEY_FILE'))
            return {
              words: { COPY: 'copy.key', NAME: 'bob', FILE: 'clean.pub' },
              around: (typed) => `grep '^#' clean.key > clean.pub; ${typed}`,
            };
          if (command.includes('SAVED'))
            return {
              words: { SAVED: 'saved.json' },
              around: (typed) =>
                typed.includes('<')
                  ? `sed -i '/"position":/d' saved.json; ${typed}`
                  : `umask 022; ${typed} && [ "$(stat -c %a saved.json)" = 600 ]`,
            };
          // What the only key sealed is void with the rest, and is written again before it goes on.
          if (command.endsWith('--since POSITION')) return { words: thief, around: (typed) => `! ${typed}` };
          if (command === 'certbus conf update') return { around: (typed) => `${typed} < new.json` };
          return { words: thief };
        },
        async (command) => {
          if (command.includes('manager add')) await run('mv clean.key manager.key');
          if (command.endsWith('update < SAVED')) expelled = await run(`certbus manager expel alice --since ${since}`);
        },
      );
      expect(expelled).toContain('change this secret where it comes from: dns.1.token');
      expect(expelled).toContain('has a key that no expelled manager has had');
      expect(expelled).toMatch(
        /stranger\.test[^\n]*\ncertbus cert revoke \S+ --serial [0-9A-F]+ --reason keyCompromise/,
      );
      expect(expelled).not.toContain('honest.test');
      // As the service does.
      await run('certbus cert renewable --renew-all');
      const [theirs, ...ours] = revocations('stranger.test');
      expect([theirs, ours.length > 0, ours.at(-1)]).toEqual([1, true, undefined]);
      expect(revocations('honest.test').slice(-1)).toEqual([undefined]);
      await expectToBeOver('copy.key');
    });

    test('a lost manager key: another manager goes on, with accounts of its own', async () => {
      const { begin, run, position, follow } = placeOf('A lost manager key');
      await begin();
      await run('rm manager.key');
      const printed = await follow(async (command) => {
        const next = command.includes('expel') ? String((await position()) + 1) : '';
        return { words: { NEW: 'bob', OLD: 'alice', FILE: 'old.json', POSITION: next } };
      });
      expect(printedBy(printed, /expel/)).toMatch(/was given up, and its CA does not know it/);
      expect(await run('certbus manager ls')).toMatch(/^bob\t/);
      await run('certbus cert renew honest.test');
      expect(await run('certbus cert ls')).toContain('honest.test');
    });

    test('a stolen load balancer: its key opens nothing new, and all that it opened is replaced, then revoked', async () => {
      const { begin, run, attempt, follow } = placeOf('A stolen load balancer');
      await begin();
      const before = revocations('honest.test').length;
      await run('cp loadbalancer.key stolen.key');
      const opens = async (identity: string, file: string) =>
        (await attempt(`certbus cert export honest.test --identity ${identity} --out ${file}`)).status === 0;
      expect(await opens('stolen.key', 'first.pem')).toBe(true);
      await follow(
        async (command) => {
          const [, recipient = ''] = command.includes('age1…')
            ? (/^# public key: (\S+)$/m.exec(await run('cat loadbalancer.new')) ?? [])
            : [];
          const isLater = command.startsWith('certbus cert revoke');
          return {
            words: { 'age1…': recipient },
            ...(isLater ? { around: (typed: string) => `export ${TWO_HOURS_LATER}; ${typed}` } : {}),
          };
        },
        async (command) => {
          if (command.endsWith('--append')) {
            await run('mv loadbalancer.new loadbalancer.key');
            expect(await opens('loadbalancer.key', 'second.pem')).toBe(true);
          }
          if (command.startsWith('certbus campaign start')) await run('certbus cert renewable --renew-all');
        },
      );
      expect(await opens('stolen.key', 'third.pem')).toBe(false);
      expect(await opens('loadbalancer.key', 'fourth.pem')).toBe(true);
      expect(revocations('honest.test').slice(before - 1)).toEqual([1, undefined]);
    });

    test('a lost root key: another bus takes over, and the old one orders nothing more', async () => {
      const { begin, run, attempt, follow } = placeOf('A lost root key');
      await begin();
      await run('rm root.key; echo honest.test > names.txt');
      expect((await attempt('certbus recipient rm loadbalancers')).status).not.toBe(0);
      const onNew = (command: string) =>
        `cd new; export CERTBUS_CONFIG=$PWD/certbus.json CERTBUS_STATE_DIR=$PWD/state; ${command}`;
      await follow(
        (command) => {
          if (command === 'certbus init')
            return { around: (typed) => `${typed} --dir new --yes --name alice --ca production --agree-tos` };
          if (command === 'certbus cert mk') return { around: (typed) => onNew(`${typed} --from ../names.txt`) };
          if (command.startsWith('certbus plan')) return { words: { N: '4000' }, around: onNew };
          return { words: { AUTHORITY: 'letsencrypt' } };
        },
        async (command) => {
          if (command === 'certbus init') await run(onNew('certbus conf update < ../old.json'));
        },
      );
      expect(await run(onNew('certbus cert ls'))).toContain('honest.test');
      expect((await attempt('certbus cert renew honest.test')).status).not.toBe(0);
    });

    test('a person leaves: the key writes nothing more, and reads nothing that comes later', async () => {
      const { begin, run, as, follow, expectToBeOver } = placeOf('A person leaves');
      await begin();
      await run("certbus keygen manager > bob.key; grep '^#' bob.key > bob.pub; certbus manager add bob --key bob.pub");
      expect((await as('bob.key', 'certbus cert mk his.test')).status).toBe(0);
      const printed = await follow((command) => ({
        words: { NAME: 'bob' },
        ...(command === 'certbus conf update' ? { around: (typed: string) => `${typed} < new.json` } : {}),
      }));
      const removed = printedBy(printed, /manager rm/);
      expect(removed).toContain('change this secret where it comes from: dns.1.token');
      expect(removed).toContain('run "certbus account rollover"');
      await expectToBeOver('bob.key');
      await run('certbus cert renew his.test');
    });
  });
