/** Keeps the user's own CertBus settings from what is measured: `CERTBUS_BUS` would win over the bus that a benchmark has made. */

/** Of CertBus's variables these are about this repository's tests and services. */
const OURS = /^CERTBUS_(DEV_|TESTS)/;

/** Takes the user's settings out of the environment of this process, and so of all that it starts. */
export function forgetUserSettings(env: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(env)) if (name.startsWith('CERTBUS_') && !OURS.test(name)) delete env[name];
}
