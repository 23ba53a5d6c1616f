/** Tests the alert rules of Prometheus that the package has, by Prometheus itself, and that they and their page name what there is. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findPrometheus, requirePart, run } from 'certbus-services';
import { describe, expect, test } from 'vitest';

const FOLDER = fileURLToPath(new URL('../prometheus', import.meta.url));
const RULES = readFileSync(`${FOLDER}/certbus.rules.yml`, 'utf8');
const page = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../docs/guides/${name}`, import.meta.url)), 'utf8');
const found = (text: string, pattern: RegExp) => [
  ...new Set([...text.matchAll(pattern)].map(([, each]) => each ?? '')),
];

test('the rules are about metrics that there are, each has a test, and the guide lists them', () => {
  const metrics = found(page('run-the-daemon.md'), /^\| `(certbus_manager_\w+)/gm);
  const used = found(RULES, /(certbus_manager_\w+?)(?:_bucket)?\b/g);
  expect(used.filter((name) => !metrics.includes(name))).toEqual([]);
  const alerts = found(RULES, /- alert: (\w+)/g);
  const tested = found(readFileSync(`${FOLDER}/certbus.rules.test.yml`, 'utf8'), /alertname: (\w+)/g);
  expect(tested.toSorted()).toEqual(alerts.toSorted());
  expect(found(page('alerts.md'), /^\| `(CertBus\w+)` \|/gm).toSorted()).toEqual(alerts.toSorted());
});

const part = requirePart('prometheus');

describe.skipIf(part.skip)(part.title('promtool'), () => {
  test('takes the rules, which are silent until what they are about happens', async () => {
    const { promtool } = await findPrometheus();
    expect(await run(promtool, ['check', 'rules', 'certbus.rules.yml'], { cwd: FOLDER })).toContain('SUCCESS');
    expect(await run(promtool, ['test', 'rules', 'certbus.rules.test.yml'], { cwd: FOLDER })).toContain('SUCCESS');
  });
});
