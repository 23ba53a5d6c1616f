/** What a manager does with the certificates of its bus. */
import type { ManagedCertificate } from '@certbus/events';
import { withConfiguration } from '../configuration/stored-configuration.ts';
import { type Context, decide } from '../context.ts';
import { dueBy } from '../decide/due.ts';
import { type PutOff, putOff } from '../decide/put-off.ts';
import { remove } from '../decide/removal.ts';
import type { RevocableCertificate } from '../decide/revocation.ts';
import { certificateNotFound } from '../errors.ts';
import { type IssueRequest, type IssueResult, issue, type RunOptions, renew } from '../issuance/issue.ts';
import {
  type ImportCandidate,
  type ImportOptions,
  type ImportOutcome,
  importCertificates,
} from '../upkeep/importing/import-certificates.ts';
import {
  findRevocable,
  type MassRevocationRequest,
  type MassRevocationTerms,
  type RevocationOutcome,
  revokeReplaced,
} from './mass-revocation.ts';
import type { RunResult } from './outcome.ts';
import {
  type RevocationRequest,
  type RevocationResult,
  type RevocationSubject,
  revocationSubject,
  revokeCertificate,
} from './revocation.ts';
import { type RunDependencies, type RunOnceOptions, runOnce } from './run-once.ts';

/** A manager's operations on certificates. */
export interface CertificateOperations {
  /** A managed certificate. Throws `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, also for a removed one. */
  certificate(certificateId: string): ManagedCertificate;
  /** DER of what a certificate is served with, leaf first; empty before it is issued. Throws as {@link CertificateOperations.certificate}. */
  chain(certificateId: string): readonly Uint8Array[];
  issue(request: IssueRequest, options: RunOptions): Promise<IssueResult>;
  /**
   * Renews a certificate, due or not; with `authority`, the name of a CA in the configuration, it moves there, once what is open elsewhere is
   * completed. Rejects as {@link CertificateOperations.issue}, and `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`.
   */
  renew(certificateId: string, options: RunOptions & { readonly authority?: string | undefined }): Promise<IssueResult>;
  /** What {@link CertificateOperations.revoke} would revoke and replace, by the bus as it was last read. Rejects `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
  revocationSubject(
    request: Pick<RevocationRequest, 'certificateId' | 'serialNumber'>,
    options: { readonly signal: AbortSignal },
  ): Promise<RevocationSubject>;
  /** Replaces what serves a leaf, and revokes it. Rejects as {@link CertificateOperations.renew}. */
  revoke(request: RevocationRequest, options: RunOptions): Promise<RevocationResult>;
  /**
   * What a predicate fits and has not ended, and which of it can be revoked now, since what replaced it was served for a while. Rejects
   * `CERTBUS_MANAGER_CONFIG_MISSING`, `CERTBUS_MANAGER_CONFIG_INVALID` for an authority that is not there,
   * `CERTBUS_MANAGER_RECIPIENT_NOT_FOUND` and `CERTBUS_MANAGER_MANAGER_NOT_FOUND`.
   */
  revocable(
    request: MassRevocationRequest,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly RevocableCertificate[]>;
  /** Revokes what {@link CertificateOperations.revocable} finds to be ready, with an outcome for each that was found. Rejects as that does. */
  revokeReplaced(
    request: MassRevocationRequest,
    options: MassRevocationTerms & {
      readonly signal: AbortSignal;
      readonly onOutcome?: (outcome: RevocationOutcome) => void;
    },
  ): Promise<readonly RevocationOutcome[]>;
  /** Removes a certificate: it is served and renewed no more. Rejects `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, and with the signal's reason. */
  remove(
    certificateId: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ names: readonly string[] }>;
  /** Brings certificates from elsewhere onto the bus, with their private keys. Rejects as {@link importCertificates}. */
  importCertificates(candidates: readonly ImportCandidate[], options: ImportOptions): Promise<readonly ImportOutcome[]>;
  /** What a manager should act on by `at`; default now. */
  due(at?: Date): readonly ManagedCertificate[];
  /** What is wanted by now, and not acted on since another manager claims it or a back-off lasts. */
  putOff(): readonly PutOff[];
  /**
   * Does all that is to be done now, once: from cron, a daemon, or a function in the cloud. Asks the CAs when to renew (RFC 9773), renews what
   * is due, writes a heartbeat, and checks in. At the deadline it resolves, by the signal it rejects, both with all claims released. Rejects as
   * {@link runOnce}.
   */
  runOnce(options?: RunOnceOptions): Promise<RunResult>;
}

function find({ view }: Context, certificateId: string): ManagedCertificate {
  const found = view.state.certificate(certificateId);
  if (!found || found.removed) throw certificateNotFound(certificateId);
  return found;
}

function chainOf(context: Context, certificateId: string): readonly Uint8Array[] {
  const { current } = find(context, certificateId);
  if (!current) return [];
  const { state } = context.view;
  const issuers = current.issuers.map((hash) => state.issuer(hash)).filter((der) => der !== undefined);
  return [Buffer.from(current.leaf, 'base64'), ...issuers];
}

/** The operations of one manager. */
export function certificateOperations(context: Context, dependencies: RunDependencies): CertificateOperations {
  const { view, now } = context;
  return {
    certificate: (certificateId) => find(context, certificateId),
    chain: (certificateId) => chainOf(context, certificateId),
    issue: async (request, options) => issue(context, request, await withConfiguration(context, options)),
    renew: async (certificateId, options) => renew(context, certificateId, await withConfiguration(context, options)),
    revocationSubject: (request, options) => revocationSubject(context, request, options),
    revoke: async (request, options) => revokeCertificate(context, request, await withConfiguration(context, options)),
    revocable: async (request, { signal }) =>
      findRevocable(context, (await withConfiguration(context, { signal })).config, request),
    revokeReplaced: async (request, options) =>
      revokeReplaced(context, (await withConfiguration(context, options)).config, { ...options, request }),
    remove: (certificateId, { signal } = {}) => decide(context, (state) => remove(state, certificateId), { signal }),
    importCertificates: async (candidates, options) =>
      importCertificates(context, candidates, await withConfiguration(context, options)),
    due: (at = now()) => [...dueBy(view.state, { at, now: now() })],
    putOff: () => [...putOff(view.state, now())],
    runOnce: (options) => runOnce(context, dependencies, options),
  };
}
