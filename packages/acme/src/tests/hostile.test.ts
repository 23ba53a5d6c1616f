import { createCsr, createIssuer, createLeaf } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { parseAccount } from '../account/account.ts';
import { parseRenewalInfo } from '../certificates/renewal-info.ts';
import {
  AcmeError,
  createAcme,
  createCaLimiter,
  generateAccountKey,
  type Http,
  registerAccount,
  renewalInfo,
  revoke,
} from '../index.ts';
import { parseAuthorization } from '../order/authorization.ts';
import { isOfType, parseChallenges, presentedChallenge } from '../order/challenge.ts';
import { parseOrder } from '../order/order.ts';
import { readAnswer } from '../wire/answer.ts';
import { parseDirectory } from '../wire/directory.ts';
import type { Resource } from '../wire/engine.ts';
import { linked, parseLinks } from '../wire/links.ts';
import { createNoncePool } from '../wire/nonce-pool.ts';
import { AcmeProblemError, parseProblem } from '../wire/problem.ts';
import { parseRetryAfter } from '../wire/retry-after.ts';
import { parseCertificate, publicKeyOfCsr } from '../x509/certificate.ts';
import { createDice, type Dice, mutateText, mutateValue } from './mutations.builders.ts';
import { obtainFor } from './strict-ca.builders.ts';

const SEED = Number(process.env['CERTBUS_FUZZ_SEED'] ?? 20_261_125);
const DIRECTORY = 'https://ca.test/directory';
const at = (path: string) => `https://ca.test/${path}`;
const now = new Date('2026-11-25T00:00:00Z');

const names = ['*.a.test', 'a.test'];
const { csr, keys } = await createCsr(names);
const root = await createIssuer('Root');
const below = await createIssuer('Issuing', root);
const leaf = await createLeaf({ issuer: below, names, publicKey: keys.publicKey });
const PEM = [leaf, below.certificate].map((each) => each.toString('pem')).join('\n');
const ours = publicKeyOfCsr(csr);
const acceptKey = (spki: Uint8Array) => Buffer.compare(spki, ours) === 0;

const problem = {
  type: 'urn:ietf:params:acme:error:rateLimited',
  detail: 'Paused, see https://ca.test/unpause?jwt=a.b.c',
  status: 429,
  instance: 'https://ca.test/terms',
  subproblems: [
    {
      type: 'urn:ietf:params:acme:error:dns',
      detail: 'NXDOMAIN looking up A for a.test',
      identifier: { type: 'dns', value: 'a.test' },
    },
  ],
};
const challenge = (type: string) => ({
  type,
  url: at('chall/1'),
  status: 'pending',
  token: 'T'.repeat(43),
  error: problem,
});
const DOCUMENTS = {
  directory: {
    newNonce: at('nonce'),
    newAccount: at('account'),
    newOrder: at('order'),
    revokeCert: at('revoke'),
    keyChange: at('key'),
    renewalInfo: at('ari'),
    meta: {
      termsOfService: 'https://ca.test/terms',
      profiles: { classic: 'https://ca.test/classic' },
      caaIdentities: ['ca.test'],
      externalAccountRequired: false,
    },
  },
  account: { status: 'valid', contact: ['mailto:a@ca.test'], orders: at('orders'), termsOfServiceAgreed: true },
  order: {
    status: 'ready',
    expires: '2026-12-01T00:00:00Z',
    identifiers: names.map((value) => ({ type: 'dns', value })),
    authorizations: [at('authz/1'), at('authz/2')],
    finalize: at('finalize/1'),
    certificate: at('cert/1'),
    profile: 'classic',
    error: problem,
  },
  authorization: {
    status: 'pending',
    identifier: { type: 'dns', value: 'a.test' },
    wildcard: true,
    expires: '2026-12-01T00:00:00Z',
    challenges: ['dns-01', 'http-01', 'tls-alpn-01', 'dns-persist-01'].map(challenge),
  },
  renewalInfo: {
    suggestedWindow: { start: '2026-12-01T00:00:00Z', end: '2026-12-02T00:00:00Z' },
    explanationURL: 'https://ca.test/why',
  },
  problem,
} as const;

