import { expect, test } from 'vitest';
import { AcmeProblemError, classify, type ProblemClass, parseProblem } from './problem.ts';

const acme = (type: string, detail = '', status = 400) => ({
  type: `urn:ietf:params:acme:error:${type}`,
  detail,
  status,
  subproblems: [],
});

// Every type of the registry "ACME Error Types", by the document that defines it, and two that CAs use without one.
const TYPES: Readonly<Record<string, Readonly<Record<string, ProblemClass>>>> = {
  'RFC 8555 §6.7': {
    accountDoesNotExist: 'account',
    alreadyRevoked: 'permanent-request',
    badCSR: 'permanent-request',
    badNonce: 'temporary',
    badPublicKey: 'account',
    badRevocationReason: 'permanent-request',
    badSignatureAlgorithm: 'account',
    caa: 'permanent-name',
    // Without a part there is only the status to go by.
    compound: 'permanent-request',
    connection: 'temporary',
    dns: 'temporary',
    externalAccountRequired: 'operator-action',
    incorrectResponse: 'temporary',
    invalidContact: 'operator-action',
    malformed: 'permanent-request',
    orderNotReady: 'temporary',
    rateLimited: 'rate-limited',
    rejectedIdentifier: 'permanent-name',
    serverInternal: 'authority',
    tls: 'temporary',
    unauthorized: 'account',
    unsupportedContact: 'operator-action',
    unsupportedIdentifier: 'permanent-name',
    userActionRequired: 'operator-action',
  },
  'RFC 8739 §7.2': {
    autoRenewalCanceled: 'permanent-request',
    autoRenewalExpired: 'permanent-request',
    autoRenewalCancellationInvalid: 'permanent-request',
    autoRenewalRevocationNotSupported: 'permanent-request',
  },
  'RFC 9115 §5.4': { unknownDelegation: 'permanent-request' },
  'RFC 9773 §7.4': { alreadyReplaced: 'permanent-request' },
  'RFC 9799 §8.4': { onionCAARequired: 'permanent-name' },
  'draft-ietf-acme-profiles': { invalidProfile: 'permanent-request' },
  'Boulder, without a document': { conflict: 'permanent-request' },
};

test.each(
  Object.entries(TYPES).flatMap(([source, types]) =>
    Object.entries(types).map(([type, expected]) => ({ source, type, expected })),
  ),
)('$type ($source) is $expected', ({ type, expected }) => {
  expect(classify(acme(type))).toBe(expected);
  const part = { type: `urn:ietf:params:acme:error:${type}`, detail: '' };
  expect(classify({ ...acme('compound'), subproblems: [part] })).toBe(expected);
});

test.each(['toString', 'constructor', '__proto__', ''])('the type %j is unknown, not inherited', (type) => {
  expect(classify(acme(type))).toBe('permanent-request');
});

test.each<[number, ProblemClass]>([
  [400, 'permanent-request'],
  [404, 'permanent-request'],
  [429, 'rate-limited'],
  [500, 'authority'],
  [503, 'authority'],
])('HTTP %i without a known type is %s', (status, expected) => {
  expect(classify({ type: 'about:blank', detail: '', status, subproblems: [] })).toBe(expected);
});

test('a paused name waits for a person, a limit with a time does not', () => {
  const paused = acme('rateLimited', 'Your account is paused for example.com. See https://ca.test/unpause?jwt=1', 429);
  expect(classify(paused)).toBe('operator-action');
  expect(classify(paused, { notBefore: new Date() })).toBe('rate-limited');
});

const page = 'https://portal.ca.test/sfe/v1/unpause?jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.'.concat('s'.repeat(43));

test('the way out of a pause stands in the error, its link whole', () => {
  const detail = `Your account is temporarily prevented from requesting certificates for a.test. Please visit: ${page}`;
  const problem = parseProblem({ ...acme('rateLimited', detail, 429) }, 429);
  const error = new AcmeProblemError(problem ?? acme('none'), { attempt: 'Ordering', url: 'https://ca.test/o' });
  expect(error).toMatchObject({ class: 'operator-action', page, message: expect.stringContaining(page) });
});

test.each([
  ['instance', { instance: 'https://ca.test/agree' }, undefined, 'https://ca.test/agree'],
  ['terms', {}, 'https://ca.test/terms', 'https://ca.test/terms'],
  ['nothing that is of the Web', { instance: 'javascript:alert(1)' }, 'file:///etc/passwd', undefined],
])('what a CA wants done is linked to by %s', (_, more, terms, expected) => {
  const problem = { ...acme('userActionRequired', 'Agree', 403), ...more };
  const options = { attempt: 'Ordering', url: 'https://ca.test/o', ...(terms ? { terms } : {}) };
  const error = new AcmeProblemError(problem, options);
  expect(error.page).toBe(expected);
  expect(error.message.includes('See ')).toBe(expected !== undefined);
});

test.each([
  ['unauthorized', 'account'],
  ['rejectedIdentifier', 'permanent-name'],
  ['somethingElse', 'permanent-request'],
])('the type %s blames the answer where a validation ended with it, and otherwise is %s', (type, otherwise) => {
  expect(classify(acme(type), { isValidation: true })).toBe('temporary');
  expect(classify(acme(type))).toBe(otherwise);
});

test('a name that is gone is told from a record that is not there yet', () => {
  expect(classify(acme('dns', 'DNS problem: NXDOMAIN looking up A for gone.example'))).toBe('permanent-name');
  expect(classify(acme('dns', 'DNS problem: NXDOMAIN looking up TXT for _acme-challenge.new.example'))).toBe(
    'temporary',
  );
});

test('a compound problem is what its first part is', () => {
  const part = { type: 'urn:ietf:params:acme:error:rejectedIdentifier', detail: '' };
  expect(classify({ ...acme('compound'), subproblems: [part] })).toBe('permanent-name');
});

test('sub-problems are read with the names they are about, and stand in the message', () => {
  const problem = parseProblem(
    {
      type: 'urn:ietf:params:acme:error:malformed',
      detail: 'Some names are refused',
      status: 400,
      subproblems: [
        {
          type: 'urn:ietf:params:acme:error:rejectedIdentifier',
          detail: 'no',
          identifier: { type: 'dns', value: 'a.test' },
        },
        'nonsense',
      ],
    },
    400,
  );
  expect(problem?.subproblems).toEqual([
    { type: 'urn:ietf:params:acme:error:rejectedIdentifier', detail: 'no', identifier: 'a.test' },
  ]);
  const error = new AcmeProblemError(problem ?? acme('none'), { attempt: 'Ordering', url: 'https://ca.test/o' });
  expect(error.message).toBe('Ordering: Some names are refused (malformed, HTTP 400); a.test: no');
});

test('what a CA writes can neither steer a terminal nor carry a challenge secret into a log', () => {
  const thumbprint = 'x'.repeat(43);
  const token = 'T'.repeat(43);
  const problem = parseProblem(
    {
      type: 'urn:ietf:params:acme:error:unauthorized',
      detail: `\u001b[31mred\u202e http://a.test/.well-known/acme-challenge/${token}: expected "${token}.${thumbprint}"\r\n`,
    },
    403,
  );
  expect(problem?.detail).toBe(' [31mred  http://a.test/.well-known/acme-challenge/…: expected "…" ');
});

test.each([[null], ['text'], [[]], [{}], [{ status: 400 }], [{ error: 'x' }]])('%j is no problem document', (value) => {
  expect(parseProblem(value, 400)).toBeUndefined();
});
