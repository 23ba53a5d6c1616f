/**
 * A verifier of a bus that was written from docs/format.md alone: it imports nothing but node:crypto and node:fs, and shares no line
 * with the packages. It is slow and short.
 *
 * `node verify.mjs [FILE …]` reads test vectors and writes one line of JSON for each: what it found. It exits 1 where that differs
 * from what a vector expects.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const FORMAT = 1;

/** A broken rule: the commit is refused with this reason. */
class Refused extends Error {}

function must(isSo, reason = 'CERTBUS_EVENTS_COMMIT_MALFORMED') {
  if (!isSo) throw new Refused(reason);
}

// Values

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isString = (value, least, most) => typeof value === 'string' && value.length >= least && value.length <= most;
const matches = (pattern) => (value) => typeof value === 'string' && pattern.test(value);
const isBase64url = (bytes) => (value) =>
  typeof value === 'string' &&
  Buffer.from(value, 'base64url').length === bytes &&
  Buffer.from(value, 'base64url').toString('base64url') === value;
const isArray = (value, least, most, isItem) =>
  Array.isArray(value) && value.length >= least && value.length <= most && value.every(isItem);

function isInstant(value) {
  const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z$/;
  const found = typeof value === 'string' && pattern.exec(value);
  if (!found) return false;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
}

const is = {
  hash: isBase64url(32),
  signature: isBase64url(64),
  base64: (value) => typeof value === 'string' && Buffer.from(value, 'base64').toString('base64') === value,
  count: (value) => Number.isSafeInteger(value) && value >= 1,
  flag: (value) => value === true,
  instant: isInstant,
  id: matches(/^[A-Za-z0-9_][A-Za-z0-9_-]{7,31}$/),
  text: (value) => isString(value, 0, 4096),
  name: (value) => isString(value, 1, 4096),
  names: (value) => isArray(value, 1, 100, (each) => isString(each, 1, 255)),
  identifier: (value) => isString(value, 1, 255),
  token: matches(/^[A-Za-z0-9_-]{1,256}$/),
  recipient: matches(/^age1[a-z0-9]{20,4000}$/),
  serial: matches(/^[0-9A-F]{1,64}$/),
  hashes: (value) => isArray(value, 0, 10, is.hash),
  reason: (value) => Number.isInteger(value) && value >= 0 && value <= 10,
};

const oneOf =
  (...values) =>
  (value) =>
    values.includes(value);

/** Objects of these fields, of which no two have the same name. */
const objects = (most, fields) => (value) =>
  isArray(value, 1, most, (item) => fits(item, fields)) && new Set(value.map(({ name }) => name)).size === value.length;

/** Whether an object has these fields; of those in `optional` any may be absent. */
const fits = (value, fields, optional = {}) =>
  isObject(value) &&
  Object.entries(fields).every(([field, isRight]) => Object.hasOwn(value, field) && isRight(value[field])) &&
  Object.entries(optional).every(([field, isRight]) => !Object.hasOwn(value, field) || isRight(value[field]));

// Events: the tables of the page

const account = { directory: is.text, accountUrl: is.text, thumbprint: is.hash };
const issuance = { issuanceId: is.id, certificateId: is.id };
const reason = oneOf('new', 'renewal');
const loss = oneOf('gone', 'moved', 'barred');
const challengeType = oneOf('dns-01', 'dns-account-01', 'dns-persist-01', 'http-01', 'tls-alpn-01');
const keyType = oneOf('P-256', 'P-384', 'RSA-2048', 'RSA-3072', 'RSA-4096');
const csr = { csr: is.base64, sealedKey: is.base64, recipientsPosition: is.count };
const content = {
  certificateId: is.id,
  names: is.names,
  leaf: is.base64,
  issuers: is.hashes,
  sealedKey: is.base64,
  serialNumber: is.serial,
  notBefore: is.instant,
  notAfter: is.instant,
};

