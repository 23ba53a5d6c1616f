/** Examines a CA of the configuration: its directory, its clock, and the account there. */
import { type Acme, type DirectorySummary, findAccountKey, readAccount, readClock, readDirectory } from '@certbus/acme';
import type { Account } from '@certbus/events/history';
import { openAccountKey } from '../accounts/account-key.ts';
import { connectAs, connectToRead } from '../accounts/connect.ts';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { accountAt, isClosedAt, nextKeyAt, replacedAt } from '../state/accounts.ts';
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
  const renewal = summary.renewalInfo ? 'recommends when to renew (RFC 9773)' : 'does not recommend when to renew';
  const findings = [good(`${authority.directory} answers, ${renewal}; profiles: ${profiles}`)];
  if (summary.externalAccountRequired && !authority.eab)
    findings.push(
      failed(
        'it wants the account bound to one of its own',
        `Set "eab" of "${name}" with what the CA's web page gave you.`,
      ),
    );
  if (!summary.keyChange)
    findings.push(
      warning(
        'it cannot change account keys: its directory has no keyChange',
        '"certbus account rollover --replace" registers another account there instead, and deactivates the one before.',
      ),
    );
  if (!summary.renewalInfo)
    findings.push(
      warning(
        'it has no renewal information (RFC 9773), so a mass revocation there goes unnoticed',
        'Renewals go by the lifetime alone.',
      ),
    );
  return findings;
}

async function examineClock(name: string, now: Date, ca: Acme, signal: AbortSignal): Promise<Finding> {
  const { good, warning, failed } = findingsOn('clock', name);
  const there = await readClock(ca, { signal });
  if (!there) return warning('the answers of the CA have no date', 'Compare it by hand.');
  const skew = now.getTime() - there.getTime();
  const seconds = Math.round(Math.abs(skew) / 1000);
  if (Math.abs(skew) <= SKEW_MS) return good(`within ${seconds} s of the CA's`);
  const way = skew > 0 ? 'ahead of' : 'behind';
  return failed(`${seconds} s ${way} the CA's`, 'Set this machine by NTP; claims and renewals go by its clock.');
}

const COMPLETES = 'The next order there completes it, or "certbus account rollover".';

/** What is under way with the account: a roll-over, of which the CA is asked how far it came, and accounts that were replaced. */
async function examineUnfinished(
  context: Context,
  { name, authority }: NamedAuthority,
  { ca, account, signal }: { readonly ca: Acme; readonly account: Account; readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  const { warning } = findingsOn('account', name);
  const { bus } = context.view.state;
  const findings = replacedAt(bus, authority.directory).map(({ accountUrl }) =>
    warning(`${accountUrl}, which ${account.accountUrl} replaced, is not deactivated yet`, COMPLETES),
  );
  const next = nextKeyAt(bus, authority.directory);
  if (!next) return findings;
  const found = await findAccountKey(ca, { accountKeys: [await openAccountKey(context, next)], signal });
  const there = found?.url === account.accountUrl ? 'the new key already' : 'the old key still';
  const detail =
    found && found.url !== account.accountUrl ? `${found.url} was registered in its place` : `the CA has ${there}`;
  return [...findings, warning(`a roll-over of ${account.accountUrl} was interrupted; ${detail}`, COMPLETES)];
}

async function examineAccount(
  context: Context,
  named: NamedAuthority,
  signal: AbortSignal,
): Promise<Finding | readonly Finding[]> {
  const { name, authority } = named;
  const { good, warning, failed } = findingsOn('account', name);
  const account = accountAt(context.view.state.bus, authority.directory);
  if (isClosedAt(context.view.state.bus, authority.directory))
    return failed(
      'it was deactivated',
      `"certbus account register ${name}" makes another, or take the CA out of the configuration.`,
    );
  if (!account)
    return warning('there is none yet', `The first certificate registers it, or "certbus account register ${name}".`);
  const replace = `If the account is lost, "certbus account deactivate ${name} --forget" and "certbus account register ${name}" make another.`;
  try {
    const ca = await connectAs(context, authority, account);
    const unfinished = await examineUnfinished(context, named, { ca, account, signal });
    // With an interrupted roll-over the account may not be this key's any more.
    if (nextKeyAt(context.view.state.bus, authority.directory)) return unfinished;
    const { status, url } = await readAccount(ca, { signal });
    return [status === 'valid' ? good(url) : failed(`${url} is ${status}`, replace), ...unfinished];
  } catch (error) {
    signal.throwIfAborted();
    return failed(reasonFor(error), replace);
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
      examineDirectory(name, authority, summary),
      await examineClock(name, context.now(), ca, signal),
      await examineAccount(context, named, signal),
    ].flat();
  } catch (error) {
    signal.throwIfAborted();
    return [failed(reasonFor(error), 'Check the address, the network, and a proxy between.')];
  }
}
