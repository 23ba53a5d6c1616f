/** The target nginx with njs or Lua: certificates in its shared memory, changed without a reload. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentError } from '../../errors.ts';
import { chainPem, keyPem } from '../../pairs/encodings.ts';
import type { Pair } from '../../pairs/pair.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Change, Held, Target, Wanted } from '../target.ts';
import { type AdminApi, type Kept, TOGETHER } from './admin-api.ts';
import type { StartFiles } from './start-files.ts';

/** An nginx of this machine. */
export interface NginxSettings {
  readonly name: string;
  /** Where it listens for TLS, `HOST:PORT`: what it shows there is compared. `undefined`: its own list is. */
  readonly address: string | undefined;
  /** Files for its start; `undefined`: none. */
  readonly files: StartFiles | undefined;
}

/** Stands for clients that name no server. */
const NO_NAME = '-';
const LOOK_EVERY_MS = 1_000;

/** The names that lead to a certificate: those for which it ranks first, and `-` for the default one. */
function namesFor(
  { certificateId, names }: Pick<Wanted, 'certificateId' | 'names'>,
  { bestFor, defaultId }: Change,
): readonly string[] {
  const own = names.filter((name) => bestFor(name) === certificateId);
  return certificateId === defaultId ? [...own, NO_NAME] : own;
}

const formatValue = (pair: Pair, names: readonly string[]): string =>
  `${pair.leafHash}\n${names.join(' ')}\n${chainPem(pair)}\n${keyPem(pair)}`;

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && [...a].sort().join(' ') === [...b].sort().join(' ');

/** Whether an error is about one certificate. */
const isOfOne = ({ code }: AgentError): boolean =>
  code === 'CERTBUS_AGENT_PAIR_REFUSED' || code === 'CERTBUS_AGENT_TARGET_REFUSED';

/** Opens the target. */
export function createNginxTarget({ name, address, files }: NginxSettings, api: AdminApi): Target {
  const epoch = randomUUID();
  let kept = new Map<string, Kept>();

  /** Certificates that have to be written: those of the change, and those to which other names lead now. */
  function toWrite(change: Change): readonly Wanted[] {
    const put = new Set(change.put);
    const touched = new Set([
      ...change.put.flatMap(({ names }) => names),
      ...change.remove.flatMap((id) => kept.get(id)?.names ?? []),
    ]);
    const isTouched = ({ names, certificateId }: Wanted) =>
      names.some((each) => touched.has(each)) ||
      certificateId === change.defaultId ||
      kept.get(certificateId)?.names.includes(NO_NAME);
    for (const wanted of change.wanted.values()) {
      const held = kept.get(wanted.certificateId);
      if (held && isTouched(wanted) && !isSame(held.names, namesFor(wanted, change))) put.add(wanted);
    }
    return [...put];
  }

  async function write(wanted: Wanted, change: Change, signal: AbortSignal): Promise<void> {
    const pair = await wanted.open();
    const names = namesFor(wanted, change);
    const leafHash = await api.put(wanted.certificateId, formatValue(pair, names), signal);
    kept.set(wanted.certificateId, { leafHash, names });
  }

  return {
    name,
    async held(signal): Promise<Held> {
      kept = new Map(await api.list(signal));
      const defaultId = [...kept].find(([, { names }]) => names.includes(NO_NAME))?.[0];
      const leafHashes = new Map([...kept].map(([id, { leafHash }]) => [id, leafHash]));
      const isKnown = (await api.epoch(signal)) === epoch;
      return { leafHashes, defaultId, isInEffect: isKnown && (await files?.areSame(kept)) !== false };
    },
    async apply(change, signal): Promise<Applied> {
      const refused = new Map<string, Error>();
      const left = [...toWrite(change)];
      const work = async () => {
        for (let next = left.pop(); next; next = left.pop()) {
          try {
            await write(next, change, signal);
          } catch (error) {
            // What ends the connection concerns all of them.
            if (!(error instanceof AgentError) || !isOfOne(error)) throw error;
            refused.set(next.certificateId, error);
          }
        }
      };
      await Promise.all(Array.from({ length: TOGETHER }, work));
      for (const id of change.remove) {
        await api.remove(id, signal);
        kept.delete(id);
      }
      await files?.follow(kept, change);
      await api.setEpoch(epoch, signal);
      return { refused };
    },
    async served(leaves, signal) {
      if (address !== undefined) return servedLeaves(address, leaves, signal);
      return new Map([...kept].map(([id, { leafHash }]) => [id, leafHash]));
    },
    async problems(signal) {
      return api.list(signal).then(
        () => [],
        (error: Error) => [error.message],
      );
    },
    async watch(onLost, signal) {
      while (!signal.aborted) {
        await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
        // Its memory is empty after a restart; while it is away there is nothing to tell.
        const found = await api.epoch(signal).catch(() => epoch);
        if (found !== epoch) onLost();
      }
    },
    async close() {
      api.close();
    },
  };
}
