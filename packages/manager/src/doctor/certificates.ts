/** Examines the managed certificates, as far as bus and configuration show. */
import { type ManagedCertificate, NEVER } from '@certbus/events';
import type { Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { dnsSettingsFor } from '../issuance/solvers.ts';
import { type Finding, findingsOn } from './finding.ts';

/** How many certificates that fail are named. */
const SHOWN = 10;

/** Why the next renewal of a certificate cannot succeed under this configuration; `undefined` where it can. */
function obstacle({ directory, challengeType, names }: ManagedCertificate, config: Configuration): string | undefined {
  if (directory === undefined) return undefined;
  if (!Object.values(config.authorities).some((authority) => authority.directory === directory))
    return `the configuration has no authority with the directory ${directory} any more`;
  if (challengeType !== 'dns-01' && challengeType !== 'dns-account-01') return undefined;
  const uncovered = names.find((name) => dnsSettingsFor(config, name) === undefined);
  return uncovered === undefined
    ? undefined
    : `no DNS settings cover ${uncovered}, which it proves by ${challengeType}`;
}

function examine(certificate: ManagedCertificate, config: Configuration, now: Date): Finding | undefined {
  const { certificateId, names, current, failure } = certificate;
  const { warning, failed } = findingsOn('renewal', `${certificateId} (${names.join(', ')})`);
  const why = obstacle(certificate, config);
  if (why) return failed(why, 'Add it with "certbus conf update".');
  const isOver = current !== undefined && Date.parse(current.notAfter) <= now.getTime();
  if (!failure) return isOver ? failed(`it ended ${current.notAfter}`, '"certbus cert renew" it.') : undefined;
  const { detail, problem } = failure.own ?? failure;
  const said = `it fails since ${failure.since}: ${detail || problem}`;
  if (failure.notBefore === NEVER)
    return failed(`${said}. It was given up`, `Prove the names again, then "certbus cert renew ${certificateId}".`);
  const find = isOver ? failed : warning;
  return find(said, `It is tried again from ${failure.notBefore}; "certbus cert renew ${certificateId}" tries it now.`);
}

/** Which certificates fail, or will fail at their next renewal, as far as the bus and the configuration show. */
export function examineCertificates({ view, now }: Context, config: Configuration): readonly Finding[] {
  const found: Finding[] = [];
  let managed = 0;
  let failing = 0;
  for (const certificate of view.state.all()) {
    managed += 1;
    const finding = examine(certificate, config, now());
    if (!finding) continue;
    failing += 1;
    if (found.length < SHOWN) found.push(finding);
  }
  const { good, failed } = findingsOn('renewal', 'all');
  if (failing === 0) return [good(managed === 0 ? 'nothing is managed yet' : `${managed} managed, none fails`)];
  const unnamed = failing - found.length;
  return unnamed === 0
    ? found
    : [...found, failed(`${unnamed} more of ${managed} fail as well`, '"certbus cert renewable" lists what is due.')];
}
