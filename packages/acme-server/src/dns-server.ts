/** Starts the DNS server, whose records a test sets. */
import type { Packet } from 'dns-packet';
import { answerQuery, type DnsFailure } from './dns/answer.ts';
import { openDnsManagement } from './dns/management.ts';
import { createDnsRecords, type DnsRecords, type DnsType, type DnsValues, plainName } from './dns/records.ts';
import { openDnsSockets } from './dns/sockets.ts';

/** What a DNS server is like. */
export interface DnsServerOptions {
  /** Default 0: a port that is free for UDP and TCP. */
  readonly port?: number;
  /** Default 0. */
  readonly managementPort?: number;
  /** Addresses of every name that has no A record; with none, names without records do not exist. Default 127.0.0.1. */
  readonly defaultAddresses?: readonly string[];
}

/** A question that was asked. */
export interface DnsQuery {
  readonly name: string;
  readonly type: string;
}

/** A DNS server on loopback whose records a test sets, wildcards included: in this process by its methods, from others by HTTP. */
export interface DnsServer extends DnsRecords, AsyncDisposable {
  /** `127.0.0.1:PORT`, for UDP and TCP. */
  readonly address: string;
  /** Where pebble-challtestsrv's requests about DNS are understood, such as `set-txt` and `clear-txt`. */
  readonly url: string;
  /** Every question so far, names in lower case. */
  readonly queries: readonly DnsQuery[];
  /** Makes all questions about a name fail; `undefined` ends it. */
  fail(name: string, failure: DnsFailure | undefined): void;
  /** Gives every name at and below a zone ("" is the root) these values, whether it is there or not, as some hosts do; none ends it. */
  makeUp<Type extends DnsType>(zone: string, type: Type, values: readonly DnsValues[Type][]): void;
}

/** Starts a DNS server. It needs nothing but Node, and knows what it is told. */
export async function startDnsServer(options: DnsServerOptions = {}): Promise<DnsServer> {
  const { port = 0, managementPort = 0, defaultAddresses = ['127.0.0.1'] } = options;
  const records = createDnsRecords();
  const failures = new Map<string, DnsFailure>();
  const madeUp = new Map<string, Map<DnsType, readonly DnsValues[DnsType][]>>();
  const queries: DnsQuery[] = [];
  let closing: Promise<unknown> | undefined;

  function respond(query: Packet): Packet | undefined {
    queries.push(...(query.questions ?? []).map(({ name, type }) => ({ name: plainName(name), type })));
    return answerQuery({ records, defaultAddresses, failures, madeUp }, query);
  }

  const sockets = await openDnsSockets(respond, port);
  const management = await openDnsManagement(records, failures, managementPort);
  return {
    ...records,
    address: `127.0.0.1:${sockets.port}`,
    url: management.url,
    queries,
    fail(name, failure) {
      if (failure) failures.set(plainName(name), failure);
      else failures.delete(plainName(name));
    },
    makeUp(zone, type, values) {
      const plain = plainName(zone);
      madeUp.set(plain, new Map([...(madeUp.get(plain) ?? []), [type, values]]));
    },
    async [Symbol.asyncDispose]() {
      closing ??= Promise.all([sockets.close(), management.close()]);
      await closing;
    },
  };
}
