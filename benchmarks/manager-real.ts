/** How fast a manager renews what is due, against the ACME engine that it works with. */
import { startDynamoDbLocal } from 'certbus-services';
import { openCertBus, openManager } from './acme/contender.ts';
import { openRacer, type Racer } from './acme/racer.ts';
import type { Benchmark } from './figure.ts';
import { interleave, ratioOf } from './slices.ts';

/** Each is 1,200 orders at Pebble: they end within 25 minutes also where this machine makes seven orders a second. */
const ROUNDS = 5;
const DUE = 300;
const REGION = 'eu-central-1';

/** Certificates a second in a slice of a racer, of which none may be lost. */
const rateOf = (racer: Racer) => async (): Promise<number> => {
  const { lost, ms } = await racer.order(DUE);
  if (lost.length > 0) throw new Error(`${lost.length} of ${DUE} were lost: ${lost[0]}`);
  return (DUE * 1_000) / ms;
};

/**
 * `manager.real`: certificates a second that a manager renews, ten at a time, from its opening with 300 due names to the end of its run, with
 * its bus in a SQLite file; `manager.real.dynamodb`: in DynamoDB Local. Against the ACME engine alone; each at a Pebble of its own.
 */
export const managerReal: Benchmark = async ({ quick }) => {
  // Where the SDK looks for them in each process.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' });
  const dynamoDb = await startDynamoDbLocal();
  let streams = 0;
  const nextStream = () => {
    streams += 1;
    return `dynamodb://bench/run${streams}?region=${REGION}&endpoint=${encodeURIComponent(dynamoDb.endpoint)}`;
  };
  const racers: Racer[] = [];
  const start = async (open: Parameters<typeof openRacer>[0]) => {
    const racer = await openRacer(open, { challenge: 'http-01' });
    racers.push(racer);
    // Also what the manager renews is issued by this.
    await racer.order(DUE);
    return rateOf(racer);
  };
  try {
    const ours = await start(openManager());
    const dynamo = await start(openManager(nextStream));
    const peer = await start(openCertBus);
    const measures = await interleave(quick ? 2 : ROUNDS, { ours, dynamo, peer, again: peer });
    const contest = { against: 'the ACME engine alone', peer: measures.peer, again: measures.again };
    return [
      ratioOf('manager.real', { ...contest, ours: measures.ours }),
      ratioOf('manager.real.dynamodb', { ...contest, ours: measures.dynamo }),
    ];
  } finally {
    for (const racer of racers) await racer.close();
    await dynamoDb.stop();
  }
};
