/** Records the outcome of a validation where challenge, authorization and order show it. */
import type { Ca, PendingValidation } from '../ca.ts';
import type { ProblemDocument } from '../problem-document.ts';

/** Records that a challenge was met, or the problem because of which it was not (RFC 8555 §7.1.6). */
export function recordOutcome(ca: Ca, validation: PendingValidation, problem: ProblemDocument | undefined): void {
  const { account, authorization, challenge } = validation;
  const { type } = challenge;
  const name = `${authorization.isWildcard ? '*.' : ''}${authorization.identifier.value}`;
  const now = ca.clock.now();
  challenge.status = problem ? 'invalid' : 'valid';
  if (problem) challenge.error = problem;
  else challenge.validatedAt = now;
  ca.limiter.recordValidation(account, { name, isValid: problem === undefined });
  // It may have been deactivated, or decided by another challenge, meanwhile.
  if (authorization.status === 'pending') {
    authorization.status = problem ? 'invalid' : 'valid';
    const lifetimeMs = ca.settings.profiles[authorization.profile]?.authorizationMs ?? 0;
    if (!problem) authorization.expires = new Date(now.getTime() + lifetimeMs);
  }
  ca.emit('validation', { name, type, ...(problem ? { problem: problem.message } : {}) });
}
