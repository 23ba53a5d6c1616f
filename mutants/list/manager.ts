/** Mutants of the manager: what it decides, what it seals, and what it shows. */
import type { Mutant } from '../mutant.ts';

const CSR = 'packages/manager/src/issuance/csr.ts';
const SECRETS = 'packages/manager/src/issuance/secrets.int.test.ts';
const CLAIM = 'packages/manager/src/decide/claim.ts';
const CLAIM_TEST = 'packages/manager/src/decide/claim.test.ts';
const CAMPAIGN_TEST = 'packages/manager/src/renewal/campaign/campaign.int.test.ts';
const REPLACEMENT_TEST = 'packages/manager/src/renewal/plan/replacement.test.ts';
const ARI = 'packages/manager/src/renewal/renewal-info.property.int.test.ts';
const MASS = 'packages/manager/src/renewal/mass-renewal.test.ts';
const REDACTION = 'packages/manager/src/configuration/redaction.ts';
const REDACTION_TEST = 'packages/manager/src/configuration/redaction.test.ts';
/** The end of what is made of a key, where a leak would be added. */
const CSR_END = 'sealedKey, recipientsPosition };';
const derOf = "key.export({ type: 'pkcs8', format: 'der' })";

const KEYS = 'packages/manager/src/upkeep/key-changes';
const KEYS_TEST = `${KEYS}/key-changes.test.ts`;

