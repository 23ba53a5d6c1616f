/** What works inside vitest only. */
export { sized } from './counts.ts';
export { drawCredentials, sharedDynamoDbLocal } from './shared-dynamodb-local.ts';
