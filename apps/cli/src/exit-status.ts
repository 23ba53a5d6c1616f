/** Gives every error the exit status of its command, and the next steps where there are some. */
import { Errors } from '@oclif/core';

/** What the exit status of a command means; `docs/errors.md` shows the same table. */
const EXIT = {
  unexpected: 1,
  usage: 2,
  configuration: 3,
  notFound: 4,
  refusedByCa: 5,
  challengeFailed: 6,
  outOfReach: 7,
  conflict: 8,
  historyRefused: 9,
  unhealthy: 10,
  expired: 11,
  interrupted: 130,
} as const;

type Status = (typeof EXIT)[keyof typeof EXIT];

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  unexpected: 'unexpected: please report it',
  usage: 'flags, arguments, or a name that no CA takes',
  configuration: 'a file or key of this machine, or the configuration',
  notFound: 'nothing has this id or name, or fits this pattern',
  refusedByCa: 'the CA refused, or orders or renewals failed',
  challengeFailed: 'a challenge or DNS failed',
  outOfReach: 'the bus, the replica or a server is out of reach',
  conflict: 'somebody else was first',
  historyRefused: "the bus's history, or a backup of it, is refused",
  unhealthy: 'a check found a problem, or a certificate about to end is not renewed',
  expired: 'cert check found a certificate that has ended',
  interrupted: 'interrupted, or the answer was no',
};

/** Every exit status with its meaning in a few words, in order. */
export const EXIT_MEANINGS: readonly (readonly [status: number, meaning: string])[] = [
  [0, 'done, also when there was nothing to do'] as const,
  ...Object.entries(MEANINGS).map(([name, meaning]) => [EXIT[name as keyof typeof EXIT], meaning] as const),
  [127, 'no command has this name'] as const,
].sort(([a], [b]) => a - b);

const STATUS: readonly (readonly [RegExp, Status])[] = [
  [/^CERTBUS_CLI_(INTERRUPTED|DECLINED)$/, EXIT.interrupted],
  [/^CERTBUS_CLI_UNHEALTHY$/, EXIT.unhealthy],
  [/^CERTBUS_CLI_EXPIRED$/, EXIT.expired],
  [/^CERTBUS_CLI_SERVER_UNREACHABLE$/, EXIT.outOfReach],
  [
    /^CERTBUS_CLI_USAGE$|^CERTBUS_MANAGER_CHANGE_REFUSED$|^CERTBUS_MANAGER_(NAME|KEY_TYPE)_REFUSED$|^CERTBUS_STORE_ADDRESS_INVALID$/,
    EXIT.usage,
  ],
  [/^CERTBUS_CLI_NO_MATCH$|^CERTBUS_MANAGER_(CERTIFICATE|MANAGER|RECIPIENT|CAMPAIGN)_NOT_FOUND$/, EXIT.notFound],
  [
    /^CERTBUS_MANAGER_(CONFIG_CHANGED|CLAIM_LOST|CLAIMED_ELSEWHERE|BUS_EXISTS|NOT_RESTORED|REQUEST_OUTDATED|TOO_MANY_CAMPAIGNS)$/,
    EXIT.conflict,
  ],
  [/^CERTBUS_STORE_(VERSION_CONFLICT|ATTEMPTS_EXHAUSTED|EXPORT_BUSY)$/, EXIT.conflict],
  [/^CERTBUS_STORE_(GAP|(ARCHIVE|SNAPSHOT|EXPORT)_REFUSED)$/, EXIT.historyRefused],
  [/^CERTBUS_STORE_(EXPORT_UNREADABLE|PROXY_INVALID)$|^CERTBUS_REPLICA_FILE_OPEN$/, EXIT.configuration],
  [
    /^CERTBUS_ACME_(CHALLENGE_FAILED|NO_SOLVER|SOLVER_FAILED|ZONE_NOT_FOUND|RECORD_MISSING)$|^CERTBUS_MANAGER_(ZONE_NOT_CONFIGURED|NAMES_LOST)$/,
    EXIT.challengeFailed,
  ],
  [/^CERTBUS_ACME_(DIRECTORY_INVALID|ACCOUNT_KEY_INVALID|EAB_INVALID)$/, EXIT.configuration],
  [/^CERTBUS_ACME_/, EXIT.refusedByCa],
  [/^CERTBUS_CLI_(ISSUANCE|RENEWAL|REVOCATION)_FAILED$|^CERTBUS_MANAGER_LIMIT_REACHED$/, EXIT.refusedByCa],
  [
    /^CERTBUS_EVENTS_(COMMIT_MALFORMED|FORMAT_UNKNOWN|FORMAT_WRONG|OTHER_BUS|POSITION_WRONG|HISTORY_FORKED|ID_REPEATED|BELOW_FLOOR|SIGNATURE_INVALID|ROOT_\w+)$/,
    EXIT.historyRefused,
  ],
  [/^CERTBUS_MANAGER_BUS_STALE$/, EXIT.historyRefused],
  [/^CERTBUS_CLI_SECRET_UNREACHABLE$|^CERTBUS_MANAGER_ALERT_NOT_SENT$/, EXIT.outOfReach],
  [/^CERTBUS_(EVENTS|MANAGER|CLI)_/, EXIT.configuration],
  [/^CERTBUS_(STORE|REPLICA|CLIENT)_/, EXIT.outOfReach],
];

/** The code of an error of ours; `undefined` for any other. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('CERTBUS_')
    ? String(error.code)
    : undefined;
}

/** The exit status of a command that failed with this error. */
export function exitStatusOf(error: unknown): Status {
  // oclif's own errors are about flags and arguments.
  if (error instanceof Errors.CLIError) return EXIT.usage;
  const name = error instanceof Error ? error.name : '';
  const code = codeOf(error);
  // A key that may not sign is the operator's key file; a commit that such a key signed is the bus's history.
  if (code === 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE')
    return name === 'HistoryError' ? EXIT.historyRefused : EXIT.configuration;
  return STATUS.find(([pattern]) => code && pattern.test(code))?.[1] ?? EXIT.unexpected;
}

/** What to do next, where the message of an error cannot know it: a bus whose history is refused is put right in a few ways. */
export function nextSteps(error: unknown): string[] {
  const code = codeOf(error);
  if (code === 'CERTBUS_EVENTS_FORMAT_UNKNOWN')
    return ['upgrade certbus on this machine; do not repair the bus: its commits are good'];
  if (code === 'CERTBUS_EVENTS_OTHER_BUS')
    return [
      'compare the address of the bus with bus.pub ("bus" and "trust" in certbus.json, CERTBUS_BUS, CERTBUS_TRUST)',
    ];
  const isHistory = error instanceof Error && (error.name === 'HistoryError' || code === 'CERTBUS_STORE_GAP');
  // Such a history stays as it is: nothing can be put back.
  return isHistory && code !== 'CERTBUS_EVENTS_ID_REPEATED'
    ? [
        '"certbus bus verify" shows where the history breaks',
        '"certbus bus repair --from EXPORT --dry-run" shows what an export can put back',
        '"certbus bus restored", if the store was put back to an earlier state on purpose',
        'the guide "Back up and restore a bus" has the whole way; load balancers go on with what they serve meanwhile',
      ]
    : [];
}
