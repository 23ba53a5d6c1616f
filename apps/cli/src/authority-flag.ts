/** Finds the CA of the configuration that a flag means. */
import type { Manager } from '@certbus/manager';
import { nothingFits } from './did-you-mean.ts';
import { publicAuthority } from './wizard/authorities.ts';

/**
 * The name in the configuration of the CA that `--authority` means: its own name, or what a public CA is called. `undefined` where the flag is
 * not given. Rejects `CERTBUS_CLI_NO_MATCH` with those that look like it, and as `refresh` does.
 */
export async function authorityOf(
  manager: Pick<Manager, 'refresh' | 'authorities'>,
  typed: string | undefined,
  { signal }: { readonly signal: AbortSignal },
): Promise<string | undefined> {
  if (typed === undefined) return undefined;
  await manager.refresh({ signal });
  const known = (await manager.authorities()).map(({ name }) => name);
  if (known.includes(typed)) return typed;
  const name = publicAuthority(typed)?.name;
  if (name !== undefined && known.includes(name)) return name;
  const among = 'authority of the configuration';
  throw nothingFits({ flag: '--authority', value: typed, among, known, areFew: true });
}
