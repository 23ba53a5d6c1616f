/** The DNS providers by name, light to import: the code of a solver is loaded when one is made. */
export {
  flag,
  httpUrl,
  nonEmpty,
  pem,
  port,
  type Secret,
  secret,
  secretNames,
  secretVariable,
  secretVariables,
  servers,
  serversOrNone,
} from './definition/fields.ts';
export { hostOfUrl, parseHost } from './definition/hosts.ts';
export type { Outgoing } from './definition/outgoing.ts';
export type { Program } from './definition/program.ts';
export type {
  DnsProvider,
  DnsSettings,
  ProviderField,
  ProviderFlag,
  SecretUse,
  Surroundings,
} from './definition/provider.ts';
export { createSolver, PROVIDERS } from './registry.ts';