export const manager: readonly Mutant[] = [
  {
    fault: 'a rehearsal counts what is replaced twice',
    file: 'packages/manager/src/renewal/plan/replacement.ts',
    find: 'const others = [...duties, ...selected.map((each) => ({ ...each, certificates: -each.certificates }))];',
    replace: 'const others = duties;',
    noticedBy: [{ file: REPLACEMENT_TEST }],
  },
  {
    fault: 'a rehearsal ignores the orders that a CA takes',
    file: 'packages/manager/src/renewal/plan/plan.ts',
    find: '...(ofRenewals ? { orders: ofRenewals.rate.refillMs } : {}),',
    replace: '',
    noticedBy: [{ file: REPLACEMENT_TEST }],
  },
  {
    fault: 'a claim is thought to last from when its holder goes on, and not from when it was made',
    file: 'packages/manager/src/issuance/claim-keep-alive.ts',
    find: 'let until = Date.parse(issuanceOf(context.view.state, claim).until);',
    replace: 'let until = now().getTime() + claimMs;',
    noticedBy: [{ file: 'packages/manager/src/issuance/late-orders.int.test.ts', only: 'stands still' }],
  },
  {
    fault: 'a campaign keeps no pace but that of each run',
    file: CLAIM,
    find: 'const binding = paceLimit(state, now, campaignId) ?? (limits',
    replace: 'const binding = (paceLimit(state, now, undefined), limits',
    noticedBy: [{ file: CLAIM_TEST }],
  },
  {
    fault: 'a campaign goes on after its end',
    file: CLAIM,
    find: 'return pausedUntil <= now && openCampaigns(state).some((campaign) => campaign.campaignId === campaignId);',
    replace: 'return pausedUntil <= now && openCampaigns(state).length >= 0;',
    noticedBy: [{ file: CLAIM_TEST }],
  },
  {
    fault: 'a campaign replaces what was replaced since it began',
    file: 'packages/manager/src/renewal/campaign/members.ts',
    find: '  obtainedBefore: campaign.position,\n',
    replace: '',
    noticedBy: [{ file: CAMPAIGN_TEST }],
  },
  {
    fault: 'a certificate is revoked as soon as it was replaced',
    file: 'packages/manager/src/decide/revocation.ts',
    find: 'since + servedForMs <= now.getTime()',
    replace: 'since <= now.getTime()',
    noticedBy: [{ file: CAMPAIGN_TEST }, { file: 'packages/manager/src/decide/revocation.test.ts' }],
  },
  {
    fault: 'whom a key was sealed to is forgotten with its claim',
    file: 'packages/events/src/history/evolve.ts',
    find: 'const sealed = csr ? { recipientsPosition: csr.recipientsPosition } : {};',
    replace: 'const sealed = {};',
    noticedBy: [{ file: CAMPAIGN_TEST }, { file: 'packages/events/src/history/campaigns.test.ts' }],
  },
  {
    fault: 'the root signs a request of another bus',
    file: `${KEYS}/sign.ts`,
    find: 'if (request.busId !== trust.busId)',
    replace: 'if (request.busId === "")',
    noticedBy: [{ file: KEYS_TEST }],
  },
  {
    fault: 'the root signs a request that is older than its trust file',
    file: `${KEYS}/sign.ts`,
    find: 'checkpoint.rootSequence < floor.rootSequence',
    replace: 'checkpoint.rootSequence < 0',
    noticedBy: [{ file: KEYS_TEST }],
  },
  {
    fault: 'text of a request steers the terminal of the root',
    file: `${KEYS}/wording.ts`,
    find: 'printableJson(text).',
    replace: 'JSON.stringify(text).',
    noticedBy: [{ file: KEYS_TEST }],
  },
  {
    fault: 'a thief brings the configuration that it wrote into the commit of its expulsion',
    file: `${KEYS}/append.ts`,
    find: 'expels(reply) ? [] : await sealAgain(context, { ...change, bytes })',
    replace: 'await sealAgain(context, { ...change, bytes })',
    noticedBy: [{ file: KEYS_TEST }],
  },
  {
    fault: 'a key that nobody sealed again is not reported',
    file: `${KEYS}/seal-again.ts`,
    find: 'sealedPosition < position;',
    replace: 'sealedPosition < 0;',
    noticedBy: [{ file: KEYS_TEST }],
  },
  {
    fault: 'two changes for one place are signed at once',
    file: 'packages/runtime/src/root-journal.ts',
    find: 'const lock = takeLock(path);',
    replace: 'const lock = { [Symbol.dispose]() {} };',
    noticedBy: [{ file: 'apps/cli/src/keys/root-machine.test.ts' }],
  },
  {
    fault: 'a leaf that was replaced four times is never revoked',
    file: 'packages/events/src/history/evolve.ts',
    find: 'MAX_RETIRED = 64',
    replace: 'MAX_RETIRED = 0',
    noticedBy: [{ file: CAMPAIGN_TEST }, { file: 'packages/manager/src/decide/revocation.test.ts' }],
  },
  {
    fault: 'a resolver that fails sets a whole fleet aside',
    file: 'packages/manager/src/renewal/renewal.ts',
    find: 'isDoubted(context, certificate, found) || ',
    replace: '',
    noticedBy: [{ file: 'packages/manager/src/renewal/quarantine.int.test.ts' }],
  },
  {
    fault: 'a key that was replaced on its way to the bus is lost to every server',
    file: 'packages/events/src/history/evolve.ts',
    find: 'issued.formerSealedKey ?? issued.sealedKey',
    replace: 'sealedKey',
    noticedBy: [{ file: `${KEYS}/reseal.test.ts` }],
  },
  {
    fault: 'a damaged key takes the place of one on the bus',
    file: 'packages/manager/src/decide/reseal.ts',
    find: "split('\\n-> ').length - 1 === recipients",
    replace: "split('\\n-> ').length > 0 || recipients > 0",
    noticedBy: [{ file: `${KEYS}/reseal.test.ts` }],
  },
  {
    fault: 'what waits for room at its CA is looked at every minute',
    file: 'packages/manager/src/renewal/next-run.ts',
    find: 'if (await isAllWaiting(context, now, waits))',
    replace: 'if (waits.size < 0)',
    noticedBy: [{ file: 'packages/manager/src/renewal/limits.int.test.ts' }],
  },
  {
    fault: 'a plan takes what was spent of a limit for unspent',
    file: 'packages/manager/src/renewal/plan/bucket.ts',
    find: '{ full: fullAt(rate, { spent }, now), held, kept }',
    replace: '{ held, kept }',
    noticedBy: [{ file: 'packages/manager/src/renewal/plan/plan.test.ts' }],
  },
  {
    fault: 'one look at DNS is enough for a quarantine',
    file: 'packages/manager/src/decide/quarantine.ts',
    find: 'Date.parse(lost.seenAt) - Date.parse(lost.since) >= HOUR_MS',
    replace: 'Date.parse(lost.seenAt) >= Date.parse(lost.since)',
    noticedBy: [{ file: 'packages/manager/src/renewal/quarantine.int.test.ts' }],
  },
  {
    fault: 'silence of DNS ends a quarantine',
    file: 'packages/manager/src/renewal/renewal.ts',
    find: "if (look.state === 'unknown') return isQuarantined(certificate) ? outcomeOf(certificate) : undefined;",
    replace: '',
    noticedBy: [{ file: 'packages/manager/src/renewal/quarantine.int.test.ts' }],
  },
  {
    fault: 'no order is tried at the floor of what is set aside',
    file: 'packages/manager/src/decide/quarantine.ts',
    find: 'return now >= floor && !isTried;',
    replace: 'return now < floor && isTried === true;',
    noticedBy: [{ file: 'packages/manager/src/renewal/quarantine.int.test.ts' }],
  },
  {
    fault: 'an order is claimed although a limit of the CA leaves no room',
    file: 'packages/manager/src/decide/claim.ts',
    find: "if (binding) return say({ kind: 'limited', names, binding });",
    replace: '',
    noticedBy: [{ file: 'packages/manager/src/renewal/limits.int.test.ts' }],
  },
  {
    fault: 'a bus that is full of alerts nobody clears takes no other alert',
    file: 'packages/manager/src/decide/deliveries.ts',
    find: 'const inTheWay = alerts.find(isUnwatched);',
    replace: 'const inTheWay = undefined as NotedAlert | undefined;',
    noticedBy: [{ file: 'packages/manager/src/decide/deliveries.test.ts' }],
  },
  {
    fault: 'what open orders hold of a domain is not counted',
    file: 'packages/manager/src/decide/room.ts',
    find: 'const wanted = held + 1',
    replace: 'const wanted = 1',
    noticedBy: [{ file: 'packages/manager/src/decide/room.test.ts' }],
  },
  {
    fault: 'spending that the replica has taken meanwhile is counted twice',
    file: 'packages/manager/src/state/spending.ts',
    find: '.filter(({ position }) => position > below.position)',
    replace: '',
    noticedBy: [{ file: 'packages/manager/src/state/spending.test.ts' }],
  },
  {
    fault: 'a failed order keeps what it held of its domains',
    file: 'packages/events/src/history/ledger.ts',
    find: 'return [...held(own, -1), ...failures];',
    replace: 'return failures;',
    noticedBy: [{ file: 'packages/manager/src/state/spending.property.test.ts' }],
  },
  {
    fault: 'a manager decides on events that it does not know',
    file: 'packages/manager/src/context.ts',
    find: 'if (types.length === 0) return;',
    replace: 'if (types.length >= 0) return;',
    noticedBy: [{ file: 'packages/manager/src/state/unknown-events.int.test.ts' }],
  },
  {
    fault: 'a certificate is sealed to recipients that were replaced meanwhile',
    file: 'packages/manager/src/issuance/order.ts',
    find: 'last?.recipientsPosition === bus.recipientsPosition',
    replace: 'last',
    noticedBy: [{ file: 'packages/manager/src/issuance/recipients.int.test.ts' }],
  },
  {
    fault: 'the private key is on the bus in hexadecimal',
    file: CSR,
    find: CSR_END,
    replace: `sealedKey, recipientsPosition, note: ${derOf}.toString('hex') } as CsrWithKey;`,
    noticedBy: [{ file: SECRETS }],
  },
  {
    fault: 'the private key is on the bus in base64 behind one byte',
    file: CSR,
    find: CSR_END,
    replace: `sealedKey, recipientsPosition, note: Buffer.concat([Buffer.from('a'), ${derOf}]).toString('base64') } as CsrWithKey;`,
    noticedBy: [{ file: SECRETS }],
  },
  {
    fault: 'the private key is on the bus as a JWK',
    file: CSR,
    find: CSR_END,
    replace: "sealedKey, recipientsPosition, note: key.export({ format: 'jwk' }) } as CsrWithKey;",
    noticedBy: [{ file: SECRETS }],
  },
  {
    fault: 'the account key is logged at debug level',
    file: 'packages/manager/src/accounts/connect.ts',
    find: 'logger: context.logger,',
    replace: "logger: (context.logger.debug('connecting', account), context.logger),",
    noticedBy: [{ file: SECRETS }],
  },
  {
    fault: '"conf display" shows secretAccessKey',
    file: REDACTION,
    find: 'secretNames(configuration)',
    replace: "secretNames(configuration).filter((name) => name !== 'secretAccessKey')",
    noticedBy: [{ file: REDACTION_TEST }],
  },
  {
    fault: '"conf display" shows apiKey',
    file: REDACTION,
    find: 'secretNames(configuration)',
    replace: "secretNames(configuration).filter((name) => name !== 'apiKey')",
    noticedBy: [{ file: REDACTION_TEST }],
  },
  {
    fault: 'of two updates of the configuration at once the first is lost',
    file: 'packages/manager/src/configuration/stored-configuration.ts',
    find: 'configure(state, sealed, expected)',
    replace: 'configure(state, sealed, state.bus.config?.position ?? 0)',
    noticedBy: [{ file: 'packages/manager/src/configuration/concurrent.int.test.ts' }],
  },
  {
    fault: 'a run of renewals writes no heartbeat',
    file: 'packages/manager/src/renewal/run-once.ts',
    find: 'await decide(context, heartbeat, { signal: last })',
    replace: 'undefined',
    noticedBy: [{ file: 'packages/manager/src/renewal/heartbeat.int.test.ts' }],
  },
  {
    fault: 'two orders for one name set are made at once, by renewals',
    file: CLAIM,
    find: '...destination };\n  const sibling = openSibling(state, subject, certificateId);',
    replace: '...destination };\n  const sibling = undefined as ReturnType<typeof openSibling>;',
    noticedBy: [{ file: CLAIM_TEST }],
  },
  {
    fault: 'two orders for one name set are made at once, for new names',
    file: CLAIM,
    find: 'if (open?.issuance) return',
    replace: 'if (open?.issuance === null) return',
    noticedBy: [{ file: CLAIM_TEST }],
  },
  {
    fault: 'the back-off is as long for a certificate of an hour as for one of 90 days',
    file: 'packages/manager/src/decide/back-off.ts',
    find: 'lifetime / 20;',
    replace: 'DAY_MS;',
    noticedBy: [{ file: 'packages/manager/src/decide/back-off.test.ts' }],
  },
  {
    fault: 'a CA is asked again when to renew before it said so',
    file: 'packages/manager/src/renewal/renewal-info.ts',
    find: 'askAt: info.retryAt, failures',
    replace: 'askAt: context.now(), failures',
    noticedBy: [{ file: ARI }],
  },
  {
    fault: 'a CA is asked about what has ended',
    file: 'packages/manager/src/renewal/renewal-info.ts',
    find: 'else if (hasEnded(current, at))',
    replace: 'else if (hasEnded(current, new Date(0)))',
    noticedBy: [
      { file: 'packages/manager/src/renewal/renewal-info.int.test.ts', only: 'what has ended is not asked about' },
    ],
  },
  {
    fault: 'an instant is drawn again with every answer of a CA',
    file: 'packages/manager/src/decide/renewal-info.ts',
    find: ' || isKnown)',
    replace: ')',
    noticedBy: [{ file: 'packages/manager/src/decide/renewal-info.test.ts' }, { file: ARI }],
  },
  {
    fault: 'of all that a CA wants renewed at once the most urgent does not come first',
    file: 'packages/manager/src/renewal/work-queue.ts',
    find: 'one.rank - other.rank || ',
    replace: '',
    noticedBy: [{ file: MASS }],
  },
  {
    fault: 'all managers draw the same instant in a window',
    file: 'packages/manager/src/decide/renewal-info.ts',
    find: ' * USED_PART * chance',
    replace: ' * USED_PART',
    noticedBy: [{ file: MASS }],
  },
  {
    fault: 'a certificate is imported with the private key of another one',
    file: 'packages/manager/src/upkeep/importing/pair.ts',
    find: "if (!isPair(leaf, key)) return refused('its private key belongs to another certificate');",
    replace: '',
    noticedBy: [{ file: 'packages/manager/src/upkeep/importing/pair.test.ts', only: 'what is wrong is refused' }],
  },
];
