/** What stands for a secret in a configuration that is shown. */

/** What stands for a secret where secrets are not shown, and what keeps the stored one when it is sent back. */
export const REDACTED = '<redacted>';