const EVENTS = {
  BusCreated: [{ busId: is.hash, rootKey: is.hash }],
  ManagersUpdated: [
    {
      rootSequence: is.count,
      managers: objects(100, { name: is.name, signingKey: is.hash, recipient: is.recipient }),
    },
  ],
  ManagerExpelled: [{ rootSequence: is.count, manager: is.name, key: is.hash, since: is.count }],
  RecipientsUpdated: [{ rootSequence: is.count, recipients: objects(20, { name: is.name, recipient: is.recipient }) }],
  FormatRaised: [{ rootSequence: is.count, format: is.count }],
  BusRestored: [{ rootSequence: is.count, position: is.count, hash: is.hash }],
  ConfigUpdated: [{ sealed: is.base64 }],
  AccountRegistered: [{ ...account, sealedKey: is.base64 }, { stateless: is.flag }],
  AccountKeyRollOverStarted: [{ directory: is.text, thumbprint: is.hash, sealedKey: is.base64 }],
  AccountKeyRolledOver: [{ ...account, sealedKey: is.base64 }],
  AccountKeyRollOverAbandoned: [{ directory: is.text, thumbprint: is.hash }],
  AccountDeactivated: [account],
  ChallengePresented: [
    {
      issuanceId: is.id,
      challengeType: oneOf('http-01', 'tls-alpn-01'),
      identifier: is.identifier,
      token: is.token,
      thumbprint: is.hash,
      expiresAt: is.instant,
    },
  ],
  IssuerAdded: [{ hash: is.hash, certificate: is.base64 }],
  RangeArchived: [{ first: is.count, last: is.count, hash: is.hash, manifest: is.hash, place: is.text }],
  SnapshotTaken: [{ position: is.count, hash: is.hash, manifest: is.hash, place: is.text }],
  CampaignStarted: [
    { campaignId: is.id, certificates: is.count },
    {
      domain: is.identifier,
      pattern: is.identifier,
      directory: is.text,
      profile: is.text,
      keyType,
      issuer: is.hash,
      issuedBefore: is.instant,
      sealedTo: is.recipient,
      obtainedBy: is.hash,
      obtainedSince: is.count,
      ordersPerHour: is.count,
    },
  ],
  CampaignEnded: [{ campaignId: is.id, outcome: oneOf('completed', 'cancelled') }],
  AlertRaised: [{ alert: is.text, subject: is.text, detail: is.text, since: is.instant }, { pending: is.names }],
  AlertCleared: [{ alert: is.text, subject: is.text, until: is.instant }, { pending: is.names }],
  Heartbeat: [{}],
  IssuanceStarted: [
    {
      ...issuance,
      ...csr,
      names: is.names,
      reason,
      challengeType,
      directory: is.text,
      holder: is.text,
      until: is.instant,
    },
    { profile: is.text, keyType, fallbackFor: is.text, replaces: is.text, campaignId: is.id },
  ],
  OrderCreated: [{ ...issuance, holder: is.text, orderUrl: is.text }],
  IssuanceTakenOver: [{ ...issuance, holder: is.text, until: is.instant }],
  CsrReplaced: [{ ...issuance, ...csr }],
  IssuanceReleased: [{ ...issuance, holder: is.text }],
  IssuanceFailed: [
    {
      ...issuance,
      problem: is.text,
      class: is.text,
      detail: is.text,
      attempt: is.count,
      notBefore: is.instant,
    },
    { retryAt: is.instant, directory: is.text, invalidNames: is.names },
  ],
  CertificateObtained: [
    { ...content, issuanceId: is.id, reason, challengeType, directory: is.text },
    { profile: is.text, keyType, fallbackFor: is.text },
  ],
  CertificateImported: [content, { issuedBy: is.text, directory: is.text, challengeType, keyType }],
  PrivateKeyResealed: [{ certificateId: is.id, leafHash: is.hash, sealedKey: is.base64 }],
  RenewalInfoUpdated: [
    {
      certificateId: is.id,
      leafHash: is.hash,
      windowStart: is.instant,
      windowEnd: is.instant,
      renewAt: is.instant,
    },
    { explanationUrl: is.text },
  ],
  NamesLost: [{ certificateId: is.id, names: is.names, loss, detail: is.text, notBefore: is.instant }],
  NamesRegained: [{ certificateId: is.id }],
  CertificateRemoved: [{ certificateId: is.id }],
  CertificateRevoked: [{ certificateId: is.id, leafHash: is.hash, reason: is.reason }],
};
const NEEDS_ENVELOPE = ['ManagersUpdated', 'ManagerExpelled', 'RecipientsUpdated', 'FormatRaised', 'BusRestored'];

// Bytes

