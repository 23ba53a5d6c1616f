/** The policies of a bus: the least that each role needs. */
import { document, type PolicyDocument, type Statement } from './document.ts';
import type { PolicyPlace } from './place.ts';
import { acm, archive, key, secrets, table, zones } from './statements.ts';

/** The least that each role needs. */
export interface Policies {
  /** Reads and appends, writes snapshots and archives, answers challenges, and reads its own secrets. */
  readonly manager: PolicyDocument;
  /** Reads. */
  readonly loadBalancer: PolicyDocument;
  /** Reads, and imports certificates of this bus into ACM, with an identity of its own; `undefined` where that is not given. */
  readonly acm: PolicyDocument | undefined;
  /** Repairs and trims; for a person's own credentials, not for a machine that runs all day. */
  readonly operator: PolicyDocument;
  /** Policy of the table itself, for load balancers of other accounts; `undefined` where there are none. */
  readonly table: PolicyDocument | undefined;
  /** Policy of the archive's bucket, for load balancers of other accounts; `undefined` where there are none, or no archive. */
  readonly bucket: PolicyDocument | undefined;
}

const READ = ['GetItem', 'Query'];
const READ_ARCHIVE = ['GetObject'];
const WRITE_ARCHIVE = ['GetObject', 'PutObject'];

const manager = (place: PolicyPlace): PolicyDocument =>
  document([
    table(place, 'CertBusReadAndAppend', [...READ, 'PutItem']),
    ...archive(place, WRITE_ARCHIVE),
    ...zones(place),
    ...secrets(place),
    ...key(place, ['Decrypt', 'GenerateDataKey']),
  ]);

const readers = (place: PolicyPlace): { readonly onTable: Statement; readonly onBucket: readonly Statement[] } => ({
  onTable: table(place, 'CertBusRead', READ),
  onBucket: archive(place, READ_ARCHIVE),
});

const operator = (place: PolicyPlace): PolicyDocument =>
  document([
    table(place, 'CertBusMaintain', [...READ, 'PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem']),
    ...archive(place, WRITE_ARCHIVE),
    ...key(place, ['Decrypt', 'GenerateDataKey']),
  ]);

/** The policies for one bus in one table, and its archive where it has one. */
export function createPolicies(place: PolicyPlace): Policies {
  const { onTable, onBucket } = readers(place);
  const { accounts = [] } = place;
  const Principal = { AWS: accounts };
  const forOthers = (statements: readonly Statement[]): PolicyDocument | undefined =>
    accounts.length === 0 || statements.length === 0
      ? undefined
      : document(statements.map((statement) => ({ ...statement, Principal })));
  return {
    manager: manager(place),
    loadBalancer: document([onTable, ...onBucket, ...key(place, ['Decrypt'])]),
    acm: place.identityArn
      ? document([onTable, ...onBucket, ...acm(place, place.identityArn), ...key(place, ['Decrypt'])])
      : undefined,
    operator: operator(place),
    table: forOthers([onTable]),
    bucket: forOthers(onBucket),
  };
}