/** Runs a parser, which may refuse in a typed way and in no other. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof AcmeError)) throw error;
    // Ten parts, each of a thousand characters, and some names.
    if (error.message.length > 50_000) throw new Error(`a message of ${error.message.length} characters`);
    return undefined;
  }
}

function expectAtCa(url: string | undefined): void {
  if (url !== undefined && new URL(url).origin !== 'https://ca.test') throw new Error(`leads to ${url}`);
}

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'content-type': ['application/json', 'application/problem+json', 'application/pem-certificate-chain', 'text/html'],
  'retry-after': ['120', 'Wed, 25 Nov 2026 01:00:00 GMT', '-1'],
  link: ['<https://ca.test/cert/2>;rel="alternate", </terms>;rel="terms-of-service"'],
  location: ['https://ca.test/order/1', '/order/1', '//evil.test/order'],
  'replay-nonce': ['oFvnlFP1wIhRlYS2jTaXbA'],
};

function mutateHeaders(dice: Dice): Record<string, string> {
  return Object.fromEntries(
    Object.entries(HEADERS).map(([name, values]) => {
      const value = dice.pick(values);
      return [name, dice.below(3) === 0 ? mutateText(value, dice) : value];
    }),
  );
}

const resource = (body: unknown): Resource => ({ url: at('asked'), status: 200, body, retryAfter: undefined });
const pool = createNoncePool(() => now);

/** What is done with one hostile input, by what it is in place of. */
const TARGETS: Readonly<Record<string, { readonly count: number; readonly run: (dice: Dice) => void }>> = {
  directory: {
    count: 120_000,
    run(dice) {
      const found = attempt(() => parseDirectory(mutateValue(DOCUMENTS.directory, dice), DIRECTORY));
      if (!found) return;
      const { meta, ...urls } = found;
      for (const url of Object.values(urls)) expectAtCa(url);
      if (Object.keys(meta.profiles).length > 100) throw new Error('profiles without end');
    },
  },
  account: {
    count: 100_000,
    run: (dice) => void attempt(() => parseAccount(resource(mutateValue(DOCUMENTS.account, dice)))),
  },
  order: {
    count: 120_000,
    run(dice) {
      const order = attempt(() => parseOrder(resource(mutateValue(DOCUMENTS.order, dice)), DIRECTORY));
      for (const url of [...(order?.authorizations ?? []), order?.finalize, order?.certificate]) expectAtCa(url);
      if ((order?.authorizations.length ?? 0) > 1000) throw new Error('authorizations without end');
    },
  },
  authorization: {
    count: 120_000,
    run(dice) {
      const found = attempt(() =>
        parseAuthorization(resource(mutateValue(DOCUMENTS.authorization, dice)), at('authz/1')),
      );
      if (found && !/^[a-z0-9._:-]{1,253}$/.test(found.name)) throw new Error(`the name ${found.name}`);
    },
  },
  challenge: {
    count: 120_000,
    run(dice) {
      const offered = parseChallenges(mutateValue(DOCUMENTS.authorization.challenges, dice)).find(isOfType('dns-01'));
      const presented = offered && attempt(() => presentedChallenge('a.test', offered, 't'.repeat(43)));
      if (presented && !/^[\w-]{1,256}$/.test(presented.token)) throw new Error(`the token ${presented.token}`);
    },
  },
  'renewal information': {
    count: 120_000,
    run(dice) {
      const info = attempt(() => parseRenewalInfo(resource(mutateValue(DOCUMENTS.renewalInfo, dice)), now));
      if (info && !(info.start < info.end)) throw new Error('a window that ends before it starts');
      if (info?.explanationUrl && !/^https?:/.test(info.explanationUrl)) throw new Error(info.explanationUrl);
    },
  },
  problem: {
    count: 120_000,
    run(dice) {
      const found = parseProblem(mutateValue(DOCUMENTS.problem, dice), 400);
      if (!found) return;
      const error = new AcmeProblemError(found, { attempt: 'Asking', url: at('asked') });
      attempt(() => {
        throw error;
      });
      if (/[\p{Cc}\u202a-\u202e]/u.test(error.message)) throw new Error('a message that steers the terminal');
      if (error.page && !error.page.startsWith('https:')) throw new Error(error.page);
    },
  },
  'certificate chain': {
    count: 60_000,
    run: (dice) => void attempt(() => parseCertificate(mutateText(PEM, dice), { names, acceptKey, now: new Date() })),
  },
  headers: {
    count: 120_000,
    run(dice) {
      const headers = mutateHeaders(dice);
      const retryAt = parseRetryAfter(headers['retry-after'], now)?.getTime() ?? now.getTime();
      if (!(retryAt >= now.getTime() && retryAt <= now.getTime() + 7 * 86_400_000)) throw new Error(`at ${retryAt}`);
      if (linked(parseLinks(headers['link'], at('cert/1')), 'alternate').length > 32)
        throw new Error('links without end');
      pool.put(headers['replay-nonce']);
      const nonce = pool.take()?.value ?? 'n';
      if (!/^[\w-]{1,512}$/.test(nonce)) throw new Error(`the nonce ${nonce}`);
    },
  },
  'whole answer': {
    count: 120_000,
    run(dice) {
      const text = JSON.stringify(dice.pick(Object.values(DOCUMENTS)));
      const response = {
        status: dice.pick([200, 201, 204, 301, 400, 403, 404, 429, 500, 503, 599]),
        headers: mutateHeaders(dice),
      };
      const question = { directory: DIRECTORY, url: at('asked'), name: 'asked', now };
      attempt(() => readAnswer({ ...response, text: mutateText(text, dice) }, question));
    },
  },
};

