/** Runs the protocol suites against each CA. */
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { type Answers, startAnswers } from './answers.builders.ts';
import { openRawClient, type RawClient, type RawKey } from './raw-client.builders.ts';
import { type RunningTarget, TARGETS, type TargetOptions } from './targets.builders.ts';

/** What a test of the protocol has around it, from its beginning to its end. */
export interface World {
  readonly ca: RunningTarget;
  readonly answers: Answers;
  /** A client with an account. */
  readonly client: RawClient;
  /** Another client, without an account. */
  open(key?: RawKey): Promise<RawClient>;
  /** Another client, with an account of its own. */
  openAccount(): Promise<RawClient>;
}

const START_MS = 120_000;

/** Runs a suite against each CA: our own server, and Pebble where the machine can have it. */
export function describeTargets(suite: (world: World) => void, options: TargetOptions = {}): void {
  describe.each(TARGETS)('against $name', ({ skip, start }) => {
    describe.skipIf(skip)('this holds:', () => {
      let answers: Answers;
      let ca: RunningTarget;
      let client: RawClient;

      beforeAll(async () => {
        answers = await startAnswers();
        ca = await start(answers, options);
        client = await openRawClient(ca);
        if (!options.externalAccounts) await client.register();
      }, START_MS);

      afterAll(async () => {
        client?.close();
        await ca?.[Symbol.asyncDispose]();
        await answers?.[Symbol.asyncDispose]();
      });

      async function open(key?: RawKey): Promise<RawClient> {
        const other = await openRawClient(ca, key);
        onTestFinished(() => other.close());
        return other;
      }

      suite({
        get ca() {
          return ca;
        },
        get answers() {
          return answers;
        },
        get client() {
          return client;
        },
        open,
        async openAccount() {
          const other = await open();
          await other.register();
          return other;
        },
      });
    });
  });
}
