/** Checks e-mail addresses before a CA is told them. */
import { normalizeNames } from '@certbus/events';
import { CliError } from '../errors.ts';

function isDomain(text: string): boolean {
  try {
    const [name = ''] = normalizeNames([text]);
    return name.includes('.') && !name.startsWith('*.');
  } catch {
    return false;
  }
}

/** An e-mail address without spaces around it. Throws `CERTBUS_CLI_USAGE` where it is not one. */
export function parseEmail(text: string): string {
  const address = text.trim();
  const [, domain] = /^[^\s@<>()[\]",;:\\]{1,64}@([^\s@]{1,253})$/.exec(address) ?? [];
  if (domain !== undefined && isDomain(domain)) return address;
  throw new CliError('CERTBUS_CLI_USAGE', `"${address}" is not an e-mail address. Write one like ops@example.com.`);
}
