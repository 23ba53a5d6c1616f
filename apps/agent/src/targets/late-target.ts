/** A target that is opened when it is first used. */
import type { NamedTarget } from '../configuration/read-configuration.ts';
import { createTarget } from './create-target.ts';
import type { Target } from './target.ts';

/**
 * Makes a target that is opened at its first call, and at the next one where that failed: what keeps one from being opened, such as a directory of users
 * that is away at the start of the machine, holds up no other. Its calls reject as {@link createTarget} as well.
 *
 * @param create opens it.
 */
export function createLateTarget(configuration: NamedTarget, create = createTarget): Target {
  const opened = Promise.withResolvers<Target>();
  let opening: Promise<Target> | undefined;
  let found: Target | undefined;
  async function open(): Promise<Target> {
    const target = await create(configuration);
    found = target;
    opened.resolve(target);
    return target;
  }
  async function target(): Promise<Target> {
    opening ??= open();
    try {
      return await opening;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  }
  const { name, type } = configuration;
  const hasCommand = type === 'nginx-files' || (type === 'files' && configuration.after !== undefined);
  return {
    name,
    held: async (...args) => (await target()).held(...args),
    apply: async (...args) => (await target()).apply(...args),
    served: async (...args) => (await target()).served(...args),
    ...(hasCommand ? { reloads: () => found?.reloads?.() ?? { succeeded: 0, failed: 0 } } : {}),
    problems: async (...args) => (await target()).problems(...args),
    async watch(watcher, signal) {
      const ended = new Promise<undefined>((resolve) => {
        if (signal.aborted) resolve(undefined);
        signal.addEventListener('abort', () => resolve(undefined), { once: true });
      });
      const watched = await Promise.race([opened.promise, ended]);
      await watched?.watch?.(watcher, signal);
    },
    async close() {
      await opening?.then(
        (each) => each.close(),
        () => {},
      );
    },
  };
}
