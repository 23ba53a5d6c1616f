import { createHash } from 'node:crypto';
import { createCsr, createIssuer, createLeaf } from 'certbus-services';
import { expect, test } from 'vitest';
import { AcmeError } from '../errors.ts';
import { at, createFakeCa, createFakeSolver, type FakeCa, type Said, say } from '../tests/acme.builders.ts';
import { AcmeProblemError } from '../wire/problem.ts';
import { type ObtainOptions, obtain } from './obtain.ts';

const names = ['*.example.test', 'example.test'];
const { csr, keys } = await createCsr(names);
const leaf = await createLeaf({ issuer: await createIssuer('Root'), names, publicKey: keys.publicKey });
const signal = new AbortController().signal;

const order = (status: string, more: object = {}) => ({
  status,
  identifiers: names.map((value) => ({ type: 'dns', value })).toReversed(),
  authorizations: [at('authz/1'), at('authz/2')],
  finalize: at('finalize/1'),
  ...more,
});
const VALID = order('valid', { certificate: at('cert/1') });

const authorization = (status: string, { wildcard = false, challenge = {} as object } = {}) => ({
  status,
  identifier: { type: 'dns', value: 'example.test' },
  ...(wildcard ? { wildcard } : {}),
  challenges: [
    // Types to come, one of them without a token, must not disturb.
    { type: 'dns-persist-01', url: at('chall/p'), status: 'pending', 'issuer-domain-names': ['ca.test'] },
    'nonsense',
    {
      type: 'dns-01',
      url: at(wildcard ? 'chall/1' : 'chall/2'),
      status: 'pending',
      token: wildcard ? 'T1' : 'T2',
      ...challenge,
    },
  ],
});
const WILD = { wildcard: true };
const DONE = authorization('valid', WILD);
const ZERO = '0001-01-01T00:00:00Z';

const proven: Record<string, Said[]> = {
  createOrder: [say(order('pending'))],
  'read authz/1': [say(authorization('pending', WILD)), say(authorization('valid', WILD))],
  'read authz/2': [say(authorization('pending')), say(authorization('valid'))],
  'answer chall/1': [say({})],
  'answer chall/2': [say({})],
  'finalize finalize/1': [say(VALID)],
  'read cert/1': [say(leaf.toString('pem'))],
};

function problem(type: string, { status = 400, url = at('finalize/1') } = {}): AcmeProblemError {
  const document = { type: `urn:ietf:params:acme:error:${type}`, detail: `because ${type}`, status, subproblems: [] };
  return new AcmeProblemError(document, { attempt: 'Asking', url });
}

function run(ca: FakeCa, options: Partial<ObtainOptions> = {}) {
  return obtain(ca, {
    names,
    csr,
    challenge: 'dns-01',
    solver: createFakeSolver(),
    onOrder: async () => {},
    signal,
    ...options,
  });
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as AcmeError,
  );

test('all are presented, waited for once, answered, and cleaned up', async () => {
  const ca = createFakeCa(proven);
  const solver = createFakeSolver();
  const recorded: string[] = [];
  const onOrder = async (url: string) => void recorded.push(`${url} after ${ca.calls.join()}`);
  const { orderUrl, issuers } = await run(ca, { solver, onOrder });
  expect({ orderUrl, issuers }).toEqual({ orderUrl: at('order/1'), issuers: [] });
  expect(recorded).toEqual([`${at('order/1')} after createOrder`]);
  expect(solver.steps).toEqual(['present', 'ready', 'cleanUp'].map((step) => `${step} example.test,example.test`));
  expect(ca.calls).toHaveLength(9);
});

