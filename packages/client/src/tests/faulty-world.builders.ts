/** A load balancer in a world in which everything fails: its bus, its disk, its clock, its sibling and the bytes that it wrote. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { CertBus } from '../cert-bus.ts';
import type { Health } from '../health.ts';
import {
  checkReport,
  checkShown,
  checkSound,
  type Edge,
  type Floors,
  standingReport,
  startEdge,
} from './edge.builders.ts';
import { type EdgeProcess, startEdgeProcess } from './edge-processes.builders.ts';
import { createFaultyDisk, flipBit } from './faults.builders.ts';
import { createSite, DAY_MS, type Site } from './site.builders.ts';

/** What can happen. Where it goes wrong, it comes right when it happens once more. */
export type Happening =
  | 'renew'
  | 'add'
  | 'remove'
  | 'line'
  | 'room'
  | 'mode'
  | 'damage'
  | 'clock'
  | 'restart'
  | 'sibling';

/** A world with one load balancer. */
export interface FaultyWorld {
  /**
   * Lets time pass and something happen; `chance` says to which name, byte or instant. Rejects where what the load balancer shows or reports is
   * wrong, then or at any moment before.
   */
  step(happening: Happening, options: { readonly chance: number; readonly afterMs: number }): Promise<void>;
  /** Puts everything right, and rejects where the load balancer does not come right with it. */
  end(): Promise<void>;
}

/** Lives so short that it ends when the clock jumps. */
const BRIEF = 'brief.test';
const ISSUED = ['a.test', 'b.test', '*.wild.test', 'x.wild.test', BRIEF];
const ASKED = ['a.test', 'b.test', 'x.wild.test', 'y.wild.test', BRIEF, 'never.test'];
const lifeOf = (name: string) => ({ days: name === BRIEF ? 2 : 90 });
/** More than the longest pause after which what failed is tried again. */
const A_RETRY_MS = 300_000;
const FARTHEST_JUMP_MS = 3 * DAY_MS;
const pick = (chance: number): string => ISSUED[chance % ISSUED.length] ?? '';

/**
 * Looks at a report every few milliseconds; the first that is wrong is thrown when it is asked for. While rows are damaged it need not count all that
 * the bus has.
 */
function watchReports(
  site: Site,
  current: () => { readonly health: Health; readonly isDamaged: boolean } | undefined,
): { throwSeen(): void } {
  const seen: unknown[] = [];
  const timer = setInterval(() => {
    try {
      const report = current();
      if (!report) return;
      checkSound(site, report.health);
      if (!report.isDamaged) checkReport(site, report.health);
    } catch (error) {
      seen.push(error);
    }
  }, 3);
  onTestFinished(() => clearInterval(timer));
  return {
    throwSeen() {
      if (seen.length > 0) throw seen[0];
    },
  };
}

/** A load balancer that can be restarted, and what it must show again. */
interface RestartableEdge {
  /** `undefined` while it is down. */
  readonly running: Edge | undefined;
  readonly client: CertBus;
  readonly floors: Floors;
  /** Notes that all that was shown is on the disk: what is in memory alone may be lost with the process. */
  kept(): void;
  restart(between?: () => Promise<void> | void): Promise<void>;
}

async function createRestartable(options: Site['options'], isDiskGood: () => boolean): Promise<RestartableEdge> {
  const floors: Floors = new Map();
  let durable: Floors = new Map();
  let running: Edge | undefined = await startEdge(options);
  const client = () => {
    if (!running) throw new Error('it is down');
    return running.client;
  };
  return {
    floors,
    get running() {
      return running;
    },
    get client() {
      return client();
    },
    kept() {
      durable = new Map(floors);
    },
    async restart(between = () => {}) {
      const isKept = isDiskGood() && client().health().trouble?.code !== 'CERTBUS_REPLICA_FAILED';
      const before = running;
      running = undefined;
      await before?.close();
      if (!isKept) {
        floors.clear();
        for (const [name, position] of durable) floors.set(name, position);
      }
      await between();
      running = await startEdge(options);
    },
  };
}

/** What a world is made of; `sibling` is a process on the same state folder that follows the bus and hangs. */
interface Parts {
  readonly site: Site;
  readonly options: Site['options'];
  readonly disk: ReturnType<typeof createFaultyDisk>;
  readonly edge: RestartableEdge;
  readonly state: { isDamaged: boolean; sibling: EdgeProcess | undefined; isSilenceKnown: boolean; added: number };
}

