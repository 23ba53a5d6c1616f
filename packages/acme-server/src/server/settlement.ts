import type { Ca, ValidationJob } from './ca.ts';
import type { ProblemDocument } from './problem-document.ts';

/** Writes the outcome of a validation where authorization and order look for it (RFC 8555 §7.1.6). */
export function settle(ca: Ca, job: ValidationJob, problem: ProblemDocument | undefined): void {
  const { account, authorization, challenge } = job;
  const { type } = challenge;
  const name = `${authorization.isWildcard ? '*.' : ''}${authorization.identifier.value}`;
  const now = ca.clock.now();
  challenge.status = problem ? 'invalid' : 'valid';
  if (problem) challenge.error = problem;
  else challenge.validatedAt = now;
  ca.limiter.recordValidation(account, name, problem === undefined);
  // It may have been deactivated, or decided by another challenge, meanwhile.
  if (authorization.status === 'pending') {
    authorization.status = problem ? 'invalid' : 'valid';
    const lifetimeMs = ca.settings.profiles[authorization.profile]?.authorizationMs ?? 0;
    if (!problem) authorization.expires = new Date(now.getTime() + lifetimeMs);
  }
  ca.emit('validation', { name, type, ...(problem ? { problem: problem.message } : {}) });
}
