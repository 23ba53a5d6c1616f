/** AWS's emulator of Lambda and its runtime client for Node, built. */
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGoTools } from '../go-programs.ts';
import { lockOf } from '../locks.ts';
import { cacheFolder, hasProgram, isExecutable } from '../machine.ts';
import { freshEnvironment, installPackages } from '../npm-packages.ts';

/** What runs a function: AWS's own client, or a small one of this repository, which needs no compiler. */
export type LambdaRuntime = 'aws' | 'own';

const EMULATOR = 'lambda-rie';
const CLIENT = 'lambda-ric';
const OWN = fileURLToPath(new URL('./bootstrap.mjs', import.meta.url));

const isCached = (lock: string): boolean => existsSync(cacheFolder(lockOf(lock).cacheName));

/** Why this machine cannot have the emulator; `undefined` when it can. */
export function missingLambdaEmulator(): string | undefined {
  return hasProgram('go') || isCached(EMULATOR) ? undefined : "AWS's emulator of Lambda is built with Go";
}

/** Finds or builds the emulator and returns its path. Started with a flag that it does not know, `--help` too, it serves until it is stopped. */
export async function findLambdaEmulator(): Promise<string> {
  return join(await buildGoTools(EMULATOR), 'aws-lambda-rie');
}

/** Where the headers of npm's Node are, which a native module is compiled with: what node-gyp would download has no hash here. */
function headersFolder(): string | undefined {
  const folders = (freshEnvironment()['PATH'] ?? '').split(delimiter);
  const node = folders.map((each) => join(each, 'node')).find(isExecutable);
  const folder = node && dirname(dirname(realpathSync(node)));
  return folder && existsSync(join(folder, 'include', 'node', 'node_api.h')) ? folder : undefined;
}

const COMPILERS = ['npm', 'cmake', 'make', 'g++', 'python3'];

/** Finds or builds AWS's client, where this machine can; it takes a minute. Else it is the small one. Returns its module's path. */
export async function findLambdaRuntime(wanted: LambdaRuntime = 'aws'): Promise<string> {
  const nodedir = headersFolder();
  const canHave = isCached(CLIENT) || (nodedir !== undefined && COMPILERS.every(hasProgram));
  if (wanted === 'own' || !canHave) return OWN;
  const modules = await installPackages(CLIENT, { scripts: true, env: nodedir ? { npm_config_nodedir: nodedir } : {} });
  return join(modules, 'aws-lambda-ric', 'index.mjs');
}
