import { Resolver } from 'node:dns/promises';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart, startBind, temporaryFolder, type UpdateServer } from 'certbus-services';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type SolverUnderTest, solverConformance } from '../../conformance/index.ts';
import { type SilentServer, startSilentServer } from '../../dns/silent-server.builders.ts';
import { createExecSolver, type ExecOptions, type Program } from './solver.ts';

const ZONES = [{ name: 'zone.test', delegations: ['child.zone.test'] }, { name: 'child.zone.test' }];
const bind = requirePart('bind');
let subjects = 0;

/** A script for lego as people write it, around BIND's own client. */
const SCRIPT = `#!/bin/sh
set -eu
PATH=$PATH:/usr/sbin
case $1 in present) verb=add ;; cleanup) verb=delete ;; *) exit 2 ;; esac
printf 'key "%s" { algorithm hmac-sha256; secret "%s"; };\\n' "$KEY_NAME" "$KEY_SECRET" > key
printf 'server %s\\nupdate %s %s 60 TXT "%s"\\nsend\\n' "$SERVER" "$verb" "$2" "$3" | nsupdate -u 30 -k key
`;

describe.skipIf(bind.skip)(bind.title('a script around nsupdate, at BIND'), () => {
  const temporary = temporaryFolder();
  const path = join(temporary.path, 'update-dns.sh');
  let server: UpdateServer;
  let silent: SilentServer;
  beforeAll(async () => {
    server = await startBind({ zones: ZONES });
    silent = await startSilentServer();
    writeFileSync(path, SCRIPT);
    chmodSync(path, 0o755);
  });
  afterAll(async () => {
    await server?.stop();
    await silent?.stop();
    temporary.remove();
  });

  function programFor(secret: string, address = server.address): Program {
    const env = { SERVER: address.replace(':', ' '), KEY_NAME: server.key.name, KEY_SECRET: secret };
    return { preset: 'lego', name: 'nsupdate', path, env, secrets: [secret] };
  }

  function open(program: Program, options: Partial<ExecOptions> = {}) {
    return createExecSolver({ program, resolver: [server.address], nameServerPort: server.port, ...options });
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
    const mark = `t${subjects}`;
    const wrong = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');
    return {
      domain: `${mark}.zone.test`,
      childDomain: `${mark}.child.zone.test`,
      strayDomain: 'stray.invalid',
      secrets: [server.key.secret, wrong],
      open: async () => open(programFor(server.key.secret)),
      openRefused: async () => open(programFor(wrong)),
      openSilent: async () => open(programFor(server.key.secret, silent.address), { nameServers: [silent.address] }),
      values,
      addForeign: (name, value) => write(name, `TXT "${value}"`),
      alias: (name, target) => write(name, `CNAME ${target}.`),
      dispose: async () => {},
    };
  }

  describe('passes the suite', () => solverConformance({ describe, test, create }));
});
