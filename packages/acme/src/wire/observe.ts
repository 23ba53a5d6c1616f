/** What happens, as events and counters for metrics. */
import type { AcmeErrorCode } from '../errors.ts';
import type { BreakerState } from '../limits/breaker.ts';
import type { Endpoint } from './endpoint.ts';
import type { ProblemClass } from './problem.ts';

/** What happened, for metrics. Times in ms; no names, tokens or keys. */
export type AcmeEvent =
  | {
      readonly type: 'request';
      readonly endpoint: Endpoint;
      /** HTTP status, or what broke: a kind of `HttpFailure`. */
      readonly result: number | string;
      readonly ms: number;
    }
  | { readonly type: 'wait'; readonly for: Endpoint | 'accounts' | 'orders' | 'failures'; readonly ms: number }
  | { readonly type: 'breaker'; readonly state: BreakerState; readonly until: Date | undefined }
  | { readonly type: 'order'; readonly outcome: 'issued'; readonly ms: number }
  | {
      readonly type: 'order';
      readonly outcome: 'failed';
      /** `undefined` for an abort, or an error of the caller's own. */
      readonly code: AcmeErrorCode | undefined;
      /** Where the CA gave a problem. */
      readonly class: ProblemClass | undefined;
      readonly ms: number;
    };

/** Receives every event, at once. What it throws is logged and goes no further. */
export type Observe = (event: AcmeEvent) => void;

/** Counts, by label. Labels are sorted into few: a status is its class, such as `2xx`. */
export interface AcmeCounts {
  /** `ENDPOINT RESULT`, such as `new-order 2xx` or `other timeout`. */
  readonly requests: Readonly<Record<string, number>>;
  /** Waits for a limit, by what was waited for. */
  readonly waits: Readonly<Record<string, { readonly count: number; readonly ms: number }>>;
  /** `issued`, or `failed CLASS`, where the class is the problem's, or else the code. */
  readonly orders: Readonly<Record<string, number>>;
  readonly breaker: BreakerState;
}

/** Counters over events, to publish as metrics. */
export interface AcmeCounters {
  readonly observe: Observe;
  read(): AcmeCounts;
}

const add = (counts: Record<string, number>, label: string) => {
  counts[label] = (counts[label] ?? 0) + 1;
};

/** Creates counters at zero. */
export function createAcmeCounters(): AcmeCounters {
  const requests: Record<string, number> = {};
  const waits: Record<string, { count: number; ms: number }> = {};
  const orders: Record<string, number> = {};
  let breaker: BreakerState = 'closed';
  return {
    observe(event) {
      if (event.type === 'request') {
        const result = typeof event.result === 'number' ? `${Math.floor(event.result / 100)}xx` : event.result;
        add(requests, `${event.endpoint} ${result}`);
      } else if (event.type === 'wait') {
        const { count, ms } = waits[event.for] ?? { count: 0, ms: 0 };
        waits[event.for] = { count: count + 1, ms: ms + event.ms };
      } else if (event.type === 'breaker') breaker = event.state;
      else if (event.outcome === 'issued') add(orders, 'issued');
      else add(orders, `failed ${event.class ?? event.code ?? 'other'}`);
    },
    read: () => ({ requests: { ...requests }, waits: structuredClone(waits), orders: { ...orders }, breaker }),
  };
}
