/** What the thread that writes a replica and the one that started it send to one another. */
import type { BusPlace } from '../bus-place.ts';
import type { Change } from '../reader.ts';
import type { Answer, Call } from './calls.ts';
import type { WriterNews } from './roomy-writer.ts';
import type { WireError } from './wire-errors.ts';

/** What the writing thread sends once it is loaded. */
export const READY = 'certbus-replica-writer-ready';

/** To follow a bus until it is told to stop. Answered when following ends. */
export interface FollowCall {
  readonly kind: 'follow';
  readonly place: BusPlace;
  readonly intervalMs: number;
}

/** To the writing thread. */
export type Order =
  | { readonly id: number; readonly call: Call | FollowCall }
  /** Following ends. */
  | { readonly order: 'stop' }
  /** The last notice that waits for that was heard. */
  | { readonly order: 'go-on' };

/** What following meets, in the order in which it does. Following waits for `go-on` behind `moved` and `rebuilt`. */
export type Notice =
  | { readonly notice: 'contact'; readonly live: boolean }
  | { readonly notice: 'moved'; readonly changes: readonly Change[]; readonly reached: number }
  | { readonly notice: 'rebuilt' }
  | { readonly notice: 'failed'; readonly error: WireError };

/** From the writing thread. */
export type Message =
  | typeof READY
  | (Answer & { readonly id: number })
  | Notice
  /** What happens to the file. */
  | { readonly news: WriterNews };
