/** Moves the mark of the account that clients answer HTTP-01 for without announcement. */
import { defaultDirectory } from '../configuration/certificate-authorities.ts';
import { type Configuration, parseConfiguration } from '../configuration/configuration.ts';
import { readConfiguration } from '../configuration/stored-configuration.ts';
import { type Context, decide } from '../context.ts';
import { markStateless } from '../decide/accounts.ts';
import { accountAt } from '../state/accounts.ts';

function isMarked({ view }: Context, config: Configuration): boolean {
  const account = accountAt(view.state.bus, defaultDirectory(config));
  return account === undefined || account.stateless === true;
}

/**
 * Marks the account at the default CA, where there is one: clients cannot open the configuration, which says which CA that is. Does
 * nothing where it is marked. Rejects as `decide` does.
 */
export async function markDefaultAccount(context: Context, config: Configuration, signal: AbortSignal): Promise<void> {
  if (isMarked(context, config)) return;
  const stored = await readConfiguration(context);
  if (!stored) return;
  const newest = parseConfiguration(stored.json);
  if (isMarked(context, newest)) return;
  const mark = { directory: defaultDirectory(newest), configPosition: stored.position };
  await decide(context, (state) => markStateless(state, mark), { signal });
}
