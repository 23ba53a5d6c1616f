/** Examines the CAA records of a domain. */
import { type CaaResolver, type CaaVerdict, caaRecordsFor, checkCaa, readDirectory } from '@certbus/acme';
import { connectToRead } from '../accounts/connect.ts';
import type { Context } from '../context.ts';
import { bare } from '../issuance/solvers.ts';
import { accountAt } from '../state/accounts.ts';
import type { NamedAuthority } from './certificate-authority.ts';
import { type Finding, findingsOn, reasonFor } from './finding.ts';

/** What a look at CAA needs. */
export interface CaaLook {
  readonly named: NamedAuthority;
  readonly domain: string;
  /** How the domain's names are proved, at least one. */
  readonly challengeTypes: readonly string[];
  readonly resolver: CaaResolver;
  readonly signal: AbortSignal;
}

/** How a CA and its account are named in CAA records. */
interface Issuer {
  readonly issuers: readonly string[];
  readonly accountUrl: string | undefined;
}

/** The least favourable verdict of all challenge types; `undefined` where there is none. */
async function leastVerdict(
  subject: string,
  challengeTypes: readonly string[],
  question: Issuer & Pick<CaaLook, 'resolver' | 'signal'>,
): Promise<CaaVerdict | undefined> {
  const verdicts = await Promise.all(
    challengeTypes.map((challengeType) => checkCaa(subject, { ...question, challengeType })),
  );
  return verdicts.find(({ verdict }) => verdict !== 'allowed') ?? verdicts[0];
}

/** What the verdict on a domain itself comes to; `undefined` where its records name the CA, so that wildcards are looked at as well. */
function findingOf(
  verdict: CaaVerdict | undefined,
  {
    domain,
    record,
    on,
  }: { readonly domain: string; readonly record: string; readonly on: ReturnType<typeof findingsOn> },
): Finding | undefined {
  // Name servers of one's own, asked in place of a resolver, refuse to answer for domains that are not theirs.
  if (verdict?.verdict === 'unknown' && verdict.at !== bare(domain))
    return on.warning(verdict.why, 'A CA asks there, too: try "--resolver" with one that answers for every domain.');
  if (verdict?.verdict === 'unknown') return on.failed(verdict.why, 'A CA refuses as well until DNS answers.');
  if (verdict?.verdict === 'forbidden') return on.failed(verdict.why, `Add: ${record}`);
  if (verdict?.at === undefined) return on.good(`any CA may issue; this would bind it to this account: ${record}`);
  return undefined;
}

async function examineRecords(look: CaaLook, { issuers, accountUrl }: Issuer): Promise<readonly Finding[]> {
  const { named, domain, challengeTypes } = look;
  const on = findingsOn('caa', `${domain} at ${named.name}`);
  const [issuer] = issuers;
  if (issuer === undefined) return [on.good('the directory of the CA has no name for CAA records')];
  const [record = ''] = caaRecordsFor([domain], { issuer, ...(accountUrl ? { accountUrl } : {}), challengeTypes });
  const question = { issuers, accountUrl, resolver: look.resolver, signal: look.signal };
  const verdict = await leastVerdict(domain, challengeTypes, question);
  const finding = findingOf(verdict, { domain, record, on });
  if (finding) return [finding];
  const allowed = on.good(`the records of ${verdict?.at} allow it`);
  const forWildcards = challengeTypes.filter((type) => type.startsWith('dns-'));
  const wild = await leastVerdict(`*.${domain}`, forWildcards, question);
  return wild === undefined || wild.verdict === 'allowed'
    ? [allowed]
    : [allowed, on.warning(`no wildcards: ${wild.why}`, 'Add an issuewild record, if there are any.')];
}

/**
 * Whether a domain's CAA records let a CA issue to the bus's account by challenges of these types (RFC 8659, RFC 8657), for names and for
 * wildcards; where they bind nobody, the record that would.
 */
export async function examineCaa(context: Context, look: CaaLook): Promise<readonly Finding[]> {
  const { named, domain, signal } = look;
  try {
    const ca = await connectToRead(context, named.authority);
    const { caaIdentities: issuers } = await readDirectory(ca, { signal });
    const accountUrl = accountAt(context.view.state.bus, named.authority.directory)?.accountUrl;
    return await examineRecords(look, { issuers, accountUrl });
  } catch (error) {
    signal.throwIfAborted();
    const { failed } = findingsOn('caa', `${domain} at ${named.name}`);
    return [failed(reasonFor(error), 'The CA cannot be asked for its name in CAA records.')];
  }
}
