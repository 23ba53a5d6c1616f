/** The target nginx with njs or Lua: certificates in its shared memory, changed without a reload. */
import { randomUUID } from 'node:crypto';
import { AgentError } from '../../errors.ts';
import { chainPem, keyPem } from '../../pairs/encodings.ts';
import type { Pair } from '../../pairs/pair.ts';
import { leadersOf, namesByLeader, wildcardOf } from '../ranking.ts';
import { servedLeaves } from '../served.ts';
import type { Applied, Change, Held, Target, Wanted } from '../target.ts';
import { together } from '../together.ts';
import { watchBalancer } from '../watch.ts';
import { type AdminApi, type Kept, PUT_TOGETHER, type Put, TOGETHER } from './admin-api.ts';
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
/** How often the agent looks whether its memory is another one: until it is filled, nginx refuses every name. A look is one small request. */
const LOOK_EVERY_MS = 250;

const formatValue = (pair: Pair, names: readonly string[]): string =>
  `${pair.leafHash}\n${names.join(' ')}\n${chainPem(pair)}\n${keyPem(pair)}`;

/** Whether an error is about one certificate. */
const isOfOne = ({ code }: AgentError): boolean =>
  code === 'CERTBUS_AGENT_PAIR_REFUSED' || code === 'CERTBUS_AGENT_TARGET_REFUSED';

/** Certificates in groups, each for one request. */
function* partsOf(certificates: readonly Wanted[]): Iterable<readonly Wanted[]> {
  for (let at = 0; at < certificates.length; at += PUT_TOGETHER) yield certificates.slice(at, at + PUT_TOGETHER);
}

/**
 * Names that two of some certificates have. While several requests are on their way nobody knows which nginx takes last: a name of two leads to neither
 * by chance.
 */
function inCommon(certificates: readonly Wanted[]) {
  const [all, rivals] = [new Set<string>(), new Set<string>()];
  for (const { names } of certificates) for (const name of names) (all.has(name) ? rivals : all).add(name);
  return { ids: new Set(certificates.map(({ certificateId }) => certificateId)), rivals };
}

