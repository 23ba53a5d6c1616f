/** Tests of accounts, revocation and late orders against a real step-ca, which does as it likes where RFC 8555 leaves it open. */
import { type DnsServer, startDnsServer } from '@certbus/acme-server';
import { createCsr, requirePart, type StepCa, type StepCaOptions, startStepCa } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Acme,
  type AcmeOptions,
  createAcme,
  deactivateAccount,
  generateAccountKey,
  type ObtainOptions,
  readAccount,
  registerAccount,
  revoke,
  rollOverAccountKey,
  updateAccount,
} from '../index.ts';
import { createDnsSolver } from './dns-solver.builders.ts';
import { obtainFor } from './strict-ca.builders.ts';

const part = requirePart('step-ca');
const { signal } = new AbortController();
const agreed = { termsOfServiceAgreed: true, signal };

describe.skipIf(part.skip)(part.title('against step-ca'), () => {
  let dns: DnsServer;
  let stepCa: StepCa;

  beforeAll(async () => {
    dns = await startDnsServer();
    stepCa = await start({});
  });

  afterAll(async () => {
    await stepCa?.stop();
    await dns?.[Symbol.asyncDispose]();
  });

  const start = (options: StepCaOptions) => startStepCa({ dnsServer: dns.address, ...options });

  async function open({ directory, roots } = stepCa, options: Partial<AcmeOptions> = {}) {
    const ca = createAcme({ directory, roots, accountKey: await generateAccountKey(), ...options });
    onTestFinished(() => ca.close());
    await registerAccount(ca, agreed);
    return ca;
  }

  const obtain = (ca: Acme, options: Partial<ObtainOptions> = {}) =>
    obtainFor(ca, ['a.test'], { solver: createDnsSolver(dns), ...options });

  test('contacts are changed and read, and a deactivated account orders nothing', async () => {
    const ca = await open();
    const contact = ['mailto:one@example.com'];
    expect(await updateAccount(ca, { contact, signal })).toMatchObject({ contact });
    expect(await readAccount(ca, { signal })).toMatchObject({ status: 'valid', contact });
    await deactivateAccount(ca, { signal });
    await expect(obtain(ca)).rejects.toMatchObject({ code: 'CERTBUS_ACME_PROBLEM', class: 'account' });
  });

  test('a key is not rolled over: step-ca answers 501, and the old one stays in force', async () => {
    const ca = await open();
    const newAccountKey = await generateAccountKey();
    await expect(rollOverAccountKey(ca, { newAccountKey, signal })).rejects.toMatchObject({
      code: 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED',
    });
    expect(await readAccount(ca, { signal })).toMatchObject({ status: 'valid' });
  });

  test('a certificate is revoked by its account, or by its own key; twice is once', async () => {
    const ca = await open();
    const first = await obtain(ca);
    expect(await revoke(ca, first.leaf, { reason: 'superseded', signal })).toEqual({ wasRevoked: false });
    expect(await revoke(ca, first.leaf, { reason: 'superseded', signal })).toEqual({ wasRevoked: true });
    const { csr, keys } = await createCsr(['a.test']);
    const second = await obtain(ca, { csr });
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    const certificateKey = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
    const options = { reason: 'keyCompromise', certificateKey, signal } as const;
    expect(await revoke(await open(), second.leaf, options)).toEqual({ wasRevoked: false });
  });

  /** Proves names when the certificate of the order has ended. */
  function createLateSolver(endsAfterMs: number) {
    let orderedAt = 0;
    const onOrder = async () => {
      orderedAt = Date.now();
    };
    const ready = async () => {
      const ms = orderedAt + endsAfterMs + 1100 - Date.now();
      await new Promise((resolve) => setTimeout(resolve, ms));
    };
    return { onOrder, solver: { ...createDnsSolver(dns), ready } };
  }

  test('an order that was proved when its certificate had ended is gone, and a clock that is late hears why', async () => {
    const short = await start({ certificateValidityS: 1 });
    onTestFinished(() => short.stop());
    const before = short.orders();
    await expect(obtain(await open(short), createLateSolver(1000))).rejects.toMatchObject({
      code: 'CERTBUS_ACME_ORDER_GONE',
      message: expect.stringContaining('its certificate would end at'),
    });
    expect(short.orders() - before).toBe(1);
    const late = await open(short, { now: () => new Date(Date.now() - 3_600_000) });
    await expect(obtain(late, createLateSolver(1000))).rejects.toMatchObject({
      code: 'CERTBUS_ACME_PROBLEM',
      problem: { status: 500 },
      message: expect.not.stringContaining('submissions'),
    });
  });
});
