/** The records of the DNS server. */

/** What a CAA record says (RFC 8659 §4.1). */
export interface CaaValue {
  /** 128 where it is critical. Default 0. */
  readonly flags?: number;
  readonly tag: string;
  readonly value: string;
}

/** What a SOA record says (RFC 1035 §3.3.13). */
export interface SoaValue {
  readonly mname: string;
  readonly rname: string;
  readonly serial?: number;
  /** Seconds for which an empty answer may be remembered. */
  readonly minimum?: number;
}

/** Values by record type. A TXT value is cut into chunks by itself where it is long, or given as chunks. */
export interface DnsValues {
  readonly A: string;
  readonly AAAA: string;
  readonly CAA: CaaValue;
  readonly CNAME: string;
  readonly NS: string;
  readonly SOA: SoaValue;
  readonly TXT: string | readonly string[];
}

/** Record types that the server has. */
export type DnsType = keyof DnsValues;

/** Records of a DNS server, which can be changed while it runs. Names are taken in any case, with a dot at the end or without. */
export interface DnsRecords {
  /** Adds a value; one that is there already stays once. */
  add<Type extends DnsType>(name: string, type: Type, value: DnsValues[Type]): void;
  /** Puts values in the place of all that were there; none of them removes the records. */
  set<Type extends DnsType>(name: string, type: Type, values: readonly DnsValues[Type][]): void;
  /** Removes one value, or all of a name and type. */
  remove<Type extends DnsType>(name: string, type: Type, value?: DnsValues[Type]): void;
  get<Type extends DnsType>(name: string, type: Type): readonly DnsValues[Type][];
  /** Whether there are records of any type at a name or below it. */
  has(name: string): boolean;
}

/** A name as records are kept under. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Keeps records in memory. */
export function createDnsRecords(): DnsRecords {
  const values = new Map<string, Map<string, unknown>>();
  const keyOf = (name: string, type: DnsType) => `${type} ${plainName(name)}`;
  const at = (key: string) => values.get(key) ?? new Map<string, unknown>();

  const put = (key: string, value: unknown) => void values.set(key, at(key).set(JSON.stringify(value), value));

  return {
    add: (name, type, value) => put(keyOf(name, type), value),
    set(name, type, all) {
      const key = keyOf(name, type);
      values.delete(key);
      for (const value of all) put(key, value);
    },
    remove(name, type, value) {
      const key = keyOf(name, type);
      const kept = at(key);
      if (value === undefined) kept.clear();
      else kept.delete(JSON.stringify(value));
      if (kept.size === 0) values.delete(key);
    },
    get<Type extends DnsType>(name: string, type: Type) {
      return [...at(keyOf(name, type)).values()] as DnsValues[Type][];
    },
    has(name) {
      const plain = plainName(name);
      const names = [...values.keys()].map((key) => key.slice(key.indexOf(' ') + 1));
      return names.some((each) => each === plain || each.endsWith(`.${plain}`));
    },
  };
}
