import type { Acme } from './acme.ts';
import { AcmeProblemError, shortType } from './problem.ts';

/** What registering an account takes. */
export interface RegistrationOptions {
  /** URLs such as `mailto:ops@example.com`. */
  readonly contact?: readonly string[];
  /** Whether the operator agreed to the CA's terms of service (see `readDirectory`). */
  readonly termsOfServiceAgreed: boolean;
  readonly signal: AbortSignal;
}

/** An account at a CA (RFC 8555 §7.1.2). */
export interface RegisteredAccount {
  readonly url: string;
  /** False where the key had an account already. */
  readonly created: boolean;
}

/**
 * Finds the account of `ca`'s key, and makes one only where there is none (RFC 8555 §7.3, §7.3.1), so that it can be repeated after
 * a lost answer. Rejects with an `AcmeProblemError`, of class `operator-action` where the CA wants terms agreed or an external
 * account bound, or as `readDirectory` does.
 */
export async function registerAccount(
  ca: Acme,
  { contact = [], termsOfServiceAgreed, signal }: RegistrationOptions,
): Promise<RegisteredAccount> {
  using session = await ca.open({ signal });
  try {
    const { url } = await session.createAccount({ onlyReturnExisting: true });
    return { url, created: false };
  } catch (error) {
    if (!(error instanceof AcmeProblemError) || shortType(error.problem.type) !== 'accountDoesNotExist') throw error;
  }
  const { url, status } = await session.createAccount({
    ...(contact.length > 0 ? { contact } : {}),
    ...(termsOfServiceAgreed ? { termsOfServiceAgreed } : {}),
  });
  return { url, created: status === 201 };
}
