/** Records the outcome of a validation where challenge, authorization and order show it. */
import type { Ca, PendingValidation } from '../ca.ts';
import type { ProblemDocument } from '../problem-document.ts';
import { subjectOf } from './subject.ts';

/** Records that a challenge was met, or the problem because of which it was not, or not yet (RFC 8555 §7.1.6, §8.2). */
export function recordOutcome(ca: Ca, validation: PendingValidation, problem: ProblemDocument | undefined): void {
  const { account, authorization, challenge } = validation;
  const subject = subjectOf(validation);
  const now = ca.clock.now();
  const { failedStatus } = ca.settings.validation;
  challenge.isChecked = false;
  challenge.status = problem ? failedStatus : 'valid';
  if (problem) challenge.error = problem;
  else {
    challenge.validatedAt = now;
    delete challenge.error;
  }
  ca.limiter.recordValidation(account, { name: subject.name, isValid: problem === undefined });
  // It may have been deactivated, or decided by another challenge, meanwhile.
  if (authorization.status === 'pending' && (!problem || failedStatus === 'invalid')) {
    authorization.status = problem ? 'invalid' : 'valid';
    const lifetimeMs = ca.settings.profiles[authorization.profile]?.authorizationMs ?? 0;
    if (!problem) authorization.expires = new Date(now.getTime() + lifetimeMs);
  }
  ca.emit('validation', { ...subject, ...(problem ? { problem: problem.message } : {}) });
}
