/** Which certificate's context is shown for a server name: a bounded map, so that a hot name costs one look-up. */
import type { MaterialSource } from '../serving/material-source.ts';
import type { Ranking } from '../serving/ranking.ts';
import { type BoundedCache, type Cached, createBoundedCache } from './bounded-cache.ts';
import type { ClientAbility } from './client-ability.ts';
import type { CertificateContext, Contexts } from './contexts.ts';

/** The names of one wildcard level, such as those that `*.a.test` covers. */
interface Level extends Cached {
  /** False once a certificate with that wildcard changed: then all names of the level are looked up again. */
  isCurrent: boolean;
  /** What is shown for those of its names that no certificate has exactly. */
  answer: Answer | undefined;
}

/** What was found for a name. */
interface Answer {
  /** `undefined` where it depends on the client's key types, see `byAbility`. */
  readonly shown: CertificateContext | undefined;
  readonly byAbility: Map<string, Answer> | undefined;
  /** When it was looked up, milliseconds since 1970: it says nothing of the time before, to which a clock can be set back. */
  readonly since: number;
  /** From then on another certificate may rank higher, milliseconds since 1970. */
  readonly until: number;
  readonly level: Level | undefined;
}

/** An answer as one name has it. */
type NameEntry = Answer & Cached;

/** What finds contexts for server names. */
export interface NameMap {
  /** The context for a name as a client typed it, where the map has it and it is the same for every client. */
  peek(typed: string): CertificateContext | undefined;
  /**
   * The context for a server name in its one form; `undefined` where no certificate covers it. Looks into the replica where the map does
   * not have it, and returns a promise where the context must be made. `ability` is asked where the name has several key types; without one,
   * what ranks first is shown. Throws where the replica cannot be read and nothing is known.
   */
  find(
    serverName: string,
    ability: () => ClientAbility | undefined,
  ): CertificateContext | undefined | Promise<CertificateContext | undefined>;
  /** Forgets what was found for these names, which a certificate has that changed; wildcards with all that they cover. */
  forget(names: readonly string[]): void;
  clear(): void;
}

export interface NameMapOptions {
  readonly source: Pick<MaterialSource, 'ranking' | 'isNamed' | 'certificate' | 'isWhole'>;
  readonly contexts: Pick<Contexts, 'get' | 'make'>;
  /** Names kept at most, and wildcard levels. */
  readonly size: number;
  readonly now: () => number;
  /** Called with a name that has certificates of several key types. */
  readonly onKeyTypes: () => void;
}

/** An expired certificate is shown where there is nothing better, and not looked up again at every handshake. */
const EXPIRED_MS = 60_000;
/** More contexts are not made for one handshake, however fast certificates change. */
const MAX_MADE = 20;
const NO_CLIENT = 'any';
const NONE: ReadonlySet<string> = new Set();

const wildcardOf = (serverName: string): string | undefined => {
  const dot = serverName.indexOf('.');
  return dot < 0 ? undefined : `*${serverName.slice(dot)}`;
};

/** What has been made for one handshake. */
interface Made {
  /** Leaves that cannot be used here. */
  readonly refused: ReadonlySet<string>;
  /** The latest context, which may be current no longer; it is not closed before the next turn of the event loop. */
  readonly latest?: CertificateContext | undefined;
}

const idOf = ({ certificateId, leafHash }: { readonly certificateId: string; readonly leafHash: string }): string =>
  `${certificateId} ${leafHash}`;

