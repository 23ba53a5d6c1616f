import { availableParallelism, cpus } from 'node:os';
import { checkedOut } from './commit.ts';

/** What came of a long test. */
export interface PartResult {
  /** Markdown, from its second-level heading on. */
  readonly section: string;
  /** What did not hold. */
  readonly problems: readonly string[];
}

/** A long test. */
export interface Part {
  /** How many certificates it is about, unless told otherwise. */
  readonly certificates: number;
  /** From how many on its figures are published. */
  readonly publishedFrom: number;
  run(certificates: number): Promise<PartResult>;
}

/** When, at which commit and on what it was measured. */
export function measuredOn(): string {
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor';
  const machine = `${processor}, ${availableParallelism()} cores, Node ${process.versions.node}`;
  return `Measured ${new Date().toISOString().slice(0, 10)} at commit ${checkedOut()} on ${machine}`;
}

/** Bytes in millions. */
export const mega = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString('en')} MB`;
