/** What the shipped unit and the rule for polkit let the agent do: systemd itself judges only how they are written. */
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';

const read = (name: string) => readFileSync(new URL(`../systemd/${name}`, import.meta.url), 'utf8');

/** The settings of a unit; each of these is there once. */
function settingsOf(name: string): Readonly<Record<string, string>> {
  const lines = [...read(name).matchAll(/^(\w+)=(.*)$/gm)];
  return Object.fromEntries(lines.map(([, key = '', value = '']) => [key, value]));
}

test('the service starts before the balancers, as a user of its own that can write its state and nothing else', () => {
  expect(settingsOf('certbus-agent.service')).toMatchObject({
    Before: 'haproxy.service nginx.service',
    ...{ Type: 'notify', NotifyAccess: 'all', Restart: 'always' },
    ...{ User: 'certbus-agent', Group: 'certbus-agent', UMask: '0077' },
    ...{ StateDirectory: 'certbus-agent', StateDirectoryMode: '0750' },
    ...{ ProtectSystem: 'strict', ProtectHome: 'yes', PrivateTmp: 'yes', PrivateDevices: 'yes' },
    ...{ NoNewPrivileges: 'yes', CapabilityBoundingSet: '', AmbientCapabilities: '' },
    ...{ SystemCallFilter: '@system-service', RestrictAddressFamilies: 'AF_UNIX AF_INET AF_INET6' },
  });
  // Later lines add to it.
  expect(read('certbus-agent.service')).not.toContain('ReadWritePaths=');
});

test('the rule lets the user of the agent test and reload nginx, and nobody anything else', () => {
  const rules: ((action: object, subject: object) => string | undefined)[] = [];
  const polkit = { addRule: (rule: (typeof rules)[number]) => rules.push(rule), Result: { YES: 'yes' } };
  runInNewContext(read('certbus-agent-nginx.rules'), { polkit });
  expect(rules).toHaveLength(1);
  const answer = (user: string, verb: string, unit: string, id = 'org.freedesktop.systemd1.manage-units') => {
    const details: Readonly<Record<string, string>> = { verb, unit };
    return rules[0]?.({ id, lookup: (key: string) => details[key] }, { user });
  };
  const allowed = ['start certbus-nginx-test.service', 'reload nginx.service'];
  for (const verb of ['start', 'stop', 'restart', 'reload', 'set-property', 'kill'])
    for (const unit of ['certbus-nginx-test.service', 'nginx.service', 'ssh.service', 'nginx.service.d']) {
      const expected = allowed.includes(`${verb} ${unit}`) ? 'yes' : undefined;
      expect({ verb, unit, answer: answer('certbus-agent', verb, unit) }).toEqual({ verb, unit, answer: expected });
      expect(answer('www-data', verb, unit)).toBeUndefined();
      expect(answer('certbus-agent', verb, unit, 'org.freedesktop.systemd1.manage-unit-files')).toBeUndefined();
    }
});
