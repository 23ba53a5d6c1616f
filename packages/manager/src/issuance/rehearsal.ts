/** Tries an order at a staging CA before the CA proper counts another failure. */
import { AcmeError, AcmeProblemError, obtain, type Solver } from '@certbus/acme';
import type { Issuance } from '@certbus/events';
import { openAccount } from '../accounts/open-account.ts';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { createCsrWithKey } from './csr.ts';

/** What is to be rehearsed. */
export interface Rehearsal {
  readonly config: Configuration;
  /** The CA proper, which names its staging. */
  readonly authority: CertificateAuthority;
  readonly issuance: Issuance;
  readonly solver: Solver;
  readonly signal: AbortSignal;
}

/** Codes of failures that the CA proper would have met as well: the names could not be proved. */
const OF_THE_NAMES = new Set([
  'CERTBUS_ACME_CHALLENGE_FAILED',
  'CERTBUS_ACME_SOLVER_FAILED',
  'CERTBUS_ACME_ZONE_NOT_FOUND',
]);

/** Whether a failure at the staging CA predicts one of the order to come. CAA records can name the account at the CA proper. */
function isTelling(error: unknown): boolean {
  if (!(error instanceof AcmeError) || !OF_THE_NAMES.has(error.code)) return false;
  return !(error instanceof AcmeProblemError && error.problem.type.endsWith(':caa'));
}

/**
 * Makes an order at the staging CA with a key that is not kept. What fails there because the names cannot be proved would have failed
 * at the CA proper, which counts failures and in the end pauses the name; so it fails here, and rejects as `obtain` does. Any other
 * failure of the staging CA is its own, and holds nothing up.
 */
export async function rehearse(context: Context, rehearsal: Rehearsal): Promise<void> {
  const { config, authority, issuance, signal } = rehearsal;
  const staging = config.authorities[authority.staging ?? ''];
  const { names, challengeType } = issuance;
  // Its names of records belong to the account at the CA proper, and may lead nowhere for another.
  if (!staging || challengeType === 'dns-account-01') return;
  const { directory } = staging;
  context.logger.info('trying an order at the staging CA first', { names, directory });
  try {
    await tryAt(context, staging, rehearsal);
  } catch (error) {
    signal.throwIfAborted();
    if (isTelling(error)) throw error;
    context.logger.warn('the staging CA could not be tried', { names, directory, why: String(error) });
  }
}

async function tryAt(
  context: Context,
  staging: CertificateAuthority,
  { config, issuance, solver, signal }: Rehearsal,
): Promise<void> {
  const { names, challengeType } = issuance;
  const ca = await openAccount(context, staging, { config, signal });
  const { csr } = await createCsrWithKey(issuance, context.view.state.bus, staging);
  const order = { names, csr: Buffer.from(csr, 'base64'), challenge: challengeType, solver };
  await obtain(ca, { ...order, onOrder: async () => {}, signal });
}
