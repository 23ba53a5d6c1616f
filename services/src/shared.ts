/** What all files of a test run share. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { dirname, join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import type { Offer } from './offers.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Without the limit that `fetch` has: a busy machine takes minutes to pack and install packages. */
async function ask(offer: Offer): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(`${inject('offers')}/${offer}`, resolve).on('error', reject);
  const response = await promise;
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(answer);
  return answer;
}

/** The run's DynamoDB Local: to start one takes seconds, and a warm one answers faster. It ends with the run. */
export async function sharedDynamoDbLocal(): Promise<{ readonly endpoint: string }> {
  return { endpoint: await ask('dynamodb-local') };
}

/** Credentials with which a file sees its own tables only: DynamoDB Local has a database for each access key and region. */
export function drawCredentials(): { readonly accessKeyId: string; readonly secretAccessKey: string } {
  return { accessKeyId: crypto.randomUUID().replaceAll('-', ''), secretAccessKey: 'local' };
}

/** The path of the command line, bundled from its sources: it starts in a third of the time. */
export function bundledCommandLine(): Promise<string> {
  return ask('bundled/certbus');
}

/** A program that was bundled from its sources, which starts in a third of the time, and what it is started with. */
export interface Bundled {
  readonly path: string;
  /** What one start has compiled, the next ones load. */
  readonly env: { readonly NODE_COMPILE_CACHE: string };
}

const bundledAt = (path: string): Bundled => ({ path, env: { NODE_COMPILE_CACHE: join(dirname(path), 'compiled') } });

/** `certbus-agent`, bundled. */
export async function bundledAgent(): Promise<Bundled> {
  return bundledAt(await ask('bundled/certbus-agent'));
}

/** A program of a test, bundled: for one that is started more than a few times. */
export async function bundledProgram(url: URL): Promise<Bundled> {
  return bundledAt(await ask(`program/${relative(ROOT, fileURLToPath(url))}`));
}

/**
 * Makes a folder a project in which a package of this workspace is installed as users will have it. What is installed is the run's, and
 * must not be changed; the folder is the test's own.
 */
export async function usePacked(name: 'certbus' | '@certbus/client', folder: string): Promise<void> {
  const modules = await ask(`packed/${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  symlinkSync(modules, join(folder, 'node_modules'));
}
