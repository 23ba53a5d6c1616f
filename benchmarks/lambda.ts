/** The manager as a function on AWS Lambda: size, start, and what it costs. */
import { fileURLToPath } from 'node:url';
import { run } from 'certbus-services';
import { dollarsFor } from './aws-prices.ts';
import { type Benchmark, type Figure, quantile } from './figure.ts';

const PROGRAM = fileURLToPath(new URL('../apps/lambda/src/measure.builders.ts', import.meta.url));

/** Requests by action, and what DynamoDB charges for the writes among them. */
interface Counted {
  readonly requests: Readonly<Record<string, number>>;
  readonly writeUnits: number;
}

/** What the program measures. */
interface Measured {
  readonly zipMegabytes: number;
  readonly loadMs: readonly number[];
  readonly coldS: readonly number[];
  readonly warmS: readonly number[];
  readonly cold: Counted;
  readonly warm: Counted;
  readonly renewal: Counted;
}

const RUNS_A_MONTH = 30 * 24;
const MEMORY_GB = 0.5;
const [METRICS, ALARMS] = [5, 2];
const BALANCERS = 10;
/** A load balancer looks every 10 s, which costs half a unit where there is nothing new. */
const LOOKS_A_MONTH = (30 * 86_400) / 10;
/** A certificate of 45 days is renewed when a third of its lifetime is left. */
const RENEWALS_A_MONTH = 1;
/** One line for each invocation, with what Lambda adds. */
const LOG_BYTES = 2_000;
/** Of a certificate in the table, for as long as the log is not trimmed: a year. */
const MONTHS_KEPT = 12;
const UNIT_BYTES = 1_024;
/** Of a certificate in a snapshot. */
const SNAPSHOT_BYTES = 2_700;
const CHUNK_BYTES = 33_000_000;
/** A renewal is mostly waiting: for DNS, and for the CA. */
const RENEWAL_S = 10;
/** Renewals at once in one run. */
const TOGETHER = 10;

const sumOf = ({ requests }: Counted, prefix: string): number =>
  Object.entries(requests).reduce((sum, [action, count]) => sum + (action.startsWith(prefix) ? count : 0), 0);

/** Dollars for requests. A read that finds little costs one unit. */
const dollarsOf = (counted: Counted): number =>
  dollarsFor('readUnit', sumOf(counted, 'dynamodb:Query') + sumOf(counted, 'dynamodb:GetItem')) +
  dollarsFor('writeUnit', counted.writeUnits) +
  dollarsFor('s3Get', sumOf(counted, 's3:Get')) +
  dollarsFor('s3Put', sumOf(counted, 's3:List') + sumOf(counted, 's3:Put'));

/** Dollars a month for so many certificates and {@link BALANCERS}, where every invocation is a cold start, which is the most that it can cost. */
function dollarsAMonth(certificates: number, { cold, renewal }: Measured, coldS: number): number {
  const renewals = certificates * RENEWALS_A_MONTH;
  const snapshotGb = (certificates * SNAPSHOT_BYTES) / 1e9;
  const chunks = Math.max(0, Math.ceil((certificates * SNAPSHOT_BYTES) / CHUNK_BYTES) - 1);
  const busyS = RUNS_A_MONTH * coldS + (renewals / TOGETHER) * RENEWAL_S;
  const compute = dollarsFor('lambdaCompute', busyS * MEMORY_GB) + dollarsFor('lambdaRequest', RUNS_A_MONTH);
  const runs = RUNS_A_MONTH * (dollarsOf(cold) + dollarsFor('s3Get', chunks));
  const writes = renewals * dollarsOf(renewal);
  // What is written is read by every load balancer once.
  const renewalReads = (renewals * renewal.writeUnits * UNIT_BYTES) / 4_096;
  const reading = BALANCERS * dollarsFor('readUnit', LOOKS_A_MONTH * 0.5 + renewalReads);
  const tableGb = (renewals * renewal.writeUnits * UNIT_BYTES * MONTHS_KEPT) / 1e9;
  const table = dollarsFor('tableStorage', tableGb) + dollarsFor('tableRecovery', tableGb);
  const storage = table + dollarsFor('s3Storage', snapshotGb);
  const log = dollarsFor('log', (RUNS_A_MONTH * LOG_BYTES) / 1e9);
  const watching = dollarsFor('metric', METRICS) + dollarsFor('alarm', ALARMS) + log;
  return compute + runs + writes + reading + storage + watching;
}

const figureOf = (figure: string, unit: Figure['unit'], samples: readonly number[]): Figure => ({
  figure,
  unit,
  value: quantile(samples, 0.5),
  low: quantile(samples, 0.25),
  high: quantile(samples, 0.75),
  n: samples.length,
});

/**
 * `lambda`: the function as its archive has it, run by AWS's own client under AWS's emulator, on a bus of 100 commits in DynamoDB Local, behind a
 * judge of its policy, where nothing is due; and dollars a month, from requests that were counted there.
 */
export const lambda: Benchmark = async ({ quick }) => {
  const task = JSON.stringify({ samples: quick ? 2 : 11 });
  const output = await run(process.execPath, ['--conditions=certbus:source', PROGRAM, task]);
  const measured = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Measured;
  const coldS = quantile(measured.coldS, 0.5);
  const cost = (certificates: number): Figure =>
    figureOf(`lambda.cost.${certificates}`, 'USD a month', [dollarsAMonth(certificates, measured, coldS)]);
  return [
    figureOf('lambda.zip', 'MB', [measured.zipMegabytes]),
    figureOf('lambda.load', 'ms', measured.loadMs),
    figureOf('lambda.cold', 's', measured.coldS),
    figureOf('lambda.warm', 's', measured.warmS),
    ...[10, 1_000, 100_000].map(cost),
  ];
};
