/** All mutants: wrong changes that the tests must notice. A change to a guarded place brings its mutant along. */
import { acme } from './list/acme.ts';
import { agent } from './list/agent.ts';
import { cli } from './list/cli.ts';
import { client } from './list/client.ts';
import { events } from './list/events.ts';
import { lambda } from './list/lambda.ts';
import { manager } from './list/manager.ts';
import { replica } from './list/replica.ts';
import { store } from './list/store.ts';
import type { Mutant } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [
  ...agent,
  ...events,
  ...store,
  ...replica,
  ...client,
  ...manager,
  ...acme,
  ...cli,
  ...lambda,
];
