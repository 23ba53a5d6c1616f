/** What an examination finds. */
/** What was looked at. */
export type Check =
  | 'config'
  | 'files'
  | 'key'
  | 'proxy'
  | 'secrets'
  | 'bus'
  | 'renewal'
  | 'directory'
  | 'clock'
  | 'account'
  | 'caa'
  | 'dns';

/** What a look at one thing found. */
export interface Finding {
  readonly check: Check;
  /** Which bus, certificate, authority or domain. */
  readonly subject: string;
  /** `warning`: it works, and somebody should look at it. */
  readonly status: 'good' | 'warning' | 'failed';
  readonly detail: string;
  /** What to do; with whatever is not good. */
  readonly advice?: string;
}

type Find = (detail: string, advice?: string) => Finding;

/** Makes findings about one thing. */
export function findingsOn(check: Check, subject: string): Readonly<Record<Finding['status'], Find>> {
  const find =
    (status: Finding['status']): Find =>
    (detail, advice) => ({ check, subject, status, detail, ...(advice ? { advice } : {}) });
  return { good: find('good'), warning: find('warning'), failed: find('failed') };
}

/** The message of an error, for a finding. */
export const reasonFor = (error: unknown): string => (error instanceof Error ? error.message : String(error));
