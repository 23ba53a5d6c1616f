import { createRequire } from 'node:module';
import { join } from 'node:path';
import { installPackages } from 'certbus-services';

const VERSION = '2.4.2';
const ADAPTER = '@castore/event-storage-adapter-dynamodb';
const PACKAGES = [`@castore/core@${VERSION}`, `${ADAPTER}@${VERSION}`, '@aws-sdk/client-dynamodb@3.1169.0'];

/** What of castore's DynamoDB adapter is measured. */
export interface CastoreAdapter {
  pushEvent(event: object, options: { eventStoreId: string }): Promise<unknown>;
  getEvents(aggregateId: string, context: { eventStoreId: string }): Promise<{ events: readonly unknown[] }>;
}

/** castore's adapter for one table. It is no dependency of the workspace: the first run installs it into the user's cache. */
export async function openCastore(table: string, settings: object): Promise<CastoreAdapter> {
  const modules = await installPackages(`bench-castore-${VERSION}`, PACKAGES);
  const require = createRequire(join(modules, 'castore.js'));
  const { DynamoDBSingleTableEventStorageAdapter: Adapter } = require(ADAPTER);
  const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
  return new Adapter({ tableName: table, dynamoDBClient: new DynamoDBClient(settings) });
}
