/** What protects a DynamoDB table from loss: deletion protection and point-in-time recovery. */
import {
  DescribeContinuousBackupsCommand,
  type DynamoDBClient,
  ResourceInUseException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-dynamodb';
import { describeDenial } from '../../denial.ts';
import { StoreError } from '../../errors.ts';
import { patiently, requestOptions } from './connection.ts';
import { PREPARING, pause, READY_DEADLINE_MS } from './pause.ts';
import { waitUntilUsable } from './state.ts';

const isDenied = (error: unknown): boolean => error instanceof Error && error.name === 'AccessDeniedException';

const BOOTSTRAP = 'Run "certbus bus bootstrap" with credentials that may, then this again';

/** A table that lacks a protection would be taken for one that has it. */
function unprotected(table: string, what: string, cause: unknown, advice = BOOTSTRAP): StoreError {
  const said = describeDenial(cause);
  const message = `The DynamoDB table "${table}" ${what}.${said ? ` ${said}.` : ''} ${advice}.`;
  return new StoreError('CERTBUS_STORE_ACCESS_DENIED', message, { cause });
}

/**
 * Protects a table from deletion, which was made by hand, or whose protection somebody removed. Rejects `CERTBUS_STORE_ACCESS_DENIED` where these
 * credentials may not.
 */
export async function protect(
  client: DynamoDBClient,
  table: string,
  { DeletionProtectionEnabled }: TableDescription,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (DeletionProtectionEnabled) return;
  const request = new UpdateTableCommand({ TableName: table, DeletionProtectionEnabled: true });
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    try {
      await client.send(request, requestOptions(signal));
      await waitUntilUsable(client, table, signal);
      return;
    } catch (error) {
      if (isDenied(error))
        throw unprotected(table, 'has no deletion protection: these credentials may not switch that on', error);
      // It is updated by somebody else, and takes one update at a time.
      if (!(error instanceof ResourceInUseException) || performance.now() > deadline) throw error;
    }
    await pause(PREPARING, signal);
  }
}

/**
 * Whether a table has point-in-time recovery, or is in a DynamoDB that has none; `undefined` where these credentials may not look. Asked first, since
 * switching on what is on would set the time that it goes back to its default.
 */
async function hasRecovery(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal | undefined,
): Promise<boolean | undefined> {
  try {
    const request = new DescribeContinuousBackupsCommand({ TableName: table });
    const { ContinuousBackupsDescription: found } = await patiently({ table }, signal, () =>
      client.send(request, requestOptions(signal)),
    );
    return found?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus === 'ENABLED';
  } catch (error) {
    if (isDenied(error)) return undefined;
    // DynamoDB Local has no backups.
    if (error instanceof Error && error.name === 'UnknownOperationException') return true;
    throw error;
  }
}

async function switchOnRecovery(client: DynamoDBClient, table: string, signal: AbortSignal | undefined): Promise<void> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  const request = new UpdateContinuousBackupsCommand({ TableName: table, PointInTimeRecoverySpecification });
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    try {
      await patiently({ table }, signal, () => client.send(request, requestOptions(signal)));
      return;
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      // DynamoDB Local has no backups.
      if (name === 'UnknownOperationException') return;
      // The service prepares the backups of a new table for a while after it is active.
      if (name !== 'ContinuousBackupsUnavailableException' || performance.now() > deadline) throw error;
    }
    await pause(PREPARING, signal);
  }
}

/** Switches point-in-time recovery on where it is off. Rejects `CERTBUS_STORE_ACCESS_DENIED` where these credentials may not. */
export async function enableRecovery(
  client: DynamoDBClient,
  table: string,
  { isNew, signal }: { readonly isNew: boolean; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const isOn = isNew ? false : await hasRecovery(client, table, signal);
  if (isOn) return;
  await switchOnRecovery(client, table, signal).catch((error: unknown) => {
    if (!isDenied(error)) throw error;
    if (isOn === undefined)
      throw unprotected(
        table,
        'may have no point-in-time recovery: these credentials may neither look nor switch it on',
        error,
        'Allow these credentials dynamodb:DescribeContinuousBackups, and run "certbus bus bootstrap" with some that may switch it on',
      );
    throw unprotected(table, 'has no point-in-time recovery: these credentials may not switch that on', error);
  });
}
