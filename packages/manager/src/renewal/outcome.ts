/** What a run of renewals says of each certificate. */

/** What became of one due certificate. */
export interface RenewalOutcome {
  readonly certificateId: string;
  readonly names: readonly string[];
  /**
   * `claimed-elsewhere`: another manager claims it. `no-longer-due`: another one was at work on it, or it was put off or removed, before
   * its turn came. `postponed`: not tried, since its CA or the account there failed for another certificate of this run, or since
   * the run had reached its limit. `backed-off`: not tried, since it failed before and waits.
   */
  readonly outcome: 'renewed' | 'claimed-elsewhere' | 'no-longer-due' | 'failed' | 'postponed' | 'backed-off';
  /** Whether it was not renewed although it has ended, was revoked, or has a sixth of its lifetime or less left. Default false. */
  readonly isEnding?: boolean;
  readonly serialNumber?: string | undefined;
  /** With `failed`, and with `postponed` that of the other certificate. */
  readonly error?: unknown;
  /** With `claimed-elsewhere`: who holds the claim. */
  readonly holder?: string | undefined;
  /** With `claimed-elsewhere` and `backed-off`: the end of the claim or of the back-off. */
  readonly until?: Date | undefined;
}
