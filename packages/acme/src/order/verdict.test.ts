/** Tests that a challenge which the CA leaves open with an error is shown, answered again, and fails in the CA's words. */
import { createCsr, createIssuer, createLeaf } from 'certbus-services';
import { expect, test } from 'vitest';
import type { AcmeProblemError } from '../index.ts';
import { at, createFakeCa, createFakeSolver, type FakeCa, type Said, say } from '../tests/acme.builders.ts';
import { type ObtainOptions, obtain } from './obtain.ts';

const names = ['a.test'];
const { csr, keys } = await createCsr(names);
const leaf = await createLeaf({ issuer: await createIssuer('Root'), names, publicKey: keys.publicKey });
const { signal } = new AbortController();
const URN = 'urn:ietf:params:acme:error:';
const REFUSED = { type: `${URN}connection`, detail: 'connect: connection refused' };

const authorization = (status: string, challenge: object = {}, name = 'a.test') => ({
  status,
  identifier: { type: 'dns', value: name },
  challenges: [{ type: 'dns-01', url: at(`chall/${name}`), status: 'pending', token: 'TOKEN', ...challenge }],
});
const order = (status: string, more: object = {}) => ({
  status,
  identifiers: [{ type: 'dns', value: 'a.test' }],
  authorizations: [at('authz/1')],
  finalize: at('finalize/1'),
  ...more,
});

/** A CA that says this of the authorization after the challenge was answered; the last is said from then on. */
function caThatSays(...said: readonly Said[]): FakeCa {
  return createFakeCa({
    createOrder: [say(order('pending'))],
    'read authz/1': [say(authorization('pending')), ...said],
    'answer chall/a.test': [say({})],
    'finalize finalize/1': [say(order('valid', { certificate: at('cert/1') }))],
    'read cert/1': [say(leaf.toString('pem'))],
  });
}

const failing = (error: object = REFUSED, status = 'pending') => authorization('pending', { status, error });

async function run(ca: FakeCa, options: Partial<ObtainOptions> = {}) {
  const warnings: string[] = [];
  const begun = ca.engine.now().getTime();
  const onWarning = (message: string) => void warnings.push(message);
  const job = { names, csr, challenge: 'dns-01', solver: createFakeSolver(), onOrder: async () => {}, signal } as const;
  const error = await obtain(ca, { ...job, onWarning, ...options }).then(
    () => undefined,
    (reason: unknown) => reason as AcmeProblemError,
  );
  const answers = ca.calls.filter((call) => call.startsWith('answer')).length;
  return { error, answers, warnings, tookMs: ca.engine.now().getTime() - begun };
}

test.each(['pending', 'processing'])(
  'a challenge that stays %s with an error is answered a few more times, and fails in the words of the CA within a minute',
  async (status) => {
    const { error, answers, warnings, tookMs } = await run(caThatSays(say(failing(REFUSED, status))));
    expect(error).toMatchObject({
      code: 'CERTBUS_ACME_CHALLENGE_FAILED',
      class: 'temporary',
      problem: { ...REFUSED },
      notBefore: undefined,
      message: expect.stringMatching(/^The CA could not confirm a\.test by dns-01: connect: connection refused/),
    });
    expect(answers).toBe(5);
    expect(tookMs).toBeGreaterThan(30_000);
    expect(tookMs).toBeLessThan(65_000);
    expect(warnings).toEqual([expect.stringContaining('connect: connection refused')]);
  },
);

test('a challenge that passes after a repair makes a certificate', async () => {
  const ca = caThatSays(...Array.from({ length: 12 }, () => say(failing())), say(authorization('valid')));
  expect(await run(ca)).toMatchObject({ error: undefined, warnings: [expect.any(String)] });
});

test('each new error is shown once, without the token that the CA quotes', async () => {
  const quoting = { type: `${URN}rejectedIdentifier`, detail: 'expected TOKEN.thumbprint' };
  const ca = caThatSays(say(failing()), say(failing()), say(failing(quoting)), say(failing()));
  const { warnings, error } = await run(ca);
  expect(warnings.map((each) => /refused|expected …\.thumbprint/.exec(each)?.[0])).toEqual([
    'refused',
    'expected ….thumbprint',
    'refused',
  ]);
  expect(`${warnings.join()} ${String(error)}`).not.toContain('TOKEN');
});

