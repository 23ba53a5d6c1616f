/** Holds docs/client.md to the code: every option, member, event, alarm and field of `health()` is on the page. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const page = read('../../../docs/client.md');

/** Names of an interface's members, as its source declares them. */
function membersOf(path: string, name: string): string[] {
  const [, body = ''] = new RegExp(`interface ${name}\\b[^{]*\\{\\n(.*?)\\n\\}`, 's').exec(read(path)) ?? [];
  const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?(<:]/gm)].map(([, member = '']) => member);
  if (members.length === 0) throw new Error(`${path} has no interface ${name}`);
  return members;
}

/** First column of the tables below a heading, without parameters. */
function rowsUnder(heading: string): string[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  return [...own.matchAll(/^\| `(\w+)/gm)].map(([, row = '']) => row);
}

test.each([
  [
    'Options of `connect`',
    membersOf('serving/options.ts', 'MaterialOptions').concat(membersOf('cert-bus.ts', 'ConnectOptions')),
  ],
  ['What `connect` gives', membersOf('cert-bus.ts', 'CertBus')],
  ['`health()`', membersOf('health.ts', 'Health')],
])('the table "%s" has what the code has, and nothing else', (heading, members) => {
  expect(rowsUnder(heading).sort()).toEqual([...members].sort());
});

test('the table of metrics has what the code has', () => {
  const source = read('reporting/metrics.ts');
  const measures = [...source.matchAll(/^ {2}\[\s*'(\w+)',/gm)].map(([, name]) => `certbus_${name}`);
  const others = [...source.matchAll(/name: '(certbus_\w+)'/g)].map(([, name = '']) => name);
  const [, section = ''] = page.split('\n| metric | what it is |\n');
  const [table = ''] = section.split('\n\n');
  const rows = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) => cell.match(/certbus_\w+/g) ?? []);
  expect(rows.sort()).toEqual([...measures, ...others].sort());
});

test('the tables of events and alarms have what the code has', () => {
  const events = membersOf('serving/events.ts', 'MaterialEvents').filter((event) => event !== 'moved');
  const codes = [...read('errors.ts').matchAll(/^ {2}\| '(\w+)'/gm)].map(([, code = '']) => code);
  // These are rejections of `connect`, or stand in an event of their own.
  const others = ['BUS_UNREACHABLE', 'FILE_UNREADABLE', 'KEY_FILE_OPEN', 'NAME_UNKNOWN'].map(
    (code) => `CERTBUS_CLIENT_${code}`,
  );
  const alarms = codes.filter((code) => !others.includes(code));
  const families = ['CERTBUS_EVENTS_', 'CERTBUS_REPLICA_', 'CERTBUS_STORE_'];
  expect(rowsUnder('Events').sort()).toEqual([...events, ...alarms, ...families].sort());
});
