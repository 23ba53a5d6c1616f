/** What a test puts in place of the CA's own renewal information. */
export interface RenewalScript {
  /** Bodies by name of the certificate, as they are to be sent: any value as JSON, a string as it is. */
  readonly overrides: Map<string, unknown>;
  /** While set, every certificate that it concerns is to be renewed at once. */
  incident: Incident | undefined;
}

/** An event for which certificates must be renewed at once. */
export interface Incident {
  /** A page that says why. */
  readonly explanationUrl?: string;
  /** Names of the certificates (RFC 9773 §4.1). Default all. */
  readonly certificateIds?: readonly string[];
}
