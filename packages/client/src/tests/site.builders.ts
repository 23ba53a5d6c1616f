/** A bus whose line to a load balancer can be cut, on a clock of its own, and what it has said so far. */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createTestBus, type TestBus } from '../testing.ts';
import { createHistory, type History } from './history.builders.ts';

/** A bus, and what a load balancer on its machine needs to connect to it. */
export interface Site {
  readonly bus: TestBus;
  readonly history: History;
  /** The time of the world, milliseconds since 1970, and how far the load balancer's clock is ahead of it; only a test moves them. */
  readonly clock: { nowMs: number; aheadMs: number };
  /** Options of `connect`. */
  readonly options: {
    readonly bus: string;
    readonly identity: string;
    readonly trust: string;
    readonly stateDirectory: string;
    readonly intervalMs: number;
    readonly now: () => Date;
  };
  /** The line from the load balancer to the bus. The manager has another one, and goes on. */
  readonly line: { readonly isCut: boolean; cut(): void; mend(): void };
  /** Issues a certificate for these names, or renews it. */
  issue(names: readonly string[], options?: { readonly days?: number }): Promise<void>;
  /** Removes the certificate for a name. */
  remove(name: string): Promise<void>;
}

export const DAY_MS = 86_400_000;
/** Options of a test that takes many minutes at full counts. */
export const MANY_MINUTES = { tags: ['full'], timeout: 3_600_000 };
/** Positions that a test bus begins with: its keys, and the issuer of its certificates. */
const BEGINNING = 2;

/** Makes one in a folder; the bus is closed when the test ends. */
export async function createSite(folder: string): Promise<Site> {
  const clock = { nowMs: Date.now(), aheadMs: 0 };
  const now = () => new Date(clock.nowMs);
  const [busFolder, line] = [join(folder, 'bus'), join(folder, 'line')];
  mkdirSync(busFolder, { recursive: true });
  const bus = await createTestBus({ address: `sqlite:${busFolder}/bus.db#test`, now });
  onTestFinished(() => bus.close());
  const history = createHistory({ head: BEGINNING, at: now() });
  const mend = () => symlinkSync(busFolder, line);
  mend();
  let isCut = false;
  return {
    bus,
    history,
    clock,
    options: {
      bus: `sqlite:${line}/bus.db#test`,
      identity: bus.identity,
      trust: bus.trust,
      stateDirectory: join(folder, 'state'),
      intervalMs: 20,
      now: () => new Date(clock.nowMs + clock.aheadMs),
    },
    line: {
      get isCut() {
        return isCut;
      },
      cut() {
        isCut = true;
        rmSync(line);
      },
      mend() {
        isCut = false;
        mend();
      },
    },
    async issue(names, { days = 90 } = {}) {
      const certificate = await bus.issue(names, { days });
      // Certificates count whole seconds.
      const notAfter = new Date(Math.floor((clock.nowMs + days * DAY_MS) / 1_000) * 1_000);
      history.issued(certificate, { names, at: now(), notAfter });
    },
    async remove(name) {
      const certificateId = history.idOf(name);
      if (certificateId === undefined) return;
      await bus.remove(certificateId);
      history.removed(certificateId, now());
    },
  };
}
