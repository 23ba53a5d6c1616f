/** What a program gets to do. */

/** What is to be done with one value. */
export interface Task {
  readonly action: 'present' | 'cleanup';
  readonly zone: string;
  /** Effective name, without a final dot. */
  readonly name: string;
  readonly value: string;
  /** The name to prove, without `*.`. */
  readonly domain: string;
  readonly token: string;
  readonly keyAuthorization: string;
  /** The domains of the batch, in order, and how many of them come after this one. */
  readonly batch: readonly string[];
  readonly remaining: number;
}