/** Opens the target. */
export function createNginxTarget({ name, address, files }: NginxSettings, api: AdminApi): Target {
  /** What the memory has as its epoch: another one while it is changed, and none before it was read. */
  let epochs: readonly string[] = [];
  let kept = new Map<string, Kept>();
  /** The certificate that each name leads to, and {@link NO_NAME}. */
  let leads = new Map<string, string>();
  /** Whether time may have changed which certificate ranks first for any name; after that only a change does. */
  let isAllDue = true;

  /** The certificate that each name is to lead to, of those that nginx holds and keeps: for all names, or those that a change is about. */
  function leadersFor({ put, remove, wanted, defaultId, ...ranking }: Change): Map<string, string> {
    const gone = new Set(remove);
    const isStaying = (id: string) => kept.has(id) && !gone.has(id);
    const staying = [...wanted.values()].filter(({ certificateId }) => isStaying(certificateId));
    const leaders = new Map<string, string>();
    if (isAllDue) for (const [each, id] of leadersOf(staying, ranking)) leaders.set(each, id);
    else {
      const changed = [...put, ...remove.map((id) => ({ names: kept.get(id)?.names ?? [] }))];
      const touched = new Set(changed.flatMap(({ names }) => names));
      for (const { certificateId, names } of staying)
        for (const each of names)
          if (!leaders.has(each) && (touched.has(each) || touched.has(wildcardOf(each) ?? '')))
            leaders.set(each, ranking.bestFor(each, isStaying) ?? certificateId);
    }
    if (defaultId !== undefined && isStaying(defaultId)) leaders.set(NO_NAME, defaultId);
    return leaders;
  }

  /** Gives nginx certificates with names, several at one time; what concerns one holds up no other. */
  async function writeAll(
    certificates: readonly Wanted[],
    namesOf: (wanted: Wanted) => readonly string[],
    { refused, signal }: { readonly refused: Map<string, Error>; readonly signal: AbortSignal },
  ): Promise<void> {
    await together(partsOf(certificates), TOGETHER, async (part) => {
      const puts: (Put & { readonly names: readonly string[] })[] = [];
      for (const wanted of part) {
        try {
          const pair = await wanted.open();
          const names = namesOf(wanted);
          puts.push({ certificate: wanted, value: formatValue(pair, names), names });
        } catch (error) {
          // What is not about this certificate concerns all of them.
          if (!(error instanceof AgentError) || !isOfOne(error)) throw error;
          refused.set(wanted.certificateId, error);
        }
      }
      if (puts.length === 0) return;
      const answers = await api.putAll(puts, signal);
      for (const { certificate, names } of puts) {
        const { certificateId: id } = certificate;
        const answer = answers.get(id);
        if (typeof answer === 'string') {
          kept.set(id, { leafHash: answer, names });
          for (const each of names) leads.set(each, id);
        } else if (answer) refused.set(id, answer);
      }
    });
  }

  /** The names of a certificate that is put: those that lead to it, and its own for which nothing better is held. */
  function namesOfPut(
    { certificateId: own, names }: Wanted,
    { bestFor, remove, defaultId }: Change,
    { ids, rivals }: ReturnType<typeof inCommon>,
  ): readonly string[] {
    const isAmong = (id: string) => id === own || ids.has(id) || (kept.has(id) && !remove.includes(id));
    const led = (kept.get(own)?.names ?? []).filter((each) => each !== NO_NAME && leads.get(each) === own);
    const isOthers = (each: string | undefined) => each !== undefined && (leads.get(each) ?? own) !== own;
    // The bus is asked only where there is a choice.
    const isBest = (each: string) =>
      !(isOthers(each) || isOthers(wildcardOf(each)) || rivals.has(each)) || (bestFor(each, isAmong) ?? own) === own;
    const first = names.filter(isBest);
    return [...new Set([...led, ...first, ...(own === defaultId ? [NO_NAME] : [])])];
  }

  /** Lets names lead to other certificates that are held. What takes a name over does so in one step, so that none is without a certificate. */
  async function moveNames(change: Change, refused: Map<string, Error>, signal: AbortSignal): Promise<void> {
    const leaders = leadersFor(change);
    const leaderOf = (each: string) => (each === NO_NAME ? leaders.get(each) : (leaders.get(each) ?? leads.get(each)));
    const isMoved = (each: string, id: string) => leads.get(each) !== id;
    const gaining = new Set([...leaders].flatMap(([each, id]) => (isMoved(each, id) ? [id] : [])));
    const noDefault = leads.get(NO_NAME);
    if (noDefault !== undefined && !leaders.has(NO_NAME) && !change.remove.includes(noDefault)) gaining.add(noDefault);
    const due = [...gaining].flatMap((id) => change.wanted.get(id) ?? []);
    const ledBy = namesByLeader(leaders);
    const namesOf = ({ certificateId: id }: Wanted) => {
      const led = (kept.get(id)?.names ?? []).filter((each) => leaderOf(each) === id);
      return [...new Set([...led, ...(ledBy.get(id) ?? [])])];
    };
    await writeAll(due, namesOf, { refused, signal });
    const left = leads.get(NO_NAME);
    // One that could not be written again leads on.
    if (left !== undefined && !leaders.has(NO_NAME) && !kept.get(left)?.names.includes(NO_NAME)) leads.delete(NO_NAME);
  }

  /** Marks the memory. Another mark with each change: memory that is filled from a file of nginx's own can be older than the last one. */
  async function mark(signal: AbortSignal): Promise<string> {
    const epoch = randomUUID();
    epochs = [...epochs, epoch];
    await api.setEpoch(epoch, signal);
    return epoch;
  }

  /** What is kept, with the names that lead to each certificate now. */
  const current = (): Map<string, Kept> =>
    new Map(
      [...kept].map(([id, { leafHash, names }]) => [
        id,
        { leafHash, names: names.filter((each) => leads.get(each) === id) },
      ]),
    );

  return {
    name,
    async held({ wanted, bestFor }, signal): Promise<Held> {
      const epoch = await api.epoch(signal);
      const isOther = epoch === '' || (epochs.length > 0 && !epochs.includes(epoch));
      epochs = [epoch];
      kept = new Map(await api.list(signal));
      leads = new Map([...kept].flatMap(([id, { names }]) => names.map((each) => [each, id] as const)));
      isAllDue = true;
      const leafHashes = new Map([...kept].map(([id, { leafHash }]) => [id, leafHash]));
      const leaders = leadersFor({ put: [], remove: [], defaultId: undefined, wanted, bestFor });
      const isLed = [...leaders].every(([each, id]) => leads.get(each) === id);
      const isInEffect = epoch !== '' && isLed && (await files?.areSame(kept)) !== false;
      return { leafHashes, defaultId: leads.get(NO_NAME), isInEffect, isOther };
    },
    async apply(change, signal): Promise<Applied> {
      const refused = new Map<string, Error>();
      const begun = await mark(signal).catch((error: AgentError) => {
        // A full memory may have no room for it, which the removals below make. Where nginx is away, what follows fails as well.
        if (error.code !== 'CERTBUS_AGENT_TARGET_FAILED') throw error;
        return undefined;
      });
      const common = inCommon(change.put);
      await writeAll(change.put, (wanted) => namesOfPut(wanted, change, common), { refused, signal });
      await moveNames(change, refused, signal);
      for (const id of change.remove) {
        await api.remove(id, signal);
        for (const each of kept.get(id)?.names ?? []) if (leads.get(each) === id) leads.delete(each);
        kept.delete(id);
      }
      isAllDue = false;
      const unwritten = (await files?.follow(current(), change)) ?? new Map<string, Error>();
      // What was put now is in the memory, whatever became of its file: the next comparison of all names that.
      const isPut = new Set(change.put.map(({ certificateId }) => certificateId));
      for (const [id, problem] of unwritten) if (!isPut.has(id)) refused.set(id, problem);
      if (begun !== undefined && (await api.epoch(signal)) !== begun) {
        const what = 'nginx was restarted while it was given certificates. It is given all that it lacks at once.';
        throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
      }
      epochs = [await mark(signal)];
      return { refused };
    },
    async served(leaves, signal) {
      if (address !== undefined) return servedLeaves(address, leaves, signal);
      return new Map([...kept].map(([id, { leafHash }]) => [id, leafHash]));
    },
    async problems(signal) {
      const unreachable = await api.list(signal).then(
        () => [],
        (error: Error) => [error.message],
      );
      return [...((await files?.problems()) ?? []), ...unreachable];
    },
    async watch(watcher, signal) {
      let before = epochs;
      const look = () => {
        before = epochs;
        return api.epoch(signal);
      };
      // Its memory is empty or older after a restart.
      const isLost = (found: string) => before.length > 0 && ![...before, ...epochs].includes(found);
      await watchBalancer({ everyMs: LOOK_EVERY_MS, look, isLost }, watcher, signal);
    },
    async close() {
      api.close();
    },
  };
}
