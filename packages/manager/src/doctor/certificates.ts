/** Examines the managed certificates, as far as bus and configuration show. */
import {
  claimantOf,
  dutyOf,
  type Failure,
  type LostNames,
  type ManagedCertificate,
  NEVER,
  nextActionAt,
} from '@certbus/events';
import type { Configuration } from '../configuration/configuration.ts';
import { holdOf, isEnding } from '../decide/put-off.ts';
import { isQuarantined } from '../decide/quarantine.ts';
import { dnsSettingsFor } from '../issuance/solvers.ts';
import type { ManagerState } from '../state/state.ts';
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

/** How a certificate stands that has ended, or is urgent although its renewal is wanted; `undefined` for any other. */
function endOf(certificate: ManagedCertificate, now: Date): string | undefined {
  const { current, revoked } = certificate;
  if (!current) return undefined;
  if (Date.parse(current.notAfter) <= now.getTime()) return `it ended ${current.notAfter}`;
  const duty = dutyOf(certificate);
  if (!duty || duty.wantedAt > now || !isEnding(certificate, now)) return undefined;
  return revoked ? 'the CA revoked it' : `it ends ${current.notAfter}`;
}

/** Why a certificate that has failed does, and when it is tried again. */
function examineFailure(certificate: ManagedCertificate, failure: Failure, now: Date): Finding {
  const { certificateId, names } = certificate;
  const { warning, failed } = findingsOn('renewal', `${certificateId} (${names.join(', ')})`);
  const { detail, problem } = failure.own ?? failure;
  const said = `it fails since ${failure.since}: ${detail || problem}`;
  if (failure.notBefore === NEVER)
    return failed(`${said}. It was given up`, `Prove the names again, then "certbus cert renew ${certificateId}".`);
  const find = endOf(certificate, now) === undefined ? warning : failed;
  const again = nextActionAt(certificate, now)?.toISOString() ?? failure.notBefore;
  return find(said, `It is tried again from ${again}; "certbus cert renew ${certificateId}" tries it now.`);
}

/** Why a certificate is left alone whose names were found lost, and when it is looked at again. */
function examineLoss(certificate: ManagedCertificate, { since, detail, notBefore }: LostNames, now: Date): Finding {
  const { certificateId, names } = certificate;
  const { warning, failed } = findingsOn('renewal', `${certificateId} (${names.join(', ')})`);
  const end = endOf(certificate, now);
  const again = nextActionAt(certificate, now)?.toISOString() ?? notBefore;
  const isProved = isQuarantined(certificate);
  const why = isProved
    ? `it is not renewed: DNS has shown since ${since} that names left your control: ${detail}`
    : `its renewal waits: one look at DNS found names lost (${detail}), and a second one decides`;
  const said = `${end === undefined ? '' : `${end}, and `}${why}`;
  const remedy = isProved ? ` If the names are not yours any more: "certbus cert rm ${certificateId}".` : '';
  const advice = `It is looked at again from ${again}; "certbus cert renew ${certificateId}" tries it now.${remedy}`;
  return end === undefined ? warning(said, advice) : failed(said, advice);
}

/** A certificate that begins ahead of this machine's clock. */
function examineBeginning({ certificateId, names, current }: ManagedCertificate, now: Date): Finding | undefined {
  if (!current || Date.parse(current.notBefore) <= now.getTime()) return undefined;
  return findingsOn('renewal', `${certificateId} (${names.join(', ')})`).warning(
    `it begins ${current.notBefore}, which is in the future here, and is not served before that`,
    "Compare this machine's clock with the CA's.",
  );
}

/** A claim whose process has ended, or that is past its end: what it began waits for a command. */
function examineClaim(certificate: ManagedCertificate, { hasEnded }: Look, now: Date): Finding | undefined {
  const { certificateId, names, issuance } = certificate;
  if (issuance?.holder === undefined) return undefined;
  const isOver = Date.parse(issuance.until) <= now.getTime();
  if (!isOver && !hasEnded(issuance.holder)) return undefined;
  const why = isOver ? `whose claim ended ${issuance.until}` : `whose process has ended`;
  return findingsOn('renewal', `${certificateId} (${names.join(', ')})`).warning(
    `it was left open by ${issuance.holder}, ${why}`,
    '"certbus cert renewable --renew-all" completes it.',
  );
}

/** What certificates are looked at with. */
interface Look {
  readonly config: Configuration | undefined;
  readonly hasEnded: (holder: string) => boolean;
}

function examine(certificate: ManagedCertificate, look: Look, now: Date): Finding | undefined {
  const { certificateId, names, failure, lost } = certificate;
  const { failed } = findingsOn('renewal', `${certificateId} (${names.join(', ')})`);
  const why = look.config && obstacle(certificate, look.config);
  if (why) return failed(why, 'Add it with "certbus conf update".');
  const end = endOf(certificate, now);
  const hold = holdOf(certificate, now);
  if (end && hold?.kind === 'claimed' && claimantOf(certificate, now) !== undefined)
    return failed(
      `${end}, and ${hold.holder} claims it until ${hold.until.toISOString()}`,
      `Another manager takes it over after the claim's end; "certbus cert renew ${certificateId} --take-over" does it now.`,
    );
  if (lost && look.config?.quarantine !== false) return examineLoss(certificate, lost, now);
  if (failure) return examineFailure(certificate, failure, now);
  if (end) return failed(end, `"certbus cert renew ${certificateId}" renews it now.`);
  return examineClaim(certificate, look, now) ?? examineBeginning(certificate, now);
}

/** Which certificates fail, or will fail at their next renewal, as far as the bus and, where it is known, the configuration show. */
export function examineCertificates(
  state: Pick<ManagerState, 'all'>,
  { now, ...look }: Look & { readonly now: Date },
): readonly Finding[] {
  const found: Finding[] = [];
  let managed = 0;
  let failing = 0;
  for (const certificate of state.all()) {
    managed += 1;
    const finding = examine(certificate, look, now);
    if (!finding) continue;
    failing += 1;
    if (found.length < SHOWN) found.push(finding);
  }
  const { good, failed } = findingsOn('renewal', 'all');
  if (failing === 0) return [good(managed === 0 ? 'nothing is managed yet' : `${managed} managed, none fails`)];
  const unnamed = failing - found.length;
  return unnamed === 0
    ? found
    : [
        ...found,
        failed(
          `${unnamed} more of ${managed} ${unnamed === 1 ? 'fails' : 'fail'} as well`,
          '"certbus cert renewable" lists what is due.',
        ),
      ];
}
