/** What works inside vitest only. */
export { sized } from './counts.ts';
export { drawCredentials, sharedDynamoDbLocal, usePacked } from './shared.ts';