test('a CSR with the account key is refused before anything is asked', async () => {
  const { publicKey } = keys;
  const { crv, kty, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  const ca = createFakeCa(proven, { thumbprint });
  await expect(run(ca)).rejects.toThrow(/must not have the account key/);
  expect(ca.calls).toEqual([]);
});

test('an order that is ready at creation needs no challenge', async () => {
  const solver = createFakeSolver();
  const ca = createFakeCa({ ...proven, createOrder: [say(order('ready', { authorizations: [] }))] });
  await run(ca, { solver });
  expect(solver.steps).toEqual([]);
  expect(ca.calls).toEqual(['createOrder', 'finalize finalize/1', 'read cert/1']);
});

test('names that are proven already are left alone', async () => {
  const solver = createFakeSolver();
  const ca = createFakeCa({ ...proven, 'read authz/1': [say(authorization('valid', WILD))] });
  await run(ca, { solver });
  expect(solver.steps).toEqual(['present example.test', 'ready example.test', 'cleanUp example.test']);
  expect(ca.calls).not.toContain('answer chall/1');
});

test('an order that could not be recorded goes no further', async () => {
  const ca = createFakeCa(proven);
  const onOrder = async () => Promise.reject(new Error('the claim is lost'));
  await expect(run(ca, { onOrder })).rejects.toThrow('the claim is lost');
  expect(ca.calls).toEqual(['createOrder']);
});

test("the CA's Retry-After is waited for, on authorizations and on the order", async () => {
  const ca = createFakeCa({
    ...proven,
    'read authz/1': [
      say(authorization('pending', WILD)),
      say(authorization('pending', WILD), 7),
      say(authorization('valid', WILD)),
    ],
    'finalize finalize/1': [say(order('processing'), 11)],
    'read order/1': [say(VALID)],
  });
  await run(ca);
  expect(ca.sleptMs).toContain(7000);
  expect(ca.sleptMs).toContain(11_000);
});

test('a Retry-After beyond the deadline is not slept on but handed back', async () => {
  const start = new Date('2026-11-23T12:00:00Z');
  const solver = createFakeSolver();
  const pending = say(authorization('pending', WILD), 3600);
  const ca = createFakeCa({ ...proven, 'read authz/1': [say(authorization('pending', WILD)), pending] }, { start });
  const error = await failureOf(run(ca, { solver, deadlineMs: 60_000 }));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_DEADLINE' });
  expect(error?.notBefore?.getTime()).toBeGreaterThanOrEqual(start.getTime() + 3_600_000);
  expect(solver.steps.at(-1)).toMatch(/^cleanUp/);
});

test('an authorization for a name that was not ordered is not proved', async () => {
  const solver = createFakeSolver();
  const stranger = { ...authorization('pending'), identifier: { type: 'dns', value: 'other.example.test' } };
  const ca = createFakeCa({ ...proven, 'read authz/2': [say(stranger)] });
  expect(await failureOf(run(ca, { solver }))).toMatchObject({
    code: 'CERTBUS_ACME_NOT_ACME',
    message: expect.stringContaining('other.example.test'),
  });
  expect(solver.steps).toEqual([]);
  const again = createFakeCa({ ...proven, 'read order/1': [say(order('ready'))], 'read authz/2': [say(stranger)] });
  await run(again, { solver, resume: at('order/1') });
  expect(solver.steps.join()).not.toContain('other');
});

test('no challenge of our kind: nothing is presented, and the error lists what there is', async () => {
  const solver = createFakeSolver('http-01');
  const error = await failureOf(run(createFakeCa(proven), { solver, challenge: 'http-01' }));
  expect(error).toMatchObject({
    code: 'CERTBUS_ACME_NO_SOLVER',
    message: expect.stringContaining('dns-persist-01, dns-01'),
  });
  expect(solver.steps).toEqual([]);
});

test('a solver of another kind is refused before any request', async () => {
  const ca = createFakeCa(proven);
  expect(await failureOf(run(ca, { challenge: 'http-01' }))).toMatchObject({ code: 'CERTBUS_ACME_NO_SOLVER' });
  expect(ca.calls).toEqual([]);
});

test.each(['../../etc/passwd', 'a/b', '', 'sp ace', 'x'.repeat(257)])('the token %j goes nowhere', async (token) => {
  const solver = createFakeSolver();
  const ca = createFakeCa({ ...proven, 'read authz/2': [say(authorization('pending', { challenge: { token } }))] });
  expect(await failureOf(run(ca, { solver }))).toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
  expect(solver.steps).toEqual([]);
});

test.each(['present', 'ready'])('where "%s" fails, what was published is taken away', async (failing) => {
  const solver = createFakeSolver('dns-01', (step) => {
    if (step === failing) throw new Error('no DNS today');
  });
  const error = await failureOf(run(createFakeCa(proven), { solver }));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_SOLVER_FAILED', message: expect.stringContaining('no DNS today') });
  expect(solver.steps.at(-1)).toMatch(/^cleanUp/);
});

test('a clean-up that fails is told, and costs no certificate', async () => {
  const ca = createFakeCa(proven);
  const solver = createFakeSolver('dns-01', (step) => {
    if (step === 'cleanUp') throw new Error('no DNS today');
  });
  await run(ca, { solver });
  expect(ca.warnings).toHaveLength(1);
});

test('an abandoned job cleans nothing up', async () => {
  const lost = new AbortController();
  const solver = createFakeSolver('dns-01', (step) => {
    if (step === 'ready') lost.abort(new Error('claim lost'));
  });
  await expect(run(createFakeCa(proven), { solver, abandon: lost.signal })).rejects.toThrow('claim lost');
  expect(solver.steps.map((step) => step.split(' ')[0])).toEqual(['present', 'ready']);
});

test('several names that fail become one error with a part for each', async () => {
  const error = (token: string) => ({
    error: { type: 'urn:ietf:params:acme:error:dns', detail: `no TXT for ${token}` },
  });
  const ca = createFakeCa({
    ...proven,
    'read authz/1': [
      say(authorization('pending', WILD)),
      say(authorization('invalid', { ...WILD, challenge: error('T1') })),
    ],
    'read authz/2': [say(authorization('pending')), say(authorization('invalid', { challenge: error('T2') }))],
  });
  const failure = await failureOf(run(ca));
  expect(failure).toBeInstanceOf(AcmeProblemError);
  expect(failure).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED', class: 'temporary' });
  expect((failure as AcmeProblemError).problem.subproblems).toEqual([
    { type: 'urn:ietf:params:acme:error:dns', detail: 'no TXT for …', identifier: 'example.test' },
    { type: 'urn:ietf:params:acme:error:dns', detail: 'no TXT for …', identifier: 'example.test' },
  ]);
});

test.each(['deactivated', 'expired', 'revoked', 'invalid'])(
  'an authorization that is %s ends the order at once',
  async (status) => {
    const ca = createFakeCa({ ...proven, 'read authz/2': [say(authorization(status))] });
    expect(await failureOf(run(ca))).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED' });
    expect(ca.sleptMs).toEqual([]);
  },
);

test('an order that comes back for other names is refused', async () => {
  const identifiers = [{ type: 'dns', value: 'evil.test' }];
  const ca = createFakeCa({ ...proven, createOrder: [say(order('pending', { identifiers }))] });
  expect(await failureOf(run(ca))).toMatchObject({
    code: 'CERTBUS_ACME_ORDER_INVALID',
    message: expect.stringContaining('evil.test'),
  });
});

test("an order that becomes invalid brings the CA's reason", async () => {
  const error = { type: 'urn:ietf:params:acme:error:caa', detail: 'CAA forbids it', status: 403 };
  const ca = createFakeCa({ ...proven, 'finalize finalize/1': [say(order('invalid', { error }))] });
  expect(await failureOf(run(ca))).toMatchObject({
    code: 'CERTBUS_ACME_ORDER_INVALID',
    class: 'permanent-name',
    problem: { detail: 'CAA forbids it' },
  });
});

test.each([
  ['orderNotReady', problem('orderNotReady')],
  ['500', problem('serverInternal', { status: 500 })],
  ['no answer', new AcmeError('CERTBUS_ACME_UNREACHABLE', 'lost')],
])('after %s to finalize the order is looked up, and finalized again if it is still ready', async (_, failure) => {
  const ca = createFakeCa({
    ...proven,
    'finalize finalize/1': [failure, say(order('processing'))],
    'read order/1': [say(order('ready')), say(VALID)],
  });
  await run(ca);
  expect(ca.calls.filter((call) => call.startsWith('finalize'))).toHaveLength(2);
});

test('an order finalized before the answer was lost is not finalized twice', async () => {
  const ca = createFakeCa({
    ...proven,
    'finalize finalize/1': [new AcmeError('CERTBUS_ACME_UNREACHABLE', 'lost')],
    'read order/1': [say(order('processing')), say(VALID)],
  });
  await run(ca);
  expect(ca.calls.filter((call) => call.startsWith('finalize'))).toHaveLength(1);
});

test('a refused CSR is final', async () => {
  const ca = createFakeCa({ ...proven, 'finalize finalize/1': [problem('badCSR')] });
  expect(await failureOf(run(ca))).toMatchObject({ code: 'CERTBUS_ACME_PROBLEM', class: 'permanent-request' });
});

const refused = problem('serverInternal', { status: 500 });

test.each<[string, Partial<ObtainOptions>, string]>([
  ['a new order', {}, 'CERTBUS_ACME_PROBLEM'],
  ['an order to resume, which leads nowhere,', { resume: at('order/1') }, 'CERTBUS_ACME_ORDER_GONE'],
])('%s that the CA refuses to finalize again and again fails in its words', async (_, options, code) => {
  const ca = createFakeCa({ ...proven, 'finalize finalize/1': [refused], 'read order/1': [say(order('ready'))] });
  const error = await failureOf(run(ca, options));
  expect(error).toMatchObject({ code, message: expect.stringContaining('because serverInternal') });
  expect(error?.message).not.toContain('submissions');
  expect(ca.calls.filter((call) => call.startsWith('finalize'))).toHaveLength(5);
});

test('an old order whose CSR the CA refuses leads nowhere, and an outage at its finalization says nothing of it', async () => {
  const ready = { ...proven, 'read order/1': [say(order('ready'))] };
  const old = { resume: at('order/1') };
  const refusing = createFakeCa({ ...ready, 'finalize finalize/1': [problem('badCSR')] });
  expect(await failureOf(run(refusing, old))).toMatchObject({ code: 'CERTBUS_ACME_ORDER_GONE' });
  const down = createFakeCa({ ...ready, 'finalize finalize/1': [problem('serverInternal', { status: 503 })] });
  expect(await failureOf(run(down, old))).toMatchObject({ code: 'CERTBUS_ACME_PROBLEM', class: 'authority' });
});

test('an order that is processed until our deadline fails with what is known of it, and asks for nothing', async () => {
  const processing = { ...proven, 'finalize finalize/1': [say(order('processing'))] };
  const silent = createFakeCa({ ...processing, 'read order/1': [say(order('processing'))] });
  expect(await failureOf(run(silent))).toMatchObject({
    code: 'CERTBUS_ACME_DEADLINE',
    notBefore: undefined,
    message: expect.stringMatching(/within 600 s\. The order \S+ is still "processing"\. Try again later\.$/),
  });
  const error = { type: 'urn:ietf:params:acme:error:serverInternal', detail: 'the HSM is away' };
  const saying = createFakeCa({ ...processing, 'read order/1': [say(order('processing', { error }))] });
  expect(await failureOf(run(saying))).toMatchObject({
    code: 'CERTBUS_ACME_ORDER_INVALID',
    message: expect.stringMatching(/is still "processing": the HSM is away/),
  });
});

const START = new Date(Math.floor(Date.now() / 1000) * 1000);
const minutes = (count: number) => new Date(START.getTime() + count * 60_000).toISOString();
const dates = (from: number, to: number) => ({ notBefore: minutes(from), notAfter: minutes(to) });

test.each<[string, object, boolean]>([
  ['half of its lifetime left is gone on with', dates(-5, 5), false],
  ['less than half left is gone', dates(-6, 5), true],
  ['none left is gone', dates(-60, -1), true],
  ['an end that has come, and no beginning, is gone', { notAfter: minutes(-1) }, true],
  ['an end to come, and no beginning, is gone on with', { notAfter: minutes(1) }, false],
  ["no dates but Go's zero time is gone on with", { notBefore: ZERO, notAfter: ZERO }, false],
])('an order to resume whose certificate would have %s', async (_, given, isGone) => {
  const ready = say(order('ready', given));
  const ca = createFakeCa({ ...proven, 'read order/1': [ready] }, { start: START });
  const error = await failureOf(run(ca, { resume: at('order/1') }));
  expect(error?.code).toBe(isGone ? 'CERTBUS_ACME_ORDER_GONE' : undefined);
  expect(ca.calls.some((call) => call.startsWith('finalize'))).toBe(!isGone);
});

test('a new order that took more than half of the lifetime it had left to prove is gone, backdated however far', async () => {
  const proveIn = (seconds: number) => {
    const pending = say(order('pending', dates(-600, 4)));
    const slow = [say(authorization('pending', WILD)), say(authorization('pending', WILD), seconds)];
    return createFakeCa(
      { ...proven, createOrder: [pending], 'read authz/1': [...slow, say(authorization('valid', WILD))] },
      { start: START },
    );
  };
  const late = proveIn(125);
  expect(await failureOf(run(late))).toMatchObject({ code: 'CERTBUS_ACME_ORDER_GONE' });
  expect(late.calls.some((call) => call.startsWith('finalize'))).toBe(false);
  await run(proveIn(110));
});

test('an order that the CA finds too old is gone with its words', async () => {
  const old = order('ready', { notAfter: minutes(0.001) });
  const ca = createFakeCa(
    { ...proven, 'read order/1': [say(old)], 'finalize finalize/1': [refused], 'read authz/1': [say(DONE, 1)] },
    { start: START },
  );
  const error = await failureOf(run(ca, { resume: at('order/1') }));
  expect(error).toMatchObject({
    code: 'CERTBUS_ACME_ORDER_GONE',
    message: expect.stringContaining('because serverInternal'),
  });
});

test('a certificate that an earlier run left, and that is of no use now, makes its order gone', async () => {
  const inTime = new Date(Date.now() + 40 * 86_400_000);
  const ca = createFakeCa({ ...proven, 'read order/1': [say(VALID)] }, { start: inTime });
  expect(await failureOf(run(ca, { resume: at('order/1') }))).toMatchObject({ code: 'CERTBUS_ACME_ORDER_GONE' });
});

test('an order that stays ready without an end is given up', async () => {
  const ca = createFakeCa({ ...proven, 'finalize finalize/1': [say(order('ready'))] });
  expect(await failureOf(run(ca))).toMatchObject({ code: 'CERTBUS_ACME_ORDER_INVALID' });
  expect(ca.calls.filter((call) => call.startsWith('finalize'))).toHaveLength(5);
});

test('a valid order without a certificate is no ACME', async () => {
  const ca = createFakeCa({ ...proven, 'finalize finalize/1': [say(order('valid'))] });
  expect(await failureOf(run(ca))).toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
});

test('a certificate at another origin is not fetched', async () => {
  const elsewhere = order('valid', { certificate: 'https://elsewhere.test/cert' });
  const ca = createFakeCa({ ...proven, 'finalize finalize/1': [say(elsewhere)] });
  expect(await failureOf(run(ca))).toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
});

test('a challenge whose answer got lost is answered again only if the CA did not hear it', async () => {
  const lost = new AcmeError('CERTBUS_ACME_UNREACHABLE', 'lost');
  const heard = authorization('pending', { ...WILD, challenge: { status: 'processing' } });
  const ca = createFakeCa({
    ...proven,
    'answer chall/1': [lost, say({})],
    'answer chall/2': [lost, say({})],
    'read authz/1': [say(authorization('pending', WILD)), say(heard), say(authorization('valid', WILD))],
    'read authz/2': [say(authorization('pending')), say(authorization('pending')), say(authorization('valid'))],
  });
  await run(ca);
  expect(ca.calls.filter((call) => call === 'answer chall/1')).toHaveLength(1);
  expect(ca.calls.filter((call) => call === 'answer chall/2')).toHaveLength(2);
});

test.each([
  ['alreadyReplaced', 409],
  ['malformed', 404],
  ['unauthorized', 403],
  ['conflict', 409],
  ['serverInternal', 500],
])('an order refused with %s is made again without "replaces"', async (type, status) => {
  const ca = createFakeCa({ ...proven, createOrder: [problem(type, { status }), say(order('pending'))] });
  await run(ca, { replaces: 'aki.serial' });
  const identifiers = names.map((value) => ({ type: 'dns', value }));
  expect(ca.requests).toEqual([{ identifiers, replaces: 'aki.serial' }, { identifiers }]);
});

test.each([
  ['rateLimited', 429],
  ['accountDoesNotExist', 400],
  ['serverInternal', 503],
])('an order refused with %s is not made again', async (type, status) => {
  const ca = createFakeCa({ ...proven, createOrder: [problem(type, { status })] });
  expect(await failureOf(run(ca, { replaces: 'aki.serial' }))).toMatchObject({ code: 'CERTBUS_ACME_PROBLEM' });
  expect(ca.requests).toHaveLength(1);
});

test('a profile goes along, and another one in return is refused', async () => {
  const profiles = { shortlived: 'six days' };
  const ca = createFakeCa({ ...proven, createOrder: [say(order('pending', { profile: 'classic' }))] }, { profiles });
  expect(await failureOf(run(ca, { profile: 'shortlived' }))).toMatchObject({ code: 'CERTBUS_ACME_ORDER_INVALID' });
  expect(ca.requests).toMatchObject([{ profile: 'shortlived' }]);
});

const resume = at('order/1');
const gone = { code: 'CERTBUS_ACME_ORDER_GONE' };

test.each<[string, Said]>([
  ['is invalid', say(order('invalid'))],
  ['has expired', say(order('pending', { expires: '2020-01-01T00:00:00Z' }))],
  ['is for other names', say(order('pending', { identifiers: [] }))],
  ['is unknown', problem('malformed', { status: 404, url: at('order/1') })],
  ["is another account's", problem('unauthorized', { status: 403, url: at('order/1') })],
])('an order to resume that %s is gone', async (_, said) => {
  const ca = createFakeCa({ ...proven, 'read order/1': [said] });
  expect(await failureOf(run(ca, { resume }))).toMatchObject(gone);
});

test('trouble at the CA does not make an order gone', async () => {
  const ca = createFakeCa({
    ...proven,
    'read order/1': [problem('serverInternal', { status: 500, url: at('order/1') })],
  });
  expect(await failureOf(run(ca, { resume }))).toMatchObject({ code: 'CERTBUS_ACME_PROBLEM', class: 'authority' });
});

test('a resumed order with a dead authorization is gone, and what it left is taken away', async () => {
  const solver = createFakeSolver();
  const ca = createFakeCa({
    ...proven,
    'read order/1': [say(order('pending'))],
    'read authz/2': [say(authorization('invalid'))],
  });
  expect(await failureOf(run(ca, { resume, solver }))).toMatchObject(gone);
  expect(solver.steps).toEqual(['cleanUp example.test']);
});

test('a challenge that an earlier run answered is not answered again', async () => {
  const processing = authorization('pending', { challenge: { status: 'processing' } });
  const ca = createFakeCa({
    ...proven,
    'read order/1': [say(order('pending'))],
    'read authz/2': [say(processing), say(authorization('valid'))],
  });
  await run(ca, { resume });
  expect(ca.calls).toContain('answer chall/1');
  expect(ca.calls).not.toContain('answer chall/2');
});

test('a resumed order that is valid gives its certificate, and what an earlier run left is taken away', async () => {
  const solver = createFakeSolver();
  const settled = {
    'read authz/1': [say(authorization('valid', WILD))],
    'read authz/2': [problem('malformed', { status: 404 })],
  };
  const ca = createFakeCa({ ...proven, ...settled, 'read order/1': [say(VALID)] });
  const onOrder = async () => Promise.reject(new Error('it is recorded already'));
  expect((await run(ca, { resume, solver, onOrder })).orderUrl).toBe(resume);
  expect(solver.steps).toEqual(['cleanUp example.test']);
  expect(ca.calls.some((call) => call.startsWith('finalize'))).toBe(false);
});
