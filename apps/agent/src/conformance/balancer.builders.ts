/** What the conformance suite needs of a balancer. */
import type { Site } from '../agent.builders.ts';

/** A real balancer that the tests start and stop, set up for one target. */
export interface Balancer {
  /** The entry of `targets` that feeds it. */
  readonly target: Readonly<Record<string, unknown>>;
  /** The same entry where its files are to have another form; `undefined` where it writes none, or always the same. */
  readonly inOtherForm?: Readonly<Record<string, unknown>>;
  /** Port of 127.0.0.1 where it takes TLS. */
  readonly port: number;
  /** Whether it starts with what was in place, also while the agent is down. */
  readonly keepsOverRestart: boolean;
  /** A step of a pass, as `kill-at-step.builders.ts` counts them, at which a certificate has been changed and not all of the change is done. */
  readonly killedAt: number;
  /** Starts it, and stops it when the test ends. */
  start(): Promise<{ stop(): Promise<void> }>;
  /** Changes, behind the agent's back, what it holds of the one certificate of `name`. */
  meddle(name: string): Promise<void>;
  /** What it wrote into its logs. */
  log(): string;
}

/** Sets a balancer up in the folder of a site; with a default certificate where that is wanted. */
export type CreateBalancer = (site: Site, options: { readonly defaultName: string | undefined }) => Promise<Balancer>;
