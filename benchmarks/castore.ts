import { createRequire } from 'node:module';
import { join } from 'node:path';
import { installPackages } from 'certbus-services';

const ADAPTER = '@castore/event-storage-adapter-dynamodb';

/** What of castore's DynamoDB adapter is measured. */
export interface CastoreAdapter {
  pushEvent(event: object, options: { eventStoreId: string }): Promise<unknown>;
  getEvents(aggregateId: string, context: { eventStoreId: string }): Promise<{ events: readonly unknown[] }>;
}

/** castore's adapter for one table. It is not a dependency of the workspace: the first run installs it into the user's cache. */
export async function openCastore(table: string, settings: object): Promise<CastoreAdapter> {
  const modules = await installPackages('castore');
  const require = createRequire(join(modules, 'castore.js'));
  const { DynamoDBSingleTableEventStorageAdapter: Adapter } = require(ADAPTER);
  const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
  return new Adapter({ tableName: table, dynamoDBClient: new DynamoDBClient(settings) });
}
