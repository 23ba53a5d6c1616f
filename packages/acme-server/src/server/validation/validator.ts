/** Validates a challenge by its type, within a time. */
import { setTimeout as wait } from 'node:timers/promises';
import type { PendingValidation } from '../ca.ts';
import type { Clock } from '../clock.ts';
import type { Settings } from '../options.ts';
import { ProblemDocument } from '../problem-document.ts';
import type { ChallengeType } from '../records.ts';
import { checkCaa } from './caa.ts';
import { validateDns01, validateDnsAccount01 } from './dns-01.ts';
import { createDnsLookup } from './dns-lookup.ts';
import { validateDnsPersist01 } from './dns-persist-01.ts';
import { validateHttp01 } from './http-01.ts';
import type { Method } from './method.ts';
import { subjectOf } from './subject.ts';
import { validateTlsAlpn01 } from './tls-alpn-01.ts';

/** Gives the reason why a challenge is not met; `undefined` where it is. */
export type Validator = (validation: PendingValidation, signal: AbortSignal) => Promise<ProblemDocument | undefined>;

const METHODS: Readonly<Record<ChallengeType, Method>> = {
  'http-01': validateHttp01,
  'dns-01': validateDns01,
  'tls-alpn-01': validateTlsAlpn01,
  'dns-account-01': validateDnsAccount01,
  'dns-persist-01': validateDnsPersist01,
};

/** What one try of a question to DNS may take at least, milliseconds, also where a validation is bounded to less: a busy machine answers late. */
const LEAST_DNS_MS = 2_000;

function problemOf(error: unknown, timeoutMs: number): ProblemDocument {
  if (error instanceof ProblemDocument) return error;
  const isLate = error instanceof DOMException && error.name === 'TimeoutError';
  const why = error instanceof Error ? error.message : String(error);
  return new ProblemDocument('connection', isLate ? `No answer within ${timeoutMs / 1000} s` : why);
}

/** Looks at the world outside: DNS, HTTP and TLS, as the settings say where. */
export function createValidator(settings: Settings, clock: Clock): Validator {
  const { dnsServer, delayMs, timeoutMs, alwaysValid } = settings.validation;
  const dns = createDnsLookup({ dnsServer, timeoutMs: Math.max(LEAST_DNS_MS, Math.ceil(timeoutMs / 5)) });
  return async (validation, stop) => {
    if (delayMs > 0) await wait(delayMs, undefined, { signal: stop });
    if (alwaysValid) return undefined;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
    const { keyAuthorization } = subjectOf(validation);
    const context = { ...validation, dns, settings, now: clock.now(), keyAuthorization, signal };
    try {
      await METHODS[validation.challenge.type](context);
      if (settings.validation.checkCaa) await checkCaa(context);
      return undefined;
    } catch (error) {
      return problemOf(error, timeoutMs);
    }
  };
}
