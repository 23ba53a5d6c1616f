import { Resolver } from 'node:dns/promises';
import { requirePart, startBind, startKnot, type UpdateServer } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SolverUnderTest } from '../../conformance/index.ts';
import { solverConformance } from '../../conformance/index.ts';
import { drawChallenge } from '../../conformance/subject.ts';
import { type SilentServer, startSilentServer } from '../../dns/silent-server.builders.ts';
import { exchange, parseServer } from './exchange.ts';
import { createRfc2136Solver, type Rfc2136Options } from './solver.ts';
import { sign, verify } from './tsig.ts';
import { buildUpdate } from './update.ts';

const ZONES = [{ name: 'zone.test', delegations: ['child.zone.test'] }, { name: 'child.zone.test' }];
const { signal } = new AbortController();
let subjects = 0;

const servers = [
  { title: 'BIND', part: requirePart('bind'), start: startBind },
  { title: 'Knot DNS', part: requirePart('knot'), start: startKnot },
] as const;

describe.each(servers)('$title', ({ part, start }) => {
  describe.skipIf(part.skip).each(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const)(
    part.title('with %s'),
    (algorithm) => {
      let server: UpdateServer;
      let silent: SilentServer;
      beforeAll(async () => {
        server = await start({ zones: ZONES, algorithm });
        silent = await startSilentServer();
      });
      afterAll(async () => {
        await server?.stop();
        await silent?.stop();
      });

      function optionsFor(options: Partial<Rfc2136Options> = {}): Rfc2136Options {
        const { address, port, key } = server;
        return { server: address, key: { ...key, algorithm }, resolver: [address], nameServerPort: port, ...options };
      }

      async function values(name: string): Promise<string[]> {
        const resolver = new Resolver({ timeout: 20_000, tries: 3 });
        resolver.setServers([server.address]);
        const records = await resolver.resolveTxt(name).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'ENODATA' || error.code === 'ENOTFOUND') return [];
          throw error;
        });
        return records.map((chunks) => chunks.join(''));
      }

      const write = (name: string, record: string) =>
        server.update(name.endsWith('.child.zone.test') ? 'child.zone.test' : 'zone.test', [
          `update add ${name}. 60 ${record}`,
        ]);

      async function create(): Promise<SolverUnderTest> {
        subjects += 1;
        const [mark, wrong] = [
          `t${subjects}`,
          Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64'),
        ];
        const silentOptions = { server: silent.address, resolver: [silent.address], nameServers: [silent.address] };
        return {
          domain: `${mark}.zone.test`,
          childDomain: `${mark}.child.zone.test`,
          strayDomain: 'stray.invalid',
          secrets: [server.key.secret, wrong],
          open: async () => createRfc2136Solver(optionsFor()),
          openRefused: async () =>
            createRfc2136Solver(optionsFor({ key: { name: server.key.name, algorithm, secret: wrong } })),
          openSilent: async () => createRfc2136Solver(optionsFor(silentOptions)),
          values,
          addForeign: (name, value) => write(name, `TXT "${value}"`),
          alias: (name, target) => write(name, `CNAME ${target}.`),
          dispose: async () => {},
        };
      }

      // The suite is about updates, not about how they are signed.
      if (algorithm === 'hmac-sha256') {
        describe('passes the suite', () => solverConformance({ describe, test, create }));
      }

      const refusals: readonly [string, (secret: string) => Partial<Rfc2136Options>, string, RegExp][] = [
        [
          'a secret that is not the server’s',
          () => ({ key: { name: server.key.name, algorithm, secret: 'd3Jvbmc=' } }),
          'CERTBUS_ACME_SOLVER_FAILED',
          /secret of key "certbus-key" is not the server's.*BADSIG/,
        ],
        [
          'a key that the server does not know',
          (secret) => ({ key: { name: 'nobody', algorithm, secret } }),
          'CERTBUS_ACME_SOLVER_FAILED',
          /knows no key "nobody".*BADKEY/,
        ],
        [
          'a key that may not update',
          () => ({ key: { ...server.powerlessKey, algorithm } }),
          'CERTBUS_ACME_SOLVER_FAILED',
          /key "powerless-key" (is not permitted to update|of hmac-sha\d+, or lets it change nothing)/,
        ],
        [
          'clocks that differ',
          () => ({ now: () => new Date(Date.now() - 3_600_000) }),
          'CERTBUS_ACME_SOLVER_FAILED',
          /clocks differ.*BADTIME/,
        ],
        [
          'a zone that is not the server’s',
          () => ({ zone: 'test' }),
          'CERTBUS_ACME_ZONE_NOT_FOUND',
          /not the primary server of the zone test/,
        ],
      ];

      test.each(refusals)('%s is told, with what to do', async (_, change, code, message) => {
        const solver = createRfc2136Solver(optionsFor(change(server.key.secret)));
        const failure = solver.present([drawChallenge('refused.zone.test')], { signal });
        await expect(failure).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
      });

      test('an answer with one bit changed anywhere is not believed', async () => {
        const { name, secret } = server.key;
        const key = { name, algorithm, secret: Buffer.from(secret, 'base64') };
        const updates = [{ action: 'remove', name: 'nothing.zone.test', value: 'x' }] as const;
        const request = sign(buildUpdate(updates, { id: 4711, zone: 'zone.test', ttlS: 30 }), key, new Date());
        const answer = await exchange(request.message, parseServer(server.address), { signal, transport: 'udp' });
        const isGenuine = (bytes: Buffer) => {
          try {
            return verify(bytes, request, key, new Date())?.isGenuine ?? false;
          } catch {
            return false;
          }
        };
        expect(isGenuine(answer)).toBe(true);
        // The id in the header is compared before: TSIG signs the one that the request had.
        const bits = Array.from({ length: (answer.length - 2) * 8 }, (_, bit) => bit + 16);
        const believed = bits.filter((bit) => {
          const changed = Buffer.from(answer);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          return isGenuine(changed);
        });
        // Names are the same in upper and lower case.
        const letters = believed.filter(
          (bit) => (bit & 7) === 5 && /[a-z]/i.test(String.fromCharCode(answer[bit >> 3] ?? 0)),
        );
        expect(believed).toEqual(letters);
      });

      test('everything can go by TCP', async () => {
        const mine = drawChallenge('by-tcp.zone.test');
        const solver = createRfc2136Solver(optionsFor({ transport: 'tcp' }));
        await solver.present([mine], { signal });
        expect(await values(mine.dnsName)).toEqual([mine.dnsValue]);
        await solver.cleanUp([mine], { signal });
      });

      test('more values than a CA bears are told', async () => {
        const solver = createRfc2136Solver(optionsFor());
        const many = Array.from({ length: 21 }, () => drawChallenge('crowded.zone.test'));
        await solver.present(many, { signal });
        await expect(solver.ready(many, { signal })).rejects.toThrow(/has 21 values, more than CAs accept/);
        await solver.cleanUp(many, { signal });
        expect(await values(many[0]?.dnsName ?? '')).toEqual([]);
      });
    },
  );
});
