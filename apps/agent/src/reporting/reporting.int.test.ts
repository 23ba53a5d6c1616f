import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createSite, sealedToOthers } from '../agent.builders.ts';
import { openPauses } from '../pauses.ts';
import { settled } from '../targets/tls.builders.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SECRET = 'what-a-command-said';

/** A dead man's switch on loopback, and how often it was called. */
async function startSwitch() {
  let calls = 0;
  const server = createServer((_, response) => {
    calls += 1;
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret`, taken: () => calls };
}

/** A site whose agent feeds two folders; what is run after a change of the second fails as long as `broken` is there. */
async function createReportingSite() {
  const site = await createSite();
  const broken = join(site.folder, 'broken');
  const script = join(site.folder, 'reload');
  writeFileSync(script, `#!/bin/sh\n[ ! -e ${broken} ] || { echo ${SECRET}; exit 1; }\n`, { mode: 0o700 });
  const after = { command: [script] };
  const targets = [
    { type: 'files', name: 'plain', folder: join(site.folder, 'plain') },
    { type: 'files', name: 'told', folder: join(site.folder, 'told'), after, windowMs: 0 },
  ];
  const deadMan = await startSwitch();
  const agent = await site.start(targets, {
    endpoints: { port: 0 },
    checkIn: { url: deadMan.url, everyMs: 20 },
  });
  await agent.started;
  const page = (path: string) => fetch(`http://${agent.endpoints}${path}`);
  /** The value of a series; `undefined` where it is absent. */
  async function metric(series: string): Promise<number | undefined> {
    const lines = (await (await page('/metrics')).text()).split('\n');
    const line = lines.find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length));
  }
  const expectMetrics = async (wanted: Readonly<Record<string, number>>) => {
    for (const [series, value] of Object.entries(wanted))
      expect([series, await metric(series)]).toEqual([series, value]);
  };
  async function healthz() {
    const response = await page('/healthz');
    const text = await response.text();
    expect(text).not.toContain(SECRET);
    return { status: response.status, ...JSON.parse(text) };
  }
  const pauses = openPauses(join(site.folder, 'state'));
  return { ...site, agent, metric, expectMetrics, healthz, broken, deadMan, pauses };
}

test('a target that cannot be brought up to date makes health bad after a while, with its name and why, until it can', async () => {
  const begunAt = Date.now() / 1_000;
  const { bus, advance, agent, expectMetrics, healthz, metric, broken, deadMan, pauses } = await createReportingSite();
  expect(agent.endpoints).toMatch(/^127\.0\.0\.1:\d+$/);
  const { certificateId } = await bus.issue(['a.test']);
  await settled(() =>
    expectMetrics({
      certbus_ready: 1,
      'certbus_target_certificates_wanted{target="told"}': 1,
      'certbus_target_certificates_in_place{target="told"}': 1,
      'certbus_target_certificates_failing{target="told"}': 0,
      [`certbus_target_certificate_in_place{target="told",certificate_id="${certificateId}",name="a.test"}`]: 1,
      'certbus_target_position{target="told"}': agent.health().position,
      'certbus_target_behind{target="told"}': 0,
      'certbus_target_behind_seconds{target="told"}': 0,
      'certbus_target_trouble{target="told"}': 0,
      'certbus_target_passes_total{target="told",result="failed"}': 0,
      'certbus_target_reloads_total{target="told",result="failed"}': 0,
    }),
  );
  expect(await metric('certbus_target_reloads_total{target="told",result="succeeded"}')).toBeGreaterThan(0);
  expect(await metric('certbus_target_reloads_total{target="plain",result="succeeded"}')).toBeUndefined();
  expect(await metric('certbus_target_passes_total{target="told",result="in_place"}')).toBeGreaterThan(0);
  const passedAt = await metric('certbus_target_last_pass_timestamp_seconds{target="told"}');
  expect(passedAt).toBeGreaterThanOrEqual(begunAt);
  expect(passedAt).toBeLessThanOrEqual(Date.now() / 1_000);
  expect(await healthz()).toMatchObject({ status: 200, ready: true });
  await settled(() => expect(deadMan.taken()).toBeGreaterThan(2));

  writeFileSync(broken, '');
  const { position } = agent.health();
  await bus.issue(['b.test']);
  await settled(() =>
    expectMetrics({
      'certbus_target_trouble{target="told"}': 1,
      'certbus_target_certificates_in_place{target="plain"}': 2,
    }),
  );
  // Not yet for long.
  expect(await healthz()).toMatchObject({ status: 200 });
  advance(10 * MINUTE_MS);
  expect(await healthz()).toMatchObject({
    status: 503,
    ready: false,
    targets: [
      { name: 'plain', isBehind: false, certificates: { wanted: 2, inPlace: 2, failing: 0 } },
      {
        name: 'told',
        isBehind: true,
        trouble: {
          code: 'CERTBUS_AGENT_COMMAND_FAILED',
          message: expect.stringMatching(/^The command .*\/reload ended with status 1\.$/),
        },
      },
    ],
  });
  await expectMetrics({
    certbus_ready: 0,
    'certbus_target_behind{target="told"}': 1,
    'certbus_target_behind{target="plain"}': 0,
    'certbus_target_certificates_wanted{target="told"}': 2,
    'certbus_target_position{target="told"}': position,
  });
  expect(await metric('certbus_target_behind_seconds{target="told"}')).toBeGreaterThanOrEqual(600);
  expect(await metric('certbus_target_passes_total{target="told",result="failed"}')).toBeGreaterThan(0);
  expect(await metric('certbus_target_reloads_total{target="told",result="failed"}')).toBeGreaterThan(0);
  const calls = deadMan.taken();
  // One may have been under way.
  await settled(() => expect(agent.health().targets[1]?.passes.failed).toBeGreaterThan(1));
  expect(deadMan.taken()).toBeLessThanOrEqual(calls + 1);

  // What a person paused is not behind.
  pauses.pause('told');
  await settled(() => expectMetrics({ 'certbus_target_paused{target="told"}': 1 }));
  expect(await healthz()).toMatchObject({ status: 200, targets: [{}, { isPaused: true, isBehind: false }] });
  rmSync(broken);
  pauses.resume('told');
  await settled(() =>
    expectMetrics({
      'certbus_target_paused{target="told"}': 0,
      'certbus_target_trouble{target="told"}': 0,
      'certbus_target_certificates_in_place{target="told"}': 2,
      'certbus_target_position{target="told"}': agent.health().position,
    }),
  );
  expect(await metric('certbus_target_last_pass_timestamp_seconds{target="told"}')).toBeGreaterThan(
    (passedAt ?? 0) + 600,
  );
  expect(await healthz()).toMatchObject({ status: 200, ready: true });
  await settled(() => expect(deadMan.taken()).toBeGreaterThan(calls + 1));
});

