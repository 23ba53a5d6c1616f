import { type AcmeServerOptions, type LoggedRequest, letsEncryptLimits, startAcmeServer } from '@certbus/acme-server';

/** What is asked of the CA's process, each answered in turn. */
export type CaRequest =
  | { readonly what: 'advance'; readonly ms: number }
  /** Ends what was noted so far; the report is of what comes after. */
  | { readonly what: 'note' }
  /** Wants the certificates that there are for these names, or all, renewed at once. */
  | { readonly what: 'incident'; readonly names?: readonly string[] }
  /** After so many further orders every request is answered with 503. */
  | { readonly what: 'outage'; readonly afterOrders: number }
  | { readonly what: 'recover' }
  | { readonly what: 'report' };

/** What the CA saw since it was told to note. */
export interface CaReport {
  readonly orders: number;
  /** Names of the orders, in the order in which they were made. */
  readonly ordered: readonly string[];
  /** How many certificates there are, by name, from the beginning. */
  readonly issued: Readonly<Record<string, number>>;
  readonly requests: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Most requests in any one second, by resource. */
  readonly peaks: Readonly<Record<string, number>>;
  readonly mostOrdersInASecond: number;
  /** Requests between the outage and the recovery. */
  readonly refused: number;
}

/** What the CA's process says first. */
export interface CaReady {
  readonly directory: string;
  readonly roots: string;
}

/** A process of its own: the strict ACME server with Let's Encrypt's limits. Orders of so many accounts' names are let through. */
const [, , newOrders = '300'] = process.argv;
const THREE_HOURS_MS = 10_800_000;
const limits: AcmeServerOptions['limits'] = {
  ...letsEncryptLimits,
  // Let's Encrypt raises this one on request; the first issuance would take four days without. Renewals are exempt anyway.
  newOrders: { capacity: Number(newOrders), periodMs: THREE_HOURS_MS },
};
const server = await startAcmeServer({ validation: { alwaysValid: true }, limits });
let ordered: string[] = [];
let orderTimes: number[] = [];
let noted = 0;
let ordersUntilOutage = Number.POSITIVE_INFINITY;

server.on('order', ({ names }) => {
  ordered.push(...names);
  orderTimes.push(Date.now());
  if (ordered.length === ordersUntilOutage)
    server.faults.inject({ kind: 'status', status: 503 }, { times: Number.POSITIVE_INFINITY });
});

/** Counts by label. */
function tally(labels: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

function peaksOf(requests: readonly LoggedRequest[]): Record<string, number> {
  const peaks: Record<string, number> = {};
  const seconds = tally(requests.map(({ at, resource }) => `${resource} ${Math.floor(at.getTime() / 1000)}`));
  for (const [label, count] of Object.entries(seconds)) {
    const [resource = ''] = label.split(' ');
    peaks[resource] = Math.max(peaks[resource] ?? 0, count);
  }
  return peaks;
}

function report(): CaReport {
  const requests = server.requests.slice(noted);
  const bySecond = Object.values(tally(orderTimes.map((at) => String(Math.floor(at / 1000)))));
  return {
    orders: ordered.length,
    ordered,
    issued: tally(server.certificates().flatMap(({ names }) => names)),
    requests: requests.length,
    statuses: tally(requests.map(({ status, fault }) => String(fault ? 'refused' : status))),
    peaks: peaksOf(requests),
    mostOrdersInASecond: bySecond.reduce((most, count) => Math.max(most, count), 0),
    refused: requests.filter(({ fault }) => fault).length,
  };
}

function answer(request: CaRequest): CaReport | undefined {
  switch (request.what) {
    case 'advance':
      server.clock.advance(request.ms);
      return undefined;
    case 'note':
      [ordered, orderTimes, noted] = [[], [], server.requests.length];
      return undefined;
    case 'incident': {
      const wanted = request.names && new Set(request.names);
      const found = server.certificates().filter(({ names }) => wanted?.has(names[0] ?? '') ?? true);
      const certificateIds = found.map(({ certificateId }) => certificateId);
      server.setIncident({ explanationUrl: 'https://ca.test/incident', certificateIds });
      return undefined;
    }
    case 'outage':
      ordersUntilOutage = ordered.length + request.afterOrders;
      return undefined;
    case 'recover':
      server.faults.clear();
      return undefined;
    case 'report':
      return report();
  }
}

process.on('message', (request: CaRequest) => process.send?.({ answer: answer(request) }));
process.on('disconnect', () => process.exit());
const { directory, roots } = server;
process.send?.({ directory, roots } satisfies CaReady);
