import { createSecureContext, type SecureContext } from 'node:tls';
import { connect } from '@certbus/client';
import { temporaryFolder } from 'certbus-services';
import type { Benchmark, Figure } from './figure.ts';
import { type BenchKeyType, createKeyedBus } from './keyed-bus.ts';
import { serverSocket } from './server-socket.ts';
import { interleave, ratioOf } from './slices.ts';
import { vaultIn } from './vault-file.ts';

const CERTIFICATES = 200;
const WARMING = 5;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** As the client's cache does with what it evicts: what is merely forgotten is not freed. */
const closeNative = (context: SecureContext) => (context as { context: { close(): void } }).context.close();

/** CPU time of the whole process, all of its threads, for each of `count`; what is settled afterwards belongs to it. */
async function cpuOfEach(count: number, work: () => Promise<void>, settle: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  await settle();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function measure(keyType: BenchKeyType, quick: boolean): Promise<Figure[]> {
  const rounds = quick ? 5 : 31;
  const folder = temporaryFolder();
  const { bus, certificates } = await createKeyedBus(CERTIFICATES, { keyType });
  const { identity, trust } = bus;
  // Of 200 names none finds its context again in a cache of one.
  const client = await connect({ bus: bus.bus, identity, trust, stateDirectory: folder.path, cacheSize: 1 });
  // As Node's own TLS asks: what it was given is closed when it is evicted.
  const callback = client.sniCallback.bind(serverSocket());
  const vault = vaultIn(folder.path);
  const kept = async () => {
    while (vault.count() < CERTIFICATES) await sleep(20);
  };

  async function makeContexts(): Promise<void> {
    for (const { cert, key } of certificates) {
      closeNative(createSecureContext({ cert, key }));
      // Ours gives way to the event loop, too.
      await Promise.resolve();
    }
  }
  async function askClient(): Promise<void> {
    for (const { name } of certificates)
      await new Promise<void>((resolve, reject) => {
        callback(name, (error, context) =>
          context ? resolve() : reject(error ?? new Error(`no certificate for ${name}`)),
        );
      });
  }
  // What the thread writes comes a moment after the last answer.
  const settle = () => sleep(100);
  const peer = () => cpuOfEach(CERTIFICATES, makeContexts, settle);
  const ours = () => cpuOfEach(CERTIFICATES, askClient, settle);
  async function first(): Promise<number> {
    vault.empty();
    const cpu = await ours();
    await kept();
    return cpu;
  }

  try {
    const contenders = { first, cold: ours, peer, again: peer };
    await interleave(WARMING, contenders);
    const measures = await interleave(rounds, contenders);
    const against = `one createSecureContext, ${keyType}`;
    const suffix = keyType === 'P-256' ? '' : '.rsa';
    const contest = (ourMeasures: readonly number[]) => ({ ...measures, against, ours: ourMeasures });
    return [
      ratioOf(`handshake.cold${suffix}`, contest(measures.cold)),
      ratioOf(`handshake.cold.first${suffix}`, contest(measures.first)),
    ];
  } finally {
    await client.close();
    await bus.close();
    folder.remove();
  }
}

/** `handshake.cold`: a context for a name whose key was opened before; `handshake.cold.first`: the very first one, until its key is kept. */
export const handshakeCold: Benchmark = async ({ quick }) => [
  ...(await measure('P-256', quick)),
  ...(await measure('RSA-2048', quick)),
];