const sha256 = (bytes) => createHash('sha256').update(bytes);
const hashOf = (bytes) => sha256(bytes).digest('base64url');
const keyIdOf = (publicKey) => sha256(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 16);

function isSigned(publicKey, message, signature) {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
    return verify(null, message, key, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
}

/** Whether an object in a JSON text, which parses, has a key twice. Nesting has no limit, so there is no recursion. */
function hasKeyTwice(text) {
  const open = [];
  const tokens = /"(?:[^"\\]+|\\.)*"(\s*:)?|[{}[\]]/gs;
  for (const [token, colon] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (colon) {
      const key = JSON.parse(token.slice(0, -colon.length));
      if (open.at(-1).has(key)) return true;
      open.at(-1).add(key);
    }
  }
  return false;
}

function parseJson(bytes) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text);
    must(isObject(value) && !hasKeyTwice(text));
    return value;
  } catch {
    throw new Refused('CERTBUS_EVENTS_COMMIT_MALFORMED');
  }
}

/** The two lines of a commit. */
function split(bytes) {
  must(bytes.length <= 400_000);
  const end = bytes.indexOf(0x0a);
  const found = /^([0-9a-f]{16}) ([A-Za-z0-9_-]{86})\n$/.exec(bytes.subarray(end + 1).toString('latin1'));
  must(end >= 0 && found && is.signature(found[2]));
  return { payload: bytes.subarray(0, end), keyId: found[1], signature: found[2] };
}

/** An event of a commit: its type, its fields where they are known, and the envelope where it came in one. */
function readEvent(raw) {
  must(isObject(raw) && typeof raw.type === 'string');
  const { type } = raw;
  const envelope = Object.hasOwn(raw, 'rootSignature') ? raw : undefined;
  let fields = raw;
  if (envelope) {
    must(is.count(raw.rootSequence) && typeof raw.body === 'string' && is.signature(raw.rootSignature));
    const body = parseJson(Buffer.from(raw.body));
    must(body.type === type);
    fields = { ...body, rootSequence: raw.rootSequence };
  }
  must(envelope || !NEEDS_ENVELOPE.includes(type));
  const table = Object.hasOwn(EVENTS, type) ? EVENTS[type] : undefined;
  if (!table) return { type, envelope, unknown: [type] };
  const [required, optional = {}] = table;
  const isRight = fits(fields, required, optional);
  must(isRight || !envelope);
  if (!isRight) return { type, isMisfit: true, unknown: [] };
  const known = ['type', ...Object.keys(required), ...Object.keys(optional)];
  const unknown = Object.keys(fields).flatMap((field) => (known.includes(field) ? [] : [`${type}.${field}`]));
  return { type, envelope, fields, unknown };
}

// Rules

const HOUR = 3_600_000;
const isLater = (instant, at, most) => Date.parse(instant) - Date.parse(at) > most;

/** Whether an event does not fit where it stands. */
function isVoid({ type, fields, isMisfit = false }, { position, at }) {
  if (!fields) return isMisfit;
  if (type === 'IssuerAdded') return hashOf(Buffer.from(fields.certificate, 'base64')) !== fields.hash;
  if (type === 'ChallengePresented') return isLater(fields.expiresAt, at, HOUR);
  if (type === 'IssuanceStarted') return fields.recipientsPosition > position || isLater(fields.until, at, 24 * HOUR);
  if (type === 'IssuanceTakenOver') return isLater(fields.until, at, 24 * HOUR);
  if (type === 'CsrReplaced') return fields.recipientsPosition > position;
  if (type === 'RangeArchived') return !(fields.first <= fields.last && fields.last < position);
  if (type === 'SnapshotTaken') return fields.position >= position;
  if (type === 'CampaignStarted') return fields.obtainedSince > position;
  return false;
}

/** Keys that were expelled never come back. */
function withoutExpelled(state) {
  const managers = state.managers.filter(({ signingKey }) => state.expelled.every(({ key }) => key !== signingKey));
  return { ...state, managers };
}