test.each(Object.keys(TARGETS))('a hostile %s is refused in a typed way, or harmless', { tags: 'full' }, (name) => {
  const { count: full, run } = TARGETS[name] as (typeof TARGETS)[string];
  const count = sized({ small: full / 100, full });
  const before = process.memoryUsage().heapUsed;
  for (let nth = 0; nth < count; nth += 1) {
    const seed = SEED + nth;
    try {
      run(createDice(seed));
    } catch (cause) {
      throw new Error(`input ${nth} of "${name}" (CERTBUS_FUZZ_SEED=${seed} makes it the first)`, { cause });
    }
  }
  // Far above what the garbage collector leaves lying about, far below what a hundred thousand kept inputs would take.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(400_000_000);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('all of them are more than a million', () => {
  const total = Object.values(TARGETS).reduce((sum, { count }) => sum + count, 0);
  expect(total).toBeGreaterThanOrEqual(1_000_000);
});

/** A CA in which any answer can be hostile; it remembers where requests went. */
function createHostileHttp(dice: Dice): Http & { readonly asked: string[] } {
  const asked: string[] = [];
  let nonces = 0;
  const answers: readonly (readonly [RegExp, number, unknown])[] = [
    [/directory$/, 200, DOCUMENTS.directory],
    [/nonce$/, 204, undefined],
    [/account$/, 201, DOCUMENTS.account],
    [/\/order$/, 201, { ...DOCUMENTS.order, status: 'pending', certificate: undefined, error: undefined }],
    [/authz/, 200, { ...DOCUMENTS.authorization, status: 'valid' }],
    [/finalize/, 200, { ...DOCUMENTS.order, status: 'valid', error: undefined }],
    [/cert/, 200, PEM],
    [/ari/, 200, DOCUMENTS.renewalInfo],
  ];
  return {
    asked,
    async send({ url }) {
      asked.push(url);
      const [, status, body] = answers.find(([pattern]) => pattern.test(url)) ?? [/./, 200, DOCUMENTS.order];
      const isChain = typeof body === 'string';
      const fair = {
        'content-type': isChain ? 'application/pem-certificate-chain' : 'application/json',
        location: at('order/1'),
      };
      nonces += 1;
      const nonce = { 'replay-nonce': `nonce-${nonces}` };
      if (dice.below(4) > 0)
        return { status, headers: { ...fair, ...nonce }, text: isChain ? body : (JSON.stringify(body) ?? '') };
      const text = isChain ? mutateText(body, dice) : (JSON.stringify(mutateValue(body, dice)) ?? '');
      const headers = dice.below(2) === 0 ? { ...fair, ...nonce } : { ...mutateHeaders(dice), ...nonce };
      return { status: dice.pick([status, status, status, 200, 301, 400, 404, 429, 500, 503]), headers, text };
    },
    async close() {},
  };
}

test('whole conversations with a hostile CA end, with a certificate or a typed error, and go nowhere else', {
  tags: 'full',
}, async () => {
  const conversations = sized({ small: 100, full: 2_000 });
  const accountKey = await generateAccountKey();
  const { signal } = new AbortController();
  const outcomes = new Set<string>();
  for (let nth = 0; nth < conversations; nth += 1) {
    const seed = SEED + nth;
    const http = createHostileHttp(createDice(seed));
    let clock = Date.now();
    const timed = {
      now: () => new Date(clock),
      async sleep(ms: number) {
        clock += Math.ceil(ms);
      },
    };
    const ca = createAcme({
      directory: DIRECTORY,
      accountKey,
      http,
      limiter: createCaLimiter(DIRECTORY, { now: timed.now }),
      ...timed,
    });
    const attempts = [
      () => registerAccount(ca, { termsOfServiceAgreed: true, signal }),
      () => obtainFor(ca, names, { csr, preferredChain: 'Nobody' }),
      () => renewalInfo(ca, new Uint8Array(leaf.rawData), { signal }),
      () => revoke(ca, new Uint8Array(leaf.rawData), { reason: 'unspecified', signal }),
    ];
    for (const attempt of attempts) {
      const outcome = await attempt().then(
        () => 'done',
        (error: unknown) => (error instanceof AcmeError ? error.code : new Error(`seed ${seed}`, { cause: error })),
      );
      if (outcome instanceof Error) throw outcome;
      outcomes.add(outcome);
    }
    await ca.close();
    for (const url of http.asked) expectAtCa(url);
    if (http.asked.length > 1500) throw new Error(`seed ${seed}: ${http.asked.length} requests`);
  }
  expect(outcomes.size).toBeGreaterThan(4);
  expect(outcomes).toContain('done');
});
