/** The address of a bus as one text. */
import { resolve } from 'node:path';
import { parametersProblem, shownAddress } from './endpoint.ts';
import { StoreError } from './errors.ts';

/** Where a bus is: one stream of one store. */
export type BusAddress =
  | { readonly kind: 'memory'; readonly name: string; readonly stream: string }
  | { readonly kind: 'sqlite'; readonly path: string; readonly stream: string }
  | {
      readonly kind: 'dynamodb';
      readonly table: string;
      readonly stream: string;
      readonly region: string | undefined;
      readonly endpoint: string | undefined;
      /** Id of the account that has the table, where it is not that of the credentials. */
      readonly account: string | undefined;
    };

const DEFAULT_STREAM = 'certbus';
const FORMS = 'sqlite:./bus.db#STREAM, dynamodb://TABLE/STREAM?region=REGION, or memory:NAME#STREAM';
const STREAM = /^[\w.-]{1,128}$/;
const PARAMETERS = new Set(['region', 'endpoint', 'account']);
const TABLE = /^[\w.-]{3,255}$/;

function refuse(address: string, why: string): StoreError {
  return new StoreError(
    'CERTBUS_STORE_ADDRESS_INVALID',
    `${shownAddress(address)} is not the address of a bus: ${why}. An address reads ${FORMS}.`,
  );
}

function parseStream(address: string, stream: string): string {
  if (STREAM.test(stream)) return stream;
  throw refuse(address, 'a stream has 1 to 128 letters, digits, dots, dashes or underscores');
}

function parseDynamoDb(address: string): BusAddress {
  if (!URL.canParse(address)) throw refuse(address, 'what follows dynamodb: is not a URL');
  // The URL parser would put the host in lower case; a table's name has a case.
  const match = /^dynamodb:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(address);
  if (address.includes('#')) throw refuse(address, 'in a table, the stream follows a slash: dynamodb://TABLE/STREAM');
  const [, table = '', stream = '', query = ''] = match ?? [];
  if (!TABLE.test(table)) throw refuse(address, 'a table has 3 to 255 letters, digits, dots, dashes or underscores');
  const parameters = new URLSearchParams(query);
  for (const key of parameters.keys()) if (!PARAMETERS.has(key)) throw refuse(address, `it has no parameter "${key}"`);
  const problem = parametersProblem(parameters);
  if (problem) throw refuse(address, problem);
  const endpoint = parameters.get('endpoint') ?? undefined;
  const region = parameters.get('region') ?? undefined;
  const account = parameters.get('account') ?? undefined;
  if (account !== undefined && !/^\d{12}$/.test(account))
    throw refuse(address, 'its account is not the 12 digits of an id');
  if (account !== undefined && region === undefined)
    throw refuse(address, 'with the account of a table goes its region');
  return { kind: 'dynamodb', table, stream: parseStream(address, stream || DEFAULT_STREAM), region, endpoint, account };
}

/** Reads an address. Throws `CERTBUS_STORE_ADDRESS_INVALID`, which says what is wrong and shows the forms. */
export function parseAddress(address: string): BusAddress {
  const [, scheme, rest = ''] = /^(memory|sqlite|dynamodb):(.*)$/s.exec(address) ?? [];
  if (!scheme) throw refuse(address, 'it does not begin with the name of a store');
  if (scheme === 'dynamodb') return parseDynamoDb(address);
  const hash = rest.lastIndexOf('#');
  const stream = parseStream(address, hash < 0 ? DEFAULT_STREAM : rest.slice(hash + 1));
  const place = hash < 0 ? rest : rest.slice(0, hash);
  if (scheme === 'memory') return { kind: 'memory', name: place, stream };
  if (place === '') throw refuse(address, 'it names no file');
  return { kind: 'sqlite', path: place, stream };
}

/** The text of an address; {@link parseAddress} reads it back. */
export function formatAddress(address: BusAddress): string {
  const { kind, stream } = address;
  if (kind === 'memory') return `memory:${address.name}#${stream}`;
  if (kind === 'sqlite') return `sqlite:${address.path}#${stream}`;
  const parameters = new URLSearchParams();
  if (address.region) parameters.set('region', address.region);
  if (address.endpoint) parameters.set('endpoint', address.endpoint);
  if (address.account) parameters.set('account', address.account);
  const query = parameters.size > 0 ? `?${parameters}` : '';
  return `dynamodb://${address.table}/${stream}${query}`;
}

/** How regions of other partitions than `aws` begin (AWS SDKs, partitions). */
const PARTITIONS: Readonly<Record<string, string>> = {
  'cn-': 'aws-cn',
  'us-gov-': 'aws-us-gov',
  'eusc-': 'aws-eusc',
  'us-iso-': 'aws-iso',
  'us-isob-': 'aws-iso-b',
  'eu-isoe-': 'aws-iso-e',
  'us-isof-': 'aws-iso-f',
};

/** The partition of a region's ARNs. */
function partitionOf(region: string): string {
  return Object.entries(PARTITIONS).find(([beginning]) => region.startsWith(beginning))?.[1] ?? 'aws';
}

/** A table as DynamoDB's requests name it: in another account by its ARN, else by its name. */
export function tableNameOf({ table, account, region }: Extract<BusAddress, { readonly kind: 'dynamodb' }>): string {
  if (account === undefined || region === undefined) return table;
  return `arn:${partitionOf(region)}:dynamodb:${region}:${account}:table/${table}`;
}

/** The address with the path of its file, if it has one, taken from a folder: one bus has one address, from wherever it is used. */
export function resolveAddress(address: string, folder: string): string {
  const place = parseAddress(address);
  return place.kind === 'sqlite' ? formatAddress({ ...place, path: resolve(folder, place.path) }) : address;
}
