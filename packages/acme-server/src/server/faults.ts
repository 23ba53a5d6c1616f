/** The faults that a test injects: which requests they meet, and what they do to the answer. */
import type { Reply } from './exchange.ts';
import type { Fault } from './fault.ts';
import type { LoggedRequest, ResourceKind } from './request-log.ts';

/** Which requests a fault meets; every condition that is given has to hold. */
export interface FaultCondition {
  readonly resource?: ResourceKind;
  readonly method?: string;
  readonly path?: RegExp;
  /** Decides by the request itself. */
  readonly matches?: (request: LoggedRequest) => boolean;
  /** The first of the matching requests that is met, from 1. Default 1. */
  readonly from?: number;
  /** How many are met. Default 1; `Infinity` for all. */
  readonly times?: number;
}

/** A fault in force. */
export interface InjectedFault {
  /** How many requests met it so far. */
  readonly hits: number;
  /** Ends it. */
  remove(): void;
}

/** Faults in force, oldest first. */
export interface Faults {
  inject(fault: Fault, condition?: FaultCondition): InjectedFault;
  clear(): void;
  /** The fault that meets a request. */
  next(request: LoggedRequest): Fault | undefined;
}

function isMet({ resource, method, path, matches }: FaultCondition, request: LoggedRequest): boolean {
  if (resource !== undefined && resource !== request.resource) return false;
  if (method !== undefined && method !== request.method) return false;
  if (path && !path.test(request.path)) return false;
  return matches?.(request) ?? true;
}

/** Keeps faults. */
export function createFaults(): Faults {
  const inForce = new Set<{ take(request: LoggedRequest): Fault | undefined }>();
  return {
    inject(fault, condition = {}) {
      const { from = 1, times = 1 } = condition;
      let seen = 0;
      let hits = 0;
      const entry = {
        take(request: LoggedRequest) {
          if (!isMet(condition, request)) return undefined;
          seen += 1;
          if (seen < from || hits >= times) return undefined;
          hits += 1;
          return fault;
        },
      };
      inForce.add(entry);
      return {
        get hits() {
          return hits;
        },
        remove: () => void inForce.delete(entry),
      };
    },
    clear: () => inForce.clear(),
    next(request) {
      // A request that one fault meets is not counted by those after it.
      for (const entry of inForce) {
        const fault = entry.take(request);
        if (fault) return fault;
      }
      return undefined;
    },
  };
}

const PAGE = '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n';

/** The answer that a fault puts in place of the right one; `undefined` where it leaves or breaks that. */
export function replacementFor(fault: Fault): Reply | undefined {
  if (fault.kind === 'html') return { status: fault.status ?? 502, body: PAGE, contentType: 'text/html' };
  if (fault.kind !== 'status') return undefined;
  const { status, retryAfter } = fault;
  const type = status === 429 || status === 503 ? 'rateLimited' : status >= 500 ? 'serverInternal' : 'malformed';
  return {
    status,
    headers: retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) },
    contentType: 'application/problem+json',
    body: { type: `urn:ietf:params:acme:error:${type}`, detail: 'This failure was scripted', status },
  };
}

/** Whether a fault comes in place of the work, and not after it. */
export function isBefore(fault: Fault): boolean {
  if (fault.kind === 'drop' || fault.kind === 'stall') return fault.when === 'before';
  return (fault.kind === 'status' || fault.kind === 'html') && fault.when !== 'after';
}
