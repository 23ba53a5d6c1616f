/** The actions of the Route 53 API. */
import { createThrottle, type Route53Limits } from './limits.ts';
import { costOf, type StoredChange, type StoredSet } from './records.ts';
import { childOf, parseXml, type XmlElement, type XmlFields } from './xml.ts';
import type { ZoneState } from './zone.ts';

/** The actions that the fake knows. */
export type Route53Action =
  | 'ListHostedZones'
  | 'ListHostedZonesByName'
  | 'GetHostedZone'
  | 'ListResourceRecordSets'
  | 'ChangeResourceRecordSets'
  | 'GetChange';

/** A request, before it has any effect. */
export interface Route53Request {
  readonly action: Route53Action;
  /** Zone or change that it is about; empty for lists of zones. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly changes: readonly StoredChange[];
  readonly accessKeyId: string;
  /** How many requests of this action came before. */
  readonly nth: number;
}

/** An error in place of an answer. */
export interface Route53Error {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** A successful answer: the document's root, and what is in it. */
export interface Route53Answer {
  readonly root: string;
  readonly content: XmlFields;
}

/** What the actions work on. */
export interface Route53State {
  readonly zones: readonly ZoneState[];
  readonly limits: Route53Limits;
  /** For how long a zone refuses further batches after one. */
  readonly applyMs: number;
  /** From a batch to the moment when all name servers show it. */
  readonly inSyncMs: number;
  now(): Date;
}

const MAX_ZONES = 100;
const MAX_SETS = 300;

const error = (status: number, code: string, message: string): Route53Error => ({ status, code, message });

function readChange(element: XmlElement): StoredChange | undefined {
  const action = childOf(element, 'Action')?.text;
  const set = childOf(element, 'ResourceRecordSet');
  if (!set || (action !== 'CREATE' && action !== 'DELETE' && action !== 'UPSERT')) return undefined;
  const values = childOf(set, 'ResourceRecords')?.children.map((record) => childOf(record, 'Value')?.text ?? '');
  const stored: StoredSet = {
    name: (childOf(set, 'Name')?.text ?? '').toLowerCase().replace(/\.$/, ''),
    type: childOf(set, 'Type')?.text ?? '',
    ttl: Number(childOf(set, 'TTL')?.text ?? Number.NaN),
    values: values ?? [],
  };
  return { action, set: stored };
}

/** The changes of a ChangeResourceRecordSets document; `undefined` where it is none. */
export function parseChanges(body: string): StoredChange[] | undefined {
  const document = parseXml(body);
  if (document?.name !== 'ChangeResourceRecordSetsRequest') return undefined;
  const elements = childOf(childOf(document, 'ChangeBatch'), 'Changes')?.children ?? [];
  const changes = elements.map(readChange);
  return changes.length > 0 && changes.every((change) => change !== undefined) ? changes : undefined;
}

const zoneXml = ({ id, name, isPrivate, size }: ZoneState): XmlFields => ({
  Id: `/hostedzone/${id}`,
  Name: `${name}.`,
  CallerReference: id,
  Config: { PrivateZone: isPrivate },
  ResourceRecordSetCount: size,
});

const setXml = ({ name, type, ttl, values }: StoredSet): XmlFields => ({
  Name: `${name.replaceAll('*', '\\052')}.`,
  Type: type,
  TTL: ttl,
  ResourceRecords: { ResourceRecord: values.map((Value) => ({ Value })) },
});

function pageSize(query: URLSearchParams, name: string, most: number): number {
  const asked = Number(query.get(name) ?? most);
  return Number.isInteger(asked) && asked > 0 ? Math.min(asked, most) : most;
}

function listZones({ zones }: Route53State, query: URLSearchParams): Route53Answer {
  const most = pageSize(query, 'maxitems', MAX_ZONES);
  const marker = query.get('marker');
  const start = marker === null ? 0 : zones.findIndex(({ id }) => id === marker);
  const page = zones.slice(Math.max(start, 0), Math.max(start, 0) + most);
  const next = zones[Math.max(start, 0) + most];
  const content = {
    HostedZones: { HostedZone: page.map(zoneXml) },
    ...(marker === null ? {} : { Marker: marker }),
    IsTruncated: next !== undefined,
    NextMarker: next?.id,
    MaxItems: most,
  };
  return { root: 'ListHostedZonesResponse', content };
}

function listZonesByName({ zones }: Route53State, query: URLSearchParams): Route53Answer {
  const most = pageSize(query, 'maxitems', MAX_ZONES);
  const key = (name: string, id: string) => `${name.split('.').toReversed().join('.')}. ${id}`;
  const asked = query.get('dnsname')?.toLowerCase().replace(/\.$/, '');
  const from = asked === undefined ? '' : key(asked, query.get('hostedzoneid') ?? '');
  const sorted = zones.toSorted((one, other) => (key(one.name, one.id) < key(other.name, other.id) ? -1 : 1));
  const rest = sorted.filter(({ name, id }) => key(name, id) >= from);
  const next = rest[most];
  const content = {
    HostedZones: { HostedZone: rest.slice(0, most).map(zoneXml) },
    IsTruncated: next !== undefined,
    NextDNSName: next && `${next.name}.`,
    NextHostedZoneId: next?.id,
    MaxItems: most,
  };
  return { root: 'ListHostedZonesByNameResponse', content };
}

function listSets(zone: ZoneState, query: URLSearchParams): Route53Answer | Route53Error {
  const name = query.get('name') ?? '';
  const type = query.get('type') ?? '';
  if (type && !name) return error(400, 'InvalidInput', 'The input is not valid: type without name');
  const most = pageSize(query, 'maxitems', MAX_SETS);
  const rest = zone.from(name, type);
  const next = rest[most];
  const content = {
    ResourceRecordSets: { ResourceRecordSet: rest.slice(0, most).map(setXml) },
    IsTruncated: next !== undefined,
    NextRecordName: next && `${next.name}.`,
    NextRecordType: next?.type,
    MaxItems: most,
  };
  return { root: 'ListResourceRecordSetsResponse', content };
}

/** Carries out one account's requests. */
export interface Route53Api {
  perform(request: Route53Request): Route53Answer | Route53Error;
}

/** Opens the API over a state. */
export function createApi(state: Route53State): Route53Api {
  const { zones, limits, now } = state;
  const throttle = createThrottle(limits, now);
  const submitted = new Map<string, { readonly at: Date; readonly inSyncAt: Date }>();

  function changeXml(id: string): XmlFields | undefined {
    const change = submitted.get(id);
    if (!change) return undefined;
    const Status = change.inSyncAt <= now() ? 'INSYNC' : 'PENDING';
    return { ChangeInfo: { Id: `/change/${id}`, Status, SubmittedAt: change.at } };
  }

  function refuse(faults: readonly string[]): Route53Error {
    return error(400, 'InvalidChangeBatch', `[${faults.join(', ')}]`);
  }

  function change(zone: ZoneState, changes: readonly StoredChange[]): Route53Answer | Route53Error {
    const at = now();
    if (at.getTime() < zone.busyUntil) {
      const message = 'The request was rejected because Route 53 was still processing a prior request.';
      return error(400, 'PriorRequestNotComplete', message);
    }
    const { elements, characters } = costOf(changes);
    if (elements > limits.elements) return refuse([`Number of records limit of ${limits.elements} exceeded.`]);
    if (characters > limits.characters) return refuse([`Number of characters limit of ${limits.characters} exceeded.`]);
    const inSyncAt = new Date(at.getTime() + state.inSyncMs);
    const faults = zone.apply(changes, { now: at, inSyncAt });
    if (faults.length > 0) return refuse(faults);
    zone.busyUntil = at.getTime() + state.applyMs;
    const id = `C${submitted.size + 1}`;
    submitted.set(id, { at, inSyncAt });
    return { root: 'ChangeResourceRecordSetsResponse', content: changeXml(id) ?? {} };
  }

  function getChange(id: string): Route53Answer | Route53Error {
    const content = changeXml(id);
    if (!content) return error(404, 'NoSuchChange', `A change with the specified change ID does not exist: ${id}`);
    return { root: 'GetChangeResponse', content };
  }

  function perform({ action, id, query, changes }: Route53Request): Route53Answer | Route53Error {
    if (action === 'ListHostedZones') return listZones(state, query);
    if (action === 'ListHostedZonesByName') return listZonesByName(state, query);
    if (action === 'GetChange') return getChange(id);
    const zone = zones.find((each) => each.id === id);
    if (!zone) return error(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`);
    if (action === 'ListResourceRecordSets') return listSets(zone, query);
    if (action === 'ChangeResourceRecordSets') return change(zone, changes);
    return { root: 'GetHostedZoneResponse', content: { HostedZone: zoneXml(zone) } };
  }

  return {
    perform(request) {
      if (!throttle.admit(request.action, costOf(request.changes).tokens))
        return error(400, 'Throttling', 'Rate exceeded');
      return perform(request);
    },
  };
}

/** Whether an answer is an error. */
export function isRoute53Error(answer: Route53Answer | Route53Error): answer is Route53Error {
  return 'code' in answer;
}