test.each(['rejectedIdentifier', 'unauthorized', 'dns', 'incorrectResponse', 'somethingElse'])(
  'an error of type %s is the failure of a validation, to be tried again',
  async (type) => {
    const { error } = await run(caThatSays(say(failing({ type: `${URN}${type}`, detail: 'no' }))));
    expect(error).toMatchObject({ class: 'temporary', problem: { type: `${URN}${type}` } });
  },
);

test('the Retry-After of the CA is kept between answers', async () => {
  const { answers, tookMs } = await run(caThatSays(say(failing(), 25)));
  expect(answers).toBe(2);
  expect(tookMs).toBeLessThan(65_000);
});

test('a Retry-After beyond the minute ends it at once, and is kept by the next attempt', async () => {
  const ca = caThatSays(say(failing(), 600));
  const { error, answers } = await run(ca);
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED', class: 'temporary' });
  expect(error?.notBefore).toEqual(new Date(ca.engine.now().getTime() + 600_000));
  expect(answers).toBe(1);
});

test('where the deadline comes first, the error of the CA is the reason', async () => {
  const { error } = await run(caThatSays(say(failing())), { deadlineMs: 5000 });
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED', problem: { ...REFUSED } });
});

test('a challenge that is never decided fails by our deadline, which asks for nothing', async () => {
  const { error, answers } = await run(caThatSays(say(authorization('pending'))));
  expect(error).toMatchObject({
    code: 'CERTBUS_ACME_DEADLINE',
    notBefore: undefined,
    message: expect.stringMatching(/has not decided yet whether it can confirm a\.test\. Try again later\.$/),
  });
  expect(answers).toBe(1);
});

test('an invalid challenge decides, although its authorization stays pending', async () => {
  const invalid = failing(REFUSED, 'invalid');
  const { error, answers, tookMs } = await run(caThatSays(say(invalid)));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED', problem: { ...REFUSED } });
  expect([answers, tookMs < 1000]).toEqual([1, true]);
  const old = createFakeCa({ 'read order/1': [say(order('pending'))], 'read authz/1': [say(invalid)] });
  expect(await run(old, { resume: at('order/1') })).toMatchObject({
    error: { code: 'CERTBUS_ACME_ORDER_GONE' },
    answers: 0,
  });
});

test('a further answer that the CA refuses is no reason of its own', async () => {
  const ca = createFakeCa({
    createOrder: [say(order('pending'))],
    'read authz/1': [say(authorization('pending')), say(failing())],
    'answer chall/a.test': [say({}), new TypeError('the CA takes it once')],
  });
  expect((await run(ca)).error).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED', problem: { ...REFUSED } });
});

test('many names that fail alike fail together within about a minute, each by name', async () => {
  const many = Array.from({ length: 12 }, (_, index) => `h${index}.test`);
  const { csr: large } = await createCsr(many);
  const script: Record<string, Said[]> = {};
  for (const [index, name] of many.entries()) {
    script[`read authz/${index}`] = [
      say(authorization('pending', {}, name)),
      say(authorization('pending', { error: REFUSED }, name)),
    ];
    script[`answer chall/${name}`] = [say({})];
  }
  const made = {
    status: 'pending',
    identifiers: many.map((value) => ({ type: 'dns', value })),
    authorizations: many.map((_, index) => at(`authz/${index}`)),
    finalize: at('finalize/1'),
  };
  const ca = createFakeCa({ ...script, createOrder: [say(made)] });
  const { error, tookMs } = await run(ca, { names: many, csr: large });
  expect(error?.problem.subproblems.map(({ identifier }) => identifier).toSorted()).toEqual(many.toSorted());
  // Waits in parallel add up on this CA's clock; one after the other they would take three minutes.
  expect(tookMs).toBeLessThan(120_000);
});
