/** Describes a failed issuance for the bus: its problem and its class. */
import { AcmeError, AcmeProblemError, DeadlineError, isOutage } from '@certbus/acme';
import type { FailureClass } from '@certbus/events';
import type { Configuration } from '../configuration/configuration.ts';
import type { FailureReason } from '../decide/issuance.ts';

/** Codes of failures that last until a person acts. */
const FOR_PEOPLE = new Set(['CERTBUS_ACME_RECORD_MISSING', 'CERTBUS_ACME_EAB_INVALID']);

/** Codes of names that cannot be proved here. */
const REFUSALS = new Set(['CERTBUS_ACME_ZONE_NOT_FOUND', 'CERTBUS_MANAGER_ZONE_NOT_CONFIGURED']);

function classOf(error: unknown, code: string): FailureClass {
  // Something else answers in the CA's place, which is not the fault of a certificate either.
  if (isOutage(error) || code === 'CERTBUS_ACME_NOT_ACME') return 'authority';
  if (FOR_PEOPLE.has(code)) return 'operator-action';
  // The CA offers no challenge of the type that was asked for.
  if (code === 'CERTBUS_ACME_NO_SOLVER') return 'permanent-request';
  return REFUSALS.has(code) ? 'permanent-name' : 'temporary';
}

/** What a person has to do for the account, such as agreeing to new terms, every order of it waits for. */
const OF_THE_ACCOUNT = /:(?:userActionRequired|externalAccountRequired)$/;

const classOfProblem = ({ problem: { type }, class: problemClass }: AcmeProblemError): FailureClass =>
  OF_THE_ACCOUNT.test(type) ? 'account' : problemClass;

/** The CA's words, with the page where a person can put it right. */
function detailOf({ problem: { detail }, page }: AcmeProblemError): string {
  return page === undefined || detail.includes(page) ? detail : `${detail.replace(/\.$/, '')}. See ${page}`;
}

const DAY_MS = 86_400_000;
const GIVE_UP_AFTER_DAYS = 30;

/** Whether an order was not even sent, since the CA cannot take it: an unknown profile, too many names. */
export const isUnsendable = (error: unknown, orderUrl: string | undefined): boolean =>
  orderUrl === undefined && error instanceof AcmeError && error.code === 'CERTBUS_ACME_ORDER_INVALID';

/** What is recorded of the failure of a certificate of the CA `directory` under a configuration. */
export function recordedReason(
  error: unknown,
  { giveUpAfterDays = GIVE_UP_AFTER_DAYS, authorities }: Configuration,
  directory: string | undefined,
): FailureReason {
  const own = Object.values(authorities).find((authority) => authority.directory === directory);
  const hasFallback = own?.fallback !== undefined;
  return { ...reasonOf(error), giveUpAfterMs: giveUpAfterDays * DAY_MS, hasFallback, isOutage: isOutage(error) };
}

/** Whether nothing was sent since the CA was found down before, or asked to be left alone. */
export const isRefusedByBreaker = (error: unknown): error is AcmeError =>
  error instanceof AcmeError && error.code === 'CERTBUS_ACME_BREAKER_OPEN';

/** What is recorded of a failure: the CA's words, or our own. Of a CA that was found down before: what was heard of it then. */
export function reasonOf(error: unknown): Omit<FailureReason, 'giveUpAfterMs' | 'hasFallback' | 'isOutage'> {
  if (isRefusedByBreaker(error) && error.cause instanceof AcmeError) return reasonOf(error.cause);
  if (error instanceof AcmeProblemError) {
    const { problem, notBefore, invalidNames } = error;
    return { problem: problem.type, class: classOfProblem(error), detail: detailOf(error), notBefore, invalidNames };
  }
  const isCoded = error instanceof Error && 'code' in error && typeof error.code === 'string';
  const problem = isCoded ? String(error.code) : 'CERTBUS_UNEXPECTED';
  const detail = error instanceof Error ? error.message : 'unknown';
  const { notBefore, invalidNames = [] } = error instanceof AcmeError ? error : {};
  const isLimit = error instanceof DeadlineError && error.isLimit;
  const failureClass = isLimit ? 'rate-limited' : classOf(error, problem);
  return { problem, class: failureClass, detail: detail.slice(0, 1000), notBefore, invalidNames };
}
