/** What works inside vitest only. */
export { sized } from './counts.ts';
export { bundledCommandLine, drawCredentials, sharedDynamoDbLocal, usePacked } from './shared.ts';
