import { type CaaResolver, caaRecordsFor, checkCaa, readDirectory } from '@certbus/acme';
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

/**
 * Whether a domain's CAA records let a CA issue to the bus's account by challenges of these types (RFC 8659, RFC 8657), for names and for
 * wildcards; where they bind nobody, the record that would.
 */
export async function examineCaa(context: Context, look: CaaLook): Promise<readonly Finding[]> {
  const { named, domain, challengeTypes, resolver, signal } = look;
  const { name, authority } = named;
  const { good, warning, failed } = findingsOn('caa', `${domain} at ${name}`);
  try {
    const ca = await connectToRead(context, authority);
    const { caaIdentities: issuers } = await readDirectory(ca, { signal });
    const [issuer] = issuers;
    if (issuer === undefined) return [good('the CA says no name of its own for CAA records')];
    const accountUrl = accountAt(context.view.state.bus, authority.directory)?.accountUrl;
    const ask = async (subject: string, types: readonly string[]) => {
      const question = { issuers, accountUrl, resolver, signal };
      const verdicts = types.map((challengeType) => checkCaa(subject, { ...question, challengeType }));
      const all = await Promise.all(verdicts);
      return all.find(({ verdict }) => verdict !== 'allowed') ?? all[0];
    };
    const [record = ''] = caaRecordsFor([domain], {
      issuer,
      ...(accountUrl ? { accountUrl } : {}),
      challengeTypes,
    });
    const verdict = await ask(domain, challengeTypes);
    // Name servers of one's own, in a resolver's place, refuse to tell of domains that are not theirs.
    if (verdict?.verdict === 'unknown' && verdict.at !== bare(domain))
      return [warning(verdict.why, 'A CA asks there, too: try "--resolver" with one that answers for every domain.')];
    if (verdict?.verdict === 'unknown') return [failed(verdict.why, 'A CA refuses as well until DNS answers.')];
    if (verdict?.verdict === 'forbidden') return [failed(verdict.why, `Add: ${record}`)];
    if (verdict?.at === undefined) return [good(`any CA may issue; this would bind it to this account: ${record}`)];
    const wild = await ask(
      `*.${domain}`,
      challengeTypes.filter((type) => type.startsWith('dns-')),
    );
    const said = good(`the records of ${verdict.at} allow it`);
    return wild === undefined || wild.verdict === 'allowed'
      ? [said]
      : [said, warning(`no wildcards: ${wild.why}`, 'Add an issuewild record, if there are any.')];
  } catch (error) {
    signal.throwIfAborted();
    return [failed(reasonFor(error), 'The CA cannot be asked for its name in CAA records.')];
  }
}
