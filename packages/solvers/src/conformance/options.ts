/** What the conformance suite of solvers takes: a DNS host under test, and what it can do. */
import type { Logger, Solver } from '@certbus/acme';

/** A DNS host, or a part of one, that belongs to one test. Domains are as in DNS, lower case, without a final dot. */
export interface SolverUnderTest {
  /** A domain in a zone of the host, with nothing at or below it. */
  readonly domain: string;
  /** A domain with nothing at or below it, in another zone of the host, which is delegated below the zone of `domain`. */
  readonly childDomain: string;
  /** A domain in no zone of the host. */
  readonly strayDomain: string;
  /** What must never be printed: each credential that the solvers use, good or bad. */
  readonly secrets: readonly string[];
  /** Makes a solver, as another process would: it shares nothing with those made before. */
  open(): Promise<Solver>;
  /** Makes one whose credentials the host refuses. */
  openRefused(): Promise<Solver>;
  /** Makes one whose host, name servers included, takes connections and never says a word. */
  openSilent(): Promise<Solver>;
  /** The TXT values that the host's own name servers show at a name now, each with its chunks joined. */
  values(dnsName: string): Promise<readonly string[]>;
  /** Publishes a value as another client of the host would. */
  addForeign(dnsName: string, value: string): Promise<void>;
  /** Makes a name an alias (CNAME) of another. */
  alias(dnsName: string, target: string): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * What a host may be unable to do, so that no solver for it can:
 *
 * - `clean-up`: to take a value away;
 * - `many-values`: to show more than two values at a name;
 * - `foreign-values`: to keep the values of others at a name;
 * - `zones`: to tell whether a name is one of its own;
 * - `credentials`: to refuse anybody;
 * - `aliases`: to be reached through CNAMEs that are not its own;
 * - `zone-cuts`: to have a zone below a zone;
 * - `many-names`: to have hundreds of names in a zone.
 */
export type SolverAbility =
  | 'clean-up'
  | 'many-values'
  | 'foreign-values'
  | 'zones'
  | 'credentials'
  | 'aliases'
  | 'zone-cuts'
  | 'many-names';

/** What the suite is run with. */
export interface SolverConformanceOptions {
  /** The runner's functions: vitest's, node:test's or the like. */
  readonly describe: (name: string, body: () => void) => void;
  readonly test: (name: string, body: () => Promise<void>) => void;
  /** How long one step may take, and a change until everybody sees it. Only an abort has to be quick. Default 120,000. */
  readonly patienceMs?: number;
  /** Makes the surroundings of one test. What solvers have to log goes to `logger`. */
  readonly create: (options: { readonly logger: Logger }) => Promise<SolverUnderTest>;
  /**
   * Abilities that the host lacks, each with the words of its documentation that say so. Their tests are left out; what a solver
   * merely does not do yet is not a limit.
   */
  readonly limits?: Readonly<Partial<Record<SolverAbility, string>>>;
}
