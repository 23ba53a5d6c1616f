import { expect, test } from 'vitest';
import { type ControlFacts, classifyControl } from './control.ts';

const ours: ControlFacts = {
  name: 'a.test',
  exists: true,
  nameServers: ['ns1.host.test', 'ns2.host.test'],
  expectedNameServers: ['NS1.host.test.', 'ns2.host.test'],
};
const forbidden = {
  verdict: 'forbidden',
  at: 'a.test',
  records: [],
  why: 'CAA of a.test allows only another',
} as const;
const unsure = { verdict: 'unknown', at: 'a.test', why: 'CAA of a.test cannot be looked up' } as const;

test.each<[string, Partial<ControlFacts>, string]>([
  ['nothing speaks against it', {}, 'ours'],
  ['one of several name servers is the known one', { nameServers: ['ns1.host.test', 'new.test'] }, 'ours'],
  ['nobody said which servers it should have', { nameServers: ['x.test'], expectedNameServers: [] }, 'ours'],
  ['its servers are not to be found', { nameServers: undefined }, 'ours'],
  ['it does not exist', { exists: false }, 'gone'],
  ['it does not exist, and CAA forbids', { exists: false, caa: forbidden }, 'gone'],
  ['others serve it', { nameServers: ['ns.other.test'] }, 'moved'],
  ['others serve it, and do not answer', { nameServers: ['ns.other.test'], exists: undefined }, 'moved'],
  ['its owner chose another CA', { caa: forbidden }, 'barred'],
  ['DNS is silent', { exists: undefined }, 'unknown'],
  ['CAA is silent', { caa: unsure }, 'unknown'],
])('where %s: %s', (_, facts, state) => {
  const control = classifyControl({ ...ours, ...facts });
  expect(control.state).toBe(state);
  expect(control.why).toContain('a.test');
});
