/** What works inside vitest only. */
export { isFull, sized } from './counts.ts';
export { bundledCommandLine, drawCredentials, sharedDynamoDbLocal, usePacked } from './shared.ts';
