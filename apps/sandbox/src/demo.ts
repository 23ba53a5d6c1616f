/** The demo: a certificate's way from a CA to a handshake, with every promise checked. */
import { exitWith, parseArguments } from './arguments.ts';
import { BALANCERS } from './demo/balancers.ts';
import { issue, killManager, outage, remove, renewUnderLoad, setUp, tryManagerKeys } from './demo/chapters.ts';
import { createNarrator } from './demo/narrator.ts';
import { openStage, type Stage } from './demo/stage.ts';

function closingTable({ visitor, swaps }: Stage): string {
  const rows = swaps.map(({ server, before, after, servedAfterMs }) => [server, before, after, `${servedAfterMs} ms`]);
  const all = [['server', 'serial before', 'serial after', 'issued to served'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
  return [...lines.map((line) => `   ${line}`), '', `   requests made ${visitor.made}, failed ${visitor.failed}`].join(
    '\n',
  );
}

const { kind: ca, flags } = parseArguments({ balancer: { type: 'string' } });
const balancerName = String(flags['balancer'] ?? 'node');
const balancer = BALANCERS.get(balancerName);
if (!balancer)
  exitWith(2, `There is no balancer "${balancerName}". Choose one of: ${[...BALANCERS.keys()].join(', ')}.`);
const began = performance.now();
const narrator = createNarrator();
console.log('CertBus, from a CA to a handshake: a real ACME server, a durable log, two load balancers.');
if (balancerName !== 'node') console.log(`The load balancers are ${balancerName}, each with certbus-agent next to it.`);
narrator.step('Start an ACME server and a DNS server on this machine');
const stage = await openStage(narrator, { ca, balancer });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void stage.close().finally(() => process.exit(130)));
}
try {
  narrator.say(`${stage.local.ca.description}, validating for real, refusing one nonce in twenty`);
  await setUp(stage);
  const { wildcardId, shopId } = await issue(stage);
  await renewUnderLoad(stage, wildcardId);
  await killManager(stage);
  await tryManagerKeys(stage);
  await remove(stage, wildcardId);
  await outage(stage, shopId);
  narrator.check(`of ${stage.visitor.made} requests in all, ${stage.visitor.failed} failed`, {
    holds: stage.visitor.failed === 0,
  });
  narrator.step('What happened');
  console.log(closingTable(stage));
} finally {
  await stage.close();
}
const seconds = ((performance.now() - began) / 1_000).toFixed(1);
const { checked, failed } = narrator;
console.log(
  `\n${failed === 0 ? `All ${checked} checks held` : `${failed} of ${checked} checks did not hold`}, in ${seconds} s. Nothing is left running, and no file is left.`,
);
process.exitCode = failed === 0 ? 0 : 1;