/** How each thing is made to happen. */
function createHappenings({ site, options, disk, edge, state }: Parts) {
  const { clock, line } = site;
  /** What could not be mended on a bad disk is tried again after a minute, or a start. */
  const afterDisk = async () => {
    if (state.isDamaged && disk.isGood) await edge.restart();
  };
  const happenings: Readonly<Record<Happening, (chance: number) => Promise<void>>> = {
    renew: (chance) => site.issue([pick(chance)], lifeOf(pick(chance))),
    add() {
      state.added += 1;
      return site.issue([`added${state.added}.test`]);
    },
    remove: (chance) => site.remove(pick(chance)),
    async line() {
      if (line.isCut) line.mend();
      else line.cut();
    },
    async room() {
      disk.toggleRoom();
      await afterDisk();
    },
    async mode() {
      if (disk.isReadOnly) {
        disk.toggleMode();
        await afterDisk();
      } else if (!state.sibling) await edge.restart(() => disk.toggleMode());
    },
    async damage(chance) {
      // Two at once may hit what shows that an older version of a row is not the newest.
      if (state.isDamaged || disk.isReadOnly) return;
      state.isDamaged = true;
      const damage = () => flipBit(options.stateDirectory, chance);
      if (chance % 3 === 0) damage();
      else await edge.restart(damage);
    },
    async clock(chance) {
      // To either side, most often by hours.
      const share = (chance % 1_000) / 999;
      clock.aheadMs = (chance % 2 === 0 ? -1 : 1) * Math.round(FARTHEST_JUMP_MS * share ** 2);
    },
    restart: () => edge.restart(),
    async sibling() {
      state.isSilenceKnown = false;
      const { sibling } = state;
      state.sibling = undefined;
      if (sibling) return sibling.kill();
      const { now, ...rest } = options;
      const started = startEdgeProcess({ ...rest, aheadMs: now().getTime() - Date.now() });
      await edge.restart(async () => void (await started.started));
      started.hang();
      state.sibling = started;
    },
  };
  return happenings;
}

/** What looks whether all is as it must be. */
function createChecks({ site, options, disk, edge, state }: Parts) {
  const { history, line } = site;
  const asked = () => [...ASKED, ...Array.from({ length: state.added }, (_, n) => `added${n + 1}.test`)];
  const port = () => edge.running?.port ?? 0;
  const watched = watchReports(site, () => {
    const health = edge.running?.client.health();
    return health && { health, isDamaged: state.isDamaged };
  });

  /** Whether the load balancer has met what is wrong with the world, or has all of the bus. */
  function hasMet(): boolean {
    const { following, position, trouble } = edge.client.health();
    const code = trouble?.code ?? '';
    if (!following && state.sibling) {
      state.isSilenceKnown ||= code === 'CERTBUS_REPLICA_SILENT';
      return state.isSilenceKnown;
    }
    return line.isCut ? /^CERTBUS_(STORE_|REPLICA_FAILED)/.test(code) : following && position === history.head;
  }

  /** What is damaged may be refused, and is never shown as another version than the newest or for another name. */
  async function checkDamaged(): Promise<void> {
    for (const name of asked()) await checkShown(port(), { site, floors: edge.floors, mayRefuse: true }, [name]);
  }

  /** A damaged replica is made whole from the bus. */
  async function untilMended(): Promise<void> {
    await edge.restart();
    const { head } = history;
    const isShown = () => checkShown(port(), { site, floors: new Map(), position: head }, asked());
    const look = async () => {
      expect(edge.client.health()).toMatchObject({ position: head, ...standingReport(site, head, options.now()) });
      await isShown();
    };
    await expect.poll(() => look().then(() => 'whole', String), { interval: 50 }).toBe('whole');
    state.isDamaged = false;
  }

  return async () => {
    await expect.poll(hasMet, { interval: 5, timeout: A_RETRY_MS }).toBe(true);
    watched.throwSeen();
    const isAtHead = !line.isCut && edge.client.health().following;
    if (isAtHead && disk.isGood && state.isDamaged) await untilMended();
    if (state.isDamaged) return checkDamaged();
    if (isAtHead && disk.isGood)
      await expect.poll(() => edge.client.health(), { interval: 10 }).toMatchObject({ live: true, trouble: undefined });
    const report = edge.client.health();
    checkReport(site, report);
    const position = isAtHead ? history.head : report.position;
    await checkShown(port(), { site, floors: edge.floors, position }, asked());
    if (isAtHead && disk.isGood) edge.kept();
  };
}

/** Makes a world in a folder, in which nothing is wrong yet. */
export async function createFaultyWorld(folder: string): Promise<FaultyWorld> {
  mkdirSync(folder, { recursive: true });
  const disk = createFaultyDisk(join(folder, 'disk'));
  const site = await createSite(folder);
  for (const name of ISSUED) await site.issue([name], lifeOf(name));
  const options = { ...site.options, stateDirectory: join(disk.path, 'state') };
  const edge = await createRestartable(options, () => disk.isGood);
  const state = { isDamaged: false, sibling: undefined, isSilenceKnown: false, added: 0 };
  const parts: Parts = { site, options, disk, edge, state };
  const happenings = createHappenings(parts);
  const check = createChecks(parts);
  return {
    async step(happening, { chance, afterMs }) {
      site.clock.nowMs += afterMs;
      await happenings[happening](chance);
      await check();
    },
    async end() {
      if (parts.state.sibling) await happenings.sibling(0);
      if (site.line.isCut) site.line.mend();
      if (disk.isReadOnly) await happenings.mode(0);
      if (!disk.isGood) await happenings.room(0);
      site.clock.aheadMs = 0;
      await edge.restart();
      await check();
      await edge.running?.close();
    },
  };
}