test('a certificate that fails, and a replica that is bad, make health bad; the alarms of the client are logged and counted', async () => {
  const { bus, advance, lines, expectMetrics, healthz, metric } = await createReportingSite();
  const { certificateId } = await bus.issue(['a.test']);
  await bus.issue(['b.test']);
  await settled(() => expectMetrics({ 'certbus_target_certificates_in_place{target="plain"}': 2 }));
  await bus.append({ ...(await sealedToOthers(['a.test'])), certificateId });
  await settled(() =>
    expectMetrics({
      'certbus_target_certificates_in_place{target="plain"}': 1,
      'certbus_target_certificates_failing{target="plain"}': 1,
      [`certbus_target_certificate_in_place{target="plain",certificate_id="${certificateId}",name="a.test"}`]: 0,
      'certbus_alarms_total{code="CERTBUS_CLIENT_KEY_NOT_OPENED"}': 1,
    }),
  );
  expect(await metric('certbus_target_passes_total{target="plain",result="in_part"}')).toBeGreaterThan(0);
  await settled(() => expectMetrics({ 'certbus_alarms_total{code="CERTBUS_AGENT_PAIR_REFUSED"}': 2 }));
  const raised = lines.filter((line) => line.startsWith('alarm: '));
  expect(raised.map((line) => /^alarm: (plain|told)?/.exec(line)?.[1] ?? 'client').sort()).toEqual([
    ...['client', 'plain', 'told'],
  ]);
  advance(10 * MINUTE_MS);
  expect(await healthz()).toMatchObject({
    status: 503,
    targets: [{ name: 'plain', isBehind: true, trouble: { code: 'CERTBUS_AGENT_PAIR_REFUSED' } }, {}],
  });
  await bus.issue(['a.test']);
  await settled(async () => expect(await healthz()).toMatchObject({ status: 200 }));

  advance(91 * DAY_MS);
  expect(await healthz()).toMatchObject({ status: 503, ready: false, certificates: { expired: 2 } });
  await settled(() =>
    expectMetrics({ 'certbus_alarms_total{code="CERTBUS_CLIENT_ALL_EXPIRED"}': 1, certbus_ready: 0 }),
  );
  expect(lines.filter((line) => line.startsWith('alarm: All 2 certificates of this server have ended'))).toHaveLength(
    1,
  );
});

test('pages that cannot be served end the agent, and say what to do', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const targets = [{ type: 'files', folder: join(site.folder, 'certs') }];
  const first = await site.start(targets, { endpoints: { port: 0 } });
  const port = Number(first.endpoints?.split(':')[1]);
  await expect(site.start(targets, { endpoints: { port } })).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_CONFIG_INVALID',
    message: expect.stringContaining('"endpoints" in the configuration'),
  });
});
