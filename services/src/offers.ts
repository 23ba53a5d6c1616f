/** What one process of a run makes once, when the first test file asks, for all of them: they are processes of their own. */
import { chmodSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { bundleCommandLine, bundleProgram, type CommandLine } from './bundle.ts';
import { startDynamoDbLocal } from './dynamodb-local.ts';
import { temporaryFolder } from './machine.ts';
import { installPacked } from './packed-packages.ts';

/** What can be asked for: to start it takes seconds, and none of it is changed by a test. */
export type Offer =
  | 'dynamodb-local'
  | `bundled/${CommandLine}`
  | 'packed/certbus'
  | 'packed/@certbus/client'
  /** A program, by its path in the workspace. */
  | `program/${string}`;

/** Something that was made, as files need to know it, and how it ends. */
interface Made {
  readonly text: string;
  end(): Promise<void> | void;
}

async function startDynamoDb(): Promise<Made> {
  const { endpoint, stop } = await startDynamoDbLocal({ isBrief: true });
  return { text: endpoint, end: stop };
}

async function bundle(into: (folder: string) => Promise<string>): Promise<Made> {
  const { path, remove } = temporaryFolder();
  return { text: await into(path), end: remove };
}

async function install(name: string): Promise<Made> {
  const { path, remove } = temporaryFolder();
  // Tests run it as other users.
  chmodSync(path, 0o755);
  await installPacked(name, path);
  return { text: join(path, 'node_modules'), end: remove };
}

const PROGRAM = 'program/';
const MAKERS: Readonly<Record<Exclude<Offer, `program/${string}`>, () => Promise<Made>>> = {
  'dynamodb-local': startDynamoDb,
  'bundled/certbus': () => bundle((folder) => bundleCommandLine('certbus', folder)),
  'bundled/certbus-agent': () => bundle((folder) => bundleCommandLine('certbus-agent', folder)),
  'packed/certbus': () => install('certbus'),
  'packed/@certbus/client': () => install('@certbus/client'),
};

const isProgram = (offer: Offer): offer is `program/${string}` => offer.startsWith(PROGRAM);

function makerOf(offer: Offer): () => Promise<Made> {
  if (!isProgram(offer)) return MAKERS[offer];
  return () => bundle((folder) => bundleProgram(offer.slice(PROGRAM.length), folder));
}

/** What test files are answered, at a path of the URL for each offer. */
interface Offers {
  readonly url: string;
  /** Forgets what was made of the sources: they have changed. */
  forgetSources(): Promise<void>;
  stop(): Promise<void>;
}

export async function startOffers(): Promise<Offers> {
  const made = new Map<Offer, Promise<Made>>();
  function make(offer: Offer): Promise<Made> {
    const making = made.get(offer) ?? makerOf(offer)();
    made.set(offer, making);
    return making;
  }
  async function end(offers: readonly Offer[]): Promise<void> {
    const ending = offers.flatMap((offer) => made.get(offer) ?? []);
    for (const offer of offers) made.delete(offer);
    await Promise.allSettled(ending.map(async (each) => (await each).end()));
  }
  const server = createServer(({ url = '' }, response) => {
    make(url.slice(1) as Offer).then(
      ({ text }) => response.end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forgetSources: () => end([...made.keys()].filter((offer) => offer !== 'dynamodb-local')),
    async stop() {
      server.close().closeAllConnections();
      await end([...made.keys()]);
    },
  };
}
