/** Examines a CA of the configuration: its directory, its clock, and the account there. */
import { type Acme, type DirectorySummary, readAccount, readClock, readDirectory } from '@certbus/acme';
import { connectAs, connectToRead } from '../accounts/connect.ts';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { accountAt, isClosedAt } from '../state/accounts.ts';
import { type Finding, findingsOn, reasonFor } from './finding.ts';

/** A CA of the configuration. */
export interface NamedAuthority {
  readonly name: string;
  readonly authority: CertificateAuthority;
}

/** Longer than this, and what a CA issues can be in the future here. */
const SKEW_MS = 60_000;

function examineDirectory(
  name: string,
  authority: CertificateAuthority,
  summary: DirectorySummary,
): readonly Finding[] {
  const { good, failed, warning } = findingsOn('directory', name);
  const profiles = Object.keys(summary.profiles).join(', ') || 'none';
  const renewal = summary.renewalInfo ? 'says when to renew (RFC 9773)' : 'does not say when to renew';
  const findings = [good(`${authority.directory} answers, ${renewal}; profiles: ${profiles}`)];
  if (summary.externalAccountRequired && !authority.eab)
    findings.push(
      failed(
        'it wants the account bound to one of its own',
        `Set "eab" of "${name}" with what the CA's web page gave you.`,
      ),
    );
  if (!summary.renewalInfo)
    findings.push(warning('a mass revocation there would not be heard of', 'Renewals go by the lifetime alone.'));
  return findings;
}

async function examineClock(name: string, now: Date, ca: Acme, signal: AbortSignal): Promise<Finding> {
  const { good, warning, failed } = findingsOn('clock', name);
  const there = await readClock(ca, { signal });
  if (!there) return warning('the CA does not say what time it is', 'Compare it by hand.');
  const skew = now.getTime() - there.getTime();
  const seconds = Math.round(Math.abs(skew) / 1000);
  if (Math.abs(skew) <= SKEW_MS) return good(`within ${seconds} s of the CA's`);
  const way = skew > 0 ? 'ahead of' : 'behind';
  return failed(`${seconds} s ${way} the CA's`, 'Set this machine by NTP; claims and renewals go by its clock.');
}

async function examineAccount(
  context: Context,
  { name, authority }: NamedAuthority,
  signal: AbortSignal,
): Promise<Finding> {
  const { good, warning, failed } = findingsOn('account', name);
  const account = accountAt(context.view.state.bus, authority.directory);
  if (isClosedAt(context.view.state.bus, authority.directory))
    return failed(
      'it was deactivated',
      `"certbus account register ${name}" makes another, or take the CA out of the configuration.`,
    );
  if (!account)
    return warning('there is none yet', `The first certificate registers it, or "certbus account register ${name}".`);
  try {
    const ca = await connectAs(context, authority, account);
    const { status, url } = await readAccount(ca, { signal });
    if (status === 'valid') return good(url);
    return failed(`${url} is ${status}`, '"certbus account rollover", then "certbus account register".');
  } catch (error) {
    signal.throwIfAborted();
    return failed(
      reasonFor(error),
      'Is the key on the bus still that account\'s? "certbus account rollover" completes a roll-over.',
    );
  }
}

/** Whether a CA answers, what it offers, whether its clock is ours, and whether the bus's account is good there. */
export async function examineCertificateAuthority(
  context: Context,
  named: NamedAuthority,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { name, authority } = named;
  const { failed } = findingsOn('directory', name);
  try {
    const ca: Acme = await connectToRead(context, authority);
    const summary = await readDirectory(ca, { signal });
    return [
      ...examineDirectory(name, authority, summary),
      await examineClock(name, context.now(), ca, signal),
      await examineAccount(context, named, signal),
    ];
  } catch (error) {
    signal.throwIfAborted();
    return [failed(reasonFor(error), 'Check the address, the network, and a proxy between.')];
  }
}
