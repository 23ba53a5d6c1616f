/** Mutants of the agent: what balancers are given, and when. */
import type { Mutant } from '../mutant.ts';

const RECONCILE = 'apps/agent/src/reconcile';
const TARGETS = 'apps/agent/src/targets';
const REPORTING = 'apps/agent/src/reporting';
const REPORTING_TEST = `${REPORTING}/reporting.int.test.ts`;
const READINESS_TEST = 'apps/agent/src/commands/readiness.int.test.ts';
const PASS_TEST = `${RECONCILE}/pass.int.test.ts`;

export const agent: readonly Mutant[] = [
  {
    fault: 'a wrong pair is handed over',
    file: 'apps/agent/src/pairs/pair.ts',
    find: 'if (fault !== undefined) {',
    replace: 'if (fault === "") {',
    noticedBy: [{ file: 'apps/agent/src/pairs/pair.test.ts', only: 'are refused, each by its name' }],
  },
  {
    fault: 'what is not shown is not put back',
    file: `${RECONCILE}/pass.ts`,
    find: 'if (put.length > 0) await target.apply',
    replace: 'if (put.length < 0) await target.apply',
    noticedBy: [{ file: PASS_TEST, only: 'what is not shown is put back' }],
  },
  {
    fault: 'a target that opens a certificate twice gets two leaves of it',
    file: `${RECONCILE}/pass.ts`,
    find: 'const pair = first ?',
    replace: 'const pair = first === null ?',
    noticedBy: [{ file: PASS_TEST, only: 'a target that opens a certificate twice' }],
  },
  {
    fault: 'what was never shown counts as in place from the next pass on',
    file: `${RECONCILE}/pass.ts`,
    find: 'if (held === leafHash && !wasRefused && !isOutdated)',
    replace: 'if (held === leafHash && !isOutdated)',
    noticedBy: [{ file: PASS_TEST, only: 'a certificate that was never shown' }],
  },
  {
    fault: 'a certificate that was removed is left',
    file: `${RECONCILE}/pass.ts`,
    find: 'if (held.has(id)) undesired.push(id);',
    replace: '',
    noticedBy: [{ file: PASS_TEST, only: 'what is removed while a target is given it' }],
  },
  {
    fault: 'a certificate that does not read is taken for one that was removed',
    file: `${RECONCILE}/desired.ts`,
    find: 'certificateIds.filter((id) => gone.has(id) || isExcluded(id))',
    replace: '[...certificateIds]',
    noticedBy: [{ file: `${RECONCILE}/pass.test.ts`, only: 'what does not read stays' }],
  },
  {
    fault: 'something is removed from a target while rows are damaged',
    file: `${RECONCILE}/desired.ts`,
    find: 'return source.isWhole() ?',
    replace: 'return source ?',
    noticedBy: [{ file: `${RECONCILE}/damaged-replica.int.test.ts`, only: 'the state of a certificate' }],
  },
  {
    fault: 'a target is taken to hold what the bus says after it was given something',
    file: `${RECONCILE}/pass.ts`,
    find: 'const placed = [...opened.values()].filter(({ certificateId }) => !refused.has(certificateId));',
    replace:
      'const placed = [...opened.values()].filter(({ certificateId: id }) => !refused.has(id) && options.source.certificate(id));',
    noticedBy: [{ file: PASS_TEST, only: 'what is removed while a target is given it' }],
  },
  {
    fault: 'a change does not wait for its window',
    file: `${RECONCILE}/schedule.ts`,
    find: 'return windowMs - sinceBegin;',
    replace: 'return 0;',
    noticedBy: [{ file: 'apps/agent/src/reconcile/worker.test.ts', only: 'lead to one change a window' }],
  },
  {
    fault: 'a pass begins next to one that hangs',
    file: 'apps/agent/src/reconcile/worker.ts',
    find: 'if (hung) throw tooLate();',
    replace: '',
    noticedBy: [{ file: 'apps/agent/src/reconcile/worker.test.ts', only: 'a target that hangs is given up' }],
  },
  {
    fault: 'a file gets its name before it is on the disk',
    file: `${TARGETS}/files/durable.ts`,
    find: 'await file.sync();',
    replace: '',
    noticedBy: [{ file: `${TARGETS}/files/durable.test.ts` }],
  },
  {
    fault: 'a key is readable by all until it has its mode',
    file: `${TARGETS}/files/durable.ts`,
    find: "'wx', 0o600)",
    replace: "'wx', 0o644)",
    noticedBy: [{ file: `${TARGETS}/files/access.test.ts`, only: 'a key is read by owner and group alone' }],
  },
  {
    fault: 'files are written where another user can lead them elsewhere',
    file: `${TARGETS}/files/own-place.ts`,
    find: 'if (problem === undefined) return;',
    replace: 'if (problem !== "") return;',
    noticedBy: [{ file: `${TARGETS}/files/access.test.ts`, only: 'nothing is written, given away or read' }],
  },
  {
    fault: 'what was not tested before a kill is taken for good',
    file: `${TARGETS}/files/versioned-folder.ts`,
    find: 'return !isJudged || settled === undefined || settled === current;',
    replace: 'return !isJudged || settled === undefined || current > 0;',
    noticedBy: [{ file: `${TARGETS}/files/judged.test.ts`, only: 'is tested by itself' }],
  },
  {
    fault: 'a name stays in front of a certificate that no longer ranks first',
    file: `${TARGETS}/haproxy/haproxy.ts`,
    find: 'for (const offer of oldLinesOf(entry, offered)) await store.withdraw(entry.path, offer);',
    replace: '',
    noticedBy: [{ file: `${TARGETS}/haproxy/haproxy.int.test.ts`, only: 'a name is in front of the certificate' }],
  },
  {
    fault: 'HAProxy loses a certificate that it was just given in the place of one that was left over',
    file: `${TARGETS}/haproxy/haproxy.ts`,
    find: '[...gone].filter((path) => !staying.has(path)),',
    replace: '[...gone],',
    noticedBy: [
      { file: `${TARGETS}/haproxy/haproxy.int.test.ts`, only: 'what somebody changed in its files while it runs' },
    ],
  },
  {
    fault: 'a balancer that is back is left empty until the pause after its failures is over',
    file: 'apps/agent/src/reconcile/worker.ts',
    find: "failures === 0 ? 'woken' : 'back'",
    replace: "failures === 0 ? 'woken' : undefined",
    noticedBy: [{ file: 'apps/agent/src/reconcile/worker.test.ts', only: 'at once when its balancer is back' }],
  },
  {
    fault: 'what a balancer does not show is waited for at each look',
    file: `${TARGETS}/files/files.ts`,
    find: ' && inVain.get(leaf.certificateId) !== leaf.leafHash',
    replace: '',
    noticedBy: [{ file: `${TARGETS}/files/shown.test.ts`, only: 'asked for once from then on' }],
  },
  {
    fault: 'what a pass that failed has put counts as shown',
    file: `${RECONCILE}/pass.ts`,
    find: 'options.unseen.keep(new Set([...unseen, ...put.map(({ certificateId }) => certificateId)]));',
    replace: 'options.unseen.keep(unseen);',
    noticedBy: [{ file: `${RECONCILE}/pass.test.ts`, only: 'is looked at by the next one' }],
  },
  {
    fault: 'an nginx that is restarted while it is filled is taken for full',
    file: `${TARGETS}/nginx/nginx.ts`,
    find: 'if (begun !== undefined && (await api.epoch(signal)) !== begun) {',
    replace: 'if (begun === "") {',
    noticedBy: [{ file: `${TARGETS}/nginx/nginx.test.ts`, only: 'is not taken for full' }],
  },
  {
    fault: 'what did not fit into a full memory is refused for minutes by a larger one',
    file: `${RECONCILE}/pass.ts`,
    find: 'const isTakenNow = isOther && !isUnserved(problem);',
    replace: 'const isTakenNow = false;',
    noticedBy: [{ file: `${TARGETS}/nginx/full-memory.int.test.ts`, only: 'with a full memory shows what fits' }],
  },
  {
    fault: 'what somebody changed at a target is not noticed before the bus changes',
    file: 'apps/agent/src/reconcile/worker.ts',
    find: ' || performance.now() >= compareAllAt;',
    replace: ';',
    noticedBy: [{ file: 'apps/agent/src/reconcile/worker.test.ts', only: 'nobody reports a change' }],
  },
  {
    fault: 'what cannot be opened is lost over a change of the form of its files',
    file: `${TARGETS}/files/manifest.ts`,
    find: 'if (manifest.form === form) return manifest;',
    replace: "if (manifest.form !== form) return { ...EMPTY, form };\n  if (form !== '') return manifest;",
    noticedBy: [{ file: `${TARGETS}/files/forms.test.ts`, only: 'each certificate keeps the name of its files' }],
  },
  {
    fault: 'a handshake of nginx with njs takes its chain and its key from two certificates',
    file: 'apps/agent/nginx/certbus.js',
    find: 'const value = isSame ? read.value : ',
    replace: 'const value = ',
    noticedBy: [{ file: `${TARGETS}/nginx/certbus-js.test.ts` }],
  },
  {
    fault: 'a certificate loses names where the memory of nginx is full',
    file: 'apps/agent/nginx/certbus.js',
    find: `  zone.set(\`c:\${id}\`, value);
  drop(id, before, names);`,
    replace: `  drop(id, before, names);
  zone.set(\`c:\${id}\`, value);`,
    noticedBy: [{ file: `${TARGETS}/nginx/nginx.int.test.ts`, only: 'loses none of its names' }],
  },
  {
    fault: 'certificates that fit into a request each, and not together, are not given to nginx',
    file: `${TARGETS}/nginx/admin-api.ts`,
    find: 'if (puts.length > 1 && status >= 400 && WRONG[status] === undefined) {',
    replace: 'if (false) {',
    noticedBy: [{ file: `${TARGETS}/nginx/full-memory.int.test.ts`, only: 'takes them one after the other' }],
  },
  {
    fault: "nginx includes what the agent's user writes outside of a map",
    file: `${TARGETS}/nginx/map.ts`,
    find: `  default "";
  include \${folder}/current/\${MAP_FILE};
}`,
    replace: `  default "";
}
include \${folder}/current/\${MAP_FILE};`,
    noticedBy: [
      { file: `${TARGETS}/nginx/nginx-files.int.test.ts`, only: 'is never a directive, wherever a brace is' },
    ],
  },
  {
    fault: 'an entry of the map can lead out of the folder of the target',
    file: `${TARGETS}/nginx/map.ts`,
    find: `server: \`ssl_certificate \${folder}/`,
    replace: 'server: `ssl_certificate ',
    noticedBy: [
      { file: `${TARGETS}/nginx/nginx-files.int.test.ts`, only: 'is never a directive, wherever a brace is' },
    ],
  },
  {
    fault: 'the URL of a check-in is readable by all, and no command warns',
    file: 'apps/agent/src/configuration/read-configuration.ts',
    find: 'if (checkIn === undefined) return undefined;',
    replace: 'if (checkIn !== "") return undefined;',
    noticedBy: [{ file: 'apps/agent/src/commands/commands.int.test.ts', only: 'once --offline feeds' }],
  },
  {
    fault: 'what a command started outlives it',
    file: `${TARGETS}/commands/run-command.ts`,
    find: "if (isEnded) kill('SIGKILL');",
    replace: '',
    noticedBy: [
      { file: `${TARGETS}/commands/run-command.test.ts`, only: 'a command that takes too long ends with all' },
    ],
  },
  {
    fault: "somebody else's open transaction of HAProxy is ignored",
    file: `${TARGETS}/haproxy/haproxy.ts`,
    find: 'await store.endForeignTransaction();',
    replace: '',
    noticedBy: [
      { file: `${TARGETS}/haproxy/haproxy.int.test.ts`, only: 'lets somebody finish a change within seconds' },
    ],
  },
  {
    fault: "a certificate's text is left in somebody else's change, which can be committed",
    file: `${TARGETS}/haproxy/certificate-store.ts`,
    find: 'if (taken !== undefined) await api.ask',
    replace: 'if (taken === "") await api.ask',
    noticedBy: [{ file: `${TARGETS}/haproxy/certificate-store.test.ts` }],
  },
  {
    fault: "somebody else's text that came into a change stays in front of its names",
    file: `${TARGETS}/haproxy/haproxy.ts`,
    find: 'const shown = first === leafSha1 ? first : await store.replace(path, pem);',
    replace: 'const shown = leafSha1 === "" ? first : leafSha1;',
    noticedBy: [{ file: `${TARGETS}/haproxy/haproxy.int.test.ts`, only: 'begins a change just before' }],
  },
  {
    fault: 'a HAProxy that was restarted with older files goes on with them for a minute',
    file: `${TARGETS}/haproxy/haproxy.ts`,
    find: 'isLost: (found) => found !== compared,',
    replace: 'isLost: () => false,',
    noticedBy: [{ file: `${TARGETS}/haproxy/haproxy.int.test.ts`, only: 'a HAProxy that started with older files' }],
  },
  {
    fault: 'a target that cannot be brought up to date leaves health good',
    file: `${REPORTING}/health.ts`,
    find: 'ready: replica.ready && !targets.some(({ isBehind }) => isBehind),',
    replace: 'ready: replica.ready,',
    noticedBy: [{ file: REPORTING_TEST, only: 'makes health bad after a while' }],
  },
  {
    fault: 'the health page shows what a command said',
    file: `${REPORTING}/health.ts`,
    find: "error instanceof CommandError ? new CommandError(error.summary, '') : error;",
    replace: 'error;',
    noticedBy: [{ file: REPORTING_TEST, only: 'makes health bad after a while' }],
  },
  {
    fault: 'a target keeps what its selection leaves out by now',
    file: `${RECONCILE}/desired.ts`,
    find: 'return summary !== undefined && !isSelected(summary, selection);',
    replace: 'return summary === null;',
    noticedBy: [{ file: `${TARGETS}/haproxy/haproxy.int.test.ts`, only: 'shows what its selection takes' }],
  },
  {
    fault: "a certificate is put back in the memory of nginx, and not in the files for nginx's start",
    file: `${RECONCILE}/pass.ts`,
    find: '{ put, remove: [], defaultId, ...wantedOf(options, wanted) }',
    replace: '{ put, remove: [], defaultId, ...wantedOf(options, desired) }',
    noticedBy: [{ file: `${TARGETS}/nginx/nginx-lua.int.test.ts`, only: 'is put back, with an alarm' }],
  },
  {
    fault: 'a balancer that lost a certificate which it did not show is given none for minutes',
    file: `${RECONCILE}/pass.ts`,
    find: 'const isLost = isUnserved(problem) && !held.has(id);',
    replace: 'const isLost = false;',
    noticedBy: [{ file: `${TARGETS}/nginx/nginx.int.test.ts`, only: 'is put back, with an alarm' }],
  },
  {
    fault: 'the service is ready before its first passes',
    file: 'apps/agent/src/commands/run.ts',
    find: 'await Promise.race([agent.started, late, this.stopped()]);',
    replace: 'await Promise.race([late, undefined]);',
    noticedBy: [{ file: READINESS_TEST, only: 'the files of its replica are written' }],
  },
  {
    fault: 'a balancer that hangs keeps the service from being ready, and so other balancers from starting',
    file: 'apps/agent/src/commands/run.ts',
    find: 'await Promise.race([agent.started, late, this.stopped()]);',
    replace: 'await agent.started;',
    noticedBy: [{ file: READINESS_TEST, only: 'a balancer that hangs' }],
  },
  {
    fault: 'a check takes the key of a renewal for one that opens, where that before it does',
    file: 'apps/agent/src/preview.ts',
    find: 'if (material?.issued.leafHash === leafHash) return true;',
    replace: 'if (material !== undefined) return true;',
    noticedBy: [{ file: 'apps/agent/src/commands/commands.int.test.ts', only: 'a check names what would change' }],
  },
];