/** Rule 9, for one envelope. */
function applyEnvelope(state, { type, fields, envelope }, { trust, position, previous }) {
  const { rootSequence, body, rootSignature } = envelope;
  const due = state.rootSequence + 1;
  const isInTurn = type === 'BusRestored' ? rootSequence >= due : rootSequence === due;
  must(isInTurn, 'CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG');
  const message = Buffer.from(['certbus/root/v1', trust.bus, String(rootSequence), body].join('\0'));
  const isGenuine = body.isWellFormed() && isSigned(trust.root, message, rootSignature);
  must(isGenuine, 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID');
  const next = { ...state, rootSequence };
  if (type === 'ManagersUpdated') {
    const managers = fields.managers.map(({ name, signingKey, recipient }) => ({ name, signingKey, recipient }));
    return withoutExpelled({ ...next, managers });
  }
  if (type === 'RecipientsUpdated') {
    const recipients = fields.recipients.map(({ name, recipient }) => ({ name, recipient }));
    return { ...next, recipients, recipientsPosition: position };
  }
  if (type === 'ManagerExpelled') {
    const { manager, key, since } = fields;
    return withoutExpelled({
      ...next,
      expelled: [...next.expelled, { manager, key, since, position, sequence: rootSequence }],
    });
  }
  if (type === 'FormatRaised') {
    must(fields.format > state.format, 'CERTBUS_EVENTS_FORMAT_WRONG');
    return { ...next, format: fields.format };
  }
  if (type === 'BusRestored') {
    const isBehind = fields.position === position - 1 && fields.hash === previous;
    must(isBehind, 'CERTBUS_EVENTS_POSITION_WRONG');
    return { ...next, restored: rootSequence };
  }
  return next;
}

/** Rules 6 and 7. */
function checkSigner(state, { trust, by, keyId, payload, signature }) {
  const signers = [{ name: 'root', signingKey: trust.root }, ...state.managers];
  const signer = signers.find(({ signingKey }) => keyIdOf(signingKey) === keyId);
  must(signer?.name === by, 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE');
  const message = Buffer.concat([Buffer.from('certbus/commit/v1\0'), payload]);
  must(isSigned(signer.signingKey, message, signature), 'CERTBUS_EVENTS_SIGNATURE_INVALID');
  return signer.signingKey;
}

/** Rules 1 to 5. */
function readCommit(state, { trust, position, bytes }) {
  const lines = split(bytes);
  const commit = parseJson(lines.payload);
  must(is.count(commit.format));
  if (commit.format > FORMAT) {
    const isTooOld = state.format > FORMAT;
    throw new Refused(isTooOld ? 'CERTBUS_EVENTS_FORMAT_UNKNOWN' : 'CERTBUS_EVENTS_FORMAT_WRONG');
  }
  must(is.hash(commit.bus) && isBase64url(16)(commit.id) && is.count(commit.position));
  must(commit.previous === null || is.hash(commit.previous));
  must(is.instant(commit.at) && is.text(commit.by));
  must(Array.isArray(commit.events) && commit.events.length > 0);
  const events = commit.events.map(readEvent);
  must(commit.format === state.format, 'CERTBUS_EVENTS_FORMAT_WRONG');
  must(commit.bus === trust.bus, 'CERTBUS_EVENTS_OTHER_BUS');
  const isInPlace = commit.position === state.position + 1 && commit.position === position;
  must(isInPlace, 'CERTBUS_EVENTS_POSITION_WRONG');
  must(commit.previous === state.hash, 'CERTBUS_EVENTS_HISTORY_FORKED');
  return { ...lines, ...commit, trust, events, hash: hashOf(bytes) };
}

/** Rules 8 and 9, and the state behind the commit. */
function applyCommit(state, commit) {
  const { position, hash, events, trust } = commit;
  must(position !== 1 || (events[0].type === 'BusCreated' && events[0].fields), 'CERTBUS_EVENTS_OTHER_BUS');
  let next = state;
  for (const event of events) {
    const { type, fields, envelope } = event;
    const isOurs = position === 1 && fields?.busId === trust.bus && fields?.rootKey === trust.root;
    must(type !== 'BusCreated' || !fields || isOurs, 'CERTBUS_EVENTS_OTHER_BUS');
    if (envelope) next = applyEnvelope(next, event, commit);
  }
  return { ...next, position, hash };
}

const BEGINNING = {
  position: 0,
  hash: null,
  format: 1,
  rootSequence: 0,
  restored: 0,
  managers: [],
  recipients: [],
  recipientsPosition: 0,
  expelled: [],
};

function parseTrust(text) {
  const lines = text.split(/\r?\n|\\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  while (lines[0] === '') lines.shift();
  const [first = '', second] = lines;
  const [, bus, root] = /^certbus1 (\S+) (\S+)$/.exec(first) ?? [];
  must(is.hash(bus) && is.hash(root) && lines.length <= 2, 'CERTBUS_EVENTS_TRUST_MALFORMED');
  if (second === undefined) return { bus, root };
  const [, position, hash, rootSequence] = /^since ([1-9]\d*) (\S+) (0|[1-9]\d*)$/.exec(second) ?? [];
  const floor = { position: Number(position), hash, rootSequence: Number(rootSequence) };
  const isFloor = is.count(floor.position) && is.hash(hash) && Number.isSafeInteger(floor.rootSequence);
  must(isFloor, 'CERTBUS_EVENTS_TRUST_MALFORMED');
  return { bus, root, floor };
}

/** Where a bus that is good so far contradicts the floor of its trust; `undefined` where it does not. */
function brokenFloor(floor, end, states) {
  if (!floor || end.restored > floor.rootSequence) return undefined;
  if (end.position < floor.position) return Math.max(end.position, 1);
  const there = states[floor.position - 1];
  return there.hash !== floor.hash || there.rootSequence < floor.rootSequence ? floor.position : undefined;
}

const KEPT = ['CertificateObtained', 'CertificateImported', 'IssuerAdded'];

/** Which events do not count, once all expulsions are known, and what nobody knows in the others. */
function countedIn(read, { expelled }) {
  const voided = [];
  const unknown = new Set();
  for (const commit of read) {
    const { position, key } = commit;
    const isExpelled = expelled.some((each) => each.key === key && each.since <= position && position <= each.position);
    for (const event of commit.events) {
      const isDistrusted = isExpelled && !event.envelope;
      const isKept = event.fields && KEPT.includes(event.type);
      if (isVoid(event, commit) || (isDistrusted && !isKept)) voided.push({ position, type: event.type });
      if (!isDistrusted) for (const what of event.unknown) unknown.add(what);
    }
  }
  return { voided, unknown: [...unknown] };
}

/** What stops a reader, and is no fault of the bus, where the root has raised the format beyond its own. */
const OF_A_LATER_FORMAT = [
  'CERTBUS_EVENTS_COMMIT_MALFORMED',
  'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
  'CERTBUS_EVENTS_SIGNATURE_INVALID',
];

/** Verifies a bus: its commits with the positions at which they are stored. */
function verifyBus(trust, stored) {
  let state = BEGINNING;
  const read = [];
  const states = [];
  for (const { position, bytes } of stored) {
    try {
      const commit = readCommit(state, { trust, position, bytes: Buffer.from(bytes, 'base64') });
      const key = checkSigner(state, commit);
      state = applyCommit(state, commit);
      read.push({ ...commit, key });
      states.push(state);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const isTooOld = state.format > FORMAT && OF_A_LATER_FORMAT.includes(error.message);
      const reason = isTooOld ? 'CERTBUS_EVENTS_FORMAT_UNKNOWN' : error.message;
      return { verdict: 'refused', position, reason, end: state };
    }
  }
  const position = brokenFloor(trust.floor, state, states);
  if (position) return { verdict: 'refused', position, reason: 'CERTBUS_EVENTS_BELOW_FLOOR', end: state };
  return { verdict: 'accepted', end: state, ...countedIn(read, state) };
}

/** Verifies a bus by the text of its trust file. */
function verifyText(trustText, stored) {
  try {
    return verifyBus(parseTrust(trustText), stored);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { verdict: 'refused', position: 1, reason: error.message, end: BEGINNING };
  }
}

// Vectors

const folder = import.meta.dirname;
const files =
  process.argv.length > 2 ? process.argv.slice(2) : ['accepted', 'refused'].map((file) => `${folder}/${file}.jsonl`);

/** A text that is the same for the same value, however its keys are sorted. */
const canonical = (value) =>
  JSON.stringify(value, (_, inner) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );

for (const line of files.flatMap((file) => readFileSync(file, 'utf8').split('\n'))) {
  if (line === '') continue;
  const { name, trust, commits, expect } = JSON.parse(line);
  const found = verifyText(trust, commits);
  const agrees = expect === undefined || canonical(found) === canonical(expect);
  if (!agrees) process.exitCode = 1;
  console.log(JSON.stringify({ name, agrees, ...found }));
}