/** Makes an empty map. */
export function createNameMap({ source, contexts, size, now, onKeyTypes }: NameMapOptions): NameMap {
  const names = createBoundedCache<NameEntry>(size);
  const levels: BoundedCache<Level> = createBoundedCache<Level>(size, (level) => {
    level.isCurrent = false;
  });
  /** How often a certificate changed. */
  let changes = 0;

  const isCurrent = ({ level }: Answer): boolean => level === undefined || level.isCurrent;
  function isUsable(answer: Answer): boolean {
    const at = now();
    const isInTime = answer.since <= at && at < answer.until;
    return isInTime && isCurrent(answer) && (answer.shown === undefined || answer.shown.isCurrent);
  }

  function levelOf(serverName: string): Level | undefined {
    const wildcard = wildcardOf(serverName);
    if (wildcard === undefined) return undefined;
    const there = levels.get(wildcard);
    if (there) return there;
    const level: Level = { isCurrent: true, answer: undefined, isUsed: false };
    levels.set(wildcard, level);
    return level;
  }

  function keep(serverName: string, { shown, byAbility, since, until, level }: Answer): void {
    names.set(serverName, { shown, byAbility, since, until, level, isUsed: false });
  }

  /** What is known for a name, also of the wildcard above it. What it returns may be usable no longer. */
  function known(serverName: string): Answer | undefined {
    const own = names.get(serverName);
    if (own && isUsable(own)) return own;
    const wildcard = wildcardOf(serverName);
    const above = wildcard === undefined ? undefined : levels.get(wildcard)?.answer;
    if (!above || !isUsable(above)) return own ?? above;
    try {
      if (source.isNamed(serverName)) return own;
    } catch {
      // The replica was closed, or is damaged: what covers the name goes on being shown.
      return above;
    }
    keep(serverName, above);
    return above;
  }

  /** What was shown, where its certificate has not changed. */
  const shownBefore = (there: Answer | undefined): CertificateContext | undefined =>
    there?.shown?.isCurrent && isCurrent(there) ? there.shown : undefined;

  /** What was shown, where its certificate is in a row of the replica that does not read: it was not removed. */
  function unread(there: Answer | undefined): CertificateContext | undefined {
    const shown = shownBefore(there);
    return shown && !source.certificate(shown.certificateId) && !source.isWhole() ? shown : undefined;
  }

  function answerFor(answer: Answer, ability: () => ClientAbility | undefined): Answer | undefined {
    const own = answer.byAbility ? answer.byAbility.get(ability()?.key ?? NO_CLIENT) : answer;
    return own && isUsable(own) ? own : undefined;
  }

  function register(serverName: string, ranking: Ranking, shown: CertificateContext, key: string | undefined): void {
    const level = levelOf(serverName);
    const since = now();
    const until = ranking.until?.getTime() ?? since + EXPIRED_MS;
    const own: Answer = { shown, byAbility: undefined, since, until, level };
    const isExact = level === undefined || source.isNamed(serverName);
    const there = isExact ? names.get(serverName) : level.answer;
    let answer = own;
    if (key !== undefined) {
      const isKept = there?.byAbility !== undefined && isUsable(there);
      answer = isKept ? there : { shown: undefined, byAbility: new Map(), since, until, level };
      answer.byAbility?.set(key, own);
    }
    if (!isExact) level.answer = answer;
    keep(serverName, answer);
  }

  /** One look into the replica: what is shown, or the candidate whose context must be made first. */
  function search(serverName: string, ability: () => ClientAbility | undefined, { refused, latest }: Made) {
    let ranking = source.ranking(serverName);
    let key: string | undefined;
    if (ranking.hasKeyTypes) {
      onKeyTypes();
      const client = ability();
      key = client?.key ?? NO_CLIENT;
      if (client) ranking = source.ranking(serverName, client.canUse);
    }
    for (const candidate of ranking.candidates) {
      const id = idOf({ certificateId: candidate.certificateId, leafHash: candidate.issued.leafHash });
      if (refused.has(id)) continue;
      const made = latest && idOf(latest) === id ? latest : undefined;
      // To find what was made for this handshake is not a second use of it.
      const shown = made?.isCurrent ? made : (contexts.get(candidate) ?? made);
      if (!shown) return { missing: candidate, id, ranking, key };
      if (shown.isCurrent) register(serverName, ranking, shown, key);
      return { shown };
    }
    return {};
  }

  async function makeAndFind(
    serverName: string,
    ability: () => ClientAbility | undefined,
    first: ReturnType<typeof search>,
  ): Promise<CertificateContext | undefined> {
    const refused = new Set<string>();
    let found = first;
    for (let count = 0; found.missing && count < MAX_MADE; count += 1) {
      const { missing, id, ranking, key } = found;
      const before = changes;
      const latest = await contexts.make(missing, serverName);
      if (latest?.isCurrent && changes === before) {
        register(serverName, ranking, latest, key);
        return latest;
      }
      if (!latest) refused.add(id);
      // The replica may have moved on, so that another certificate comes first now.
      found = search(serverName, ability, { refused, latest });
    }
    return found.shown;
  }

  return {
    peek(typed) {
      const entry = names.get(typed);
      if (entry === undefined || entry.shown === undefined || !isUsable(entry)) return undefined;
      entry.shown.isUsed = true;
      return entry.shown;
    },
    find(serverName, ability) {
      const there = known(serverName);
      const usable = there && isUsable(there) ? answerFor(there, ability) : undefined;
      if (usable?.shown) {
        usable.shown.isUsed = true;
        return usable.shown;
      }
      try {
        const found = search(serverName, ability, { refused: NONE });
        if (found.missing) return makeAndFind(serverName, ability, found);
        return found.shown ?? unread(there);
      } catch (error) {
        const shown = shownBefore(there);
        if (shown) return shown;
        throw error;
      }
    },
    forget(changed) {
      changes += 1;
      for (const name of changed) {
        names.delete(name);
        levels.delete(name);
      }
    },
    clear() {
      changes += 1;
      names.clear();
      levels.clear();
    },
  };
}
