/** The environment of the programs that sandbox and demo start: of CertBus it has the settings of one bus, and none of the user's own. */

const isSetting = (name: string): boolean => name.startsWith('CERTBUS_');

/** Names of the variables of `env` that would win over the configuration of a bus, or add to it; `settings` are the bus's own. */
export const foreignSettings = (env: NodeJS.ProcessEnv, settings: Readonly<Record<string, string>>): string[] =>
  Object.keys(env)
    .filter((name) => isSetting(name) && !(name in settings))
    .sort();

/** The environment `env` with the settings of one bus in the place of any others, for programs whose CA, DNS and servers are on this machine. */
export function environmentOf(env: NodeJS.ProcessEnv, settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const others = Object.entries(env).filter(([name]) => !isSetting(name));
  return { ...Object.fromEntries(others), NO_PROXY: '*', no_proxy: '*', NO_COLOR: '1', ...settings };
}
