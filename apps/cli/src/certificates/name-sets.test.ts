/** Which certificates command lines and files ask for, and how a run of many goes. */
import { once } from 'node:events';
import type { IssueResult } from '@certbus/manager';
import { describe, expect, test } from 'vitest';
import { createTally, issueAll } from './bulk.ts';
import { namesFor, parseNameSets } from './name-sets.ts';

const plain = { wildcard: false, subdomain: false };
const read = (text: string) => parseNameSets(text, { source: 'domains.txt', challengeType: 'dns-01' });

test.each([
  [['example.com'], plain, ['example.com', 'www.example.com']],
  [['www.example.com'], plain, ['www.example.com']],
  [['example.com'], { ...plain, wildcard: true }, ['*.example.com', 'example.com']],
  [['a.example.com', '*.b.example.com'], plain, ['a.example.com', '*.b.example.com']],
])('%j with %j covers %j', (domains, choice, names) => {
  expect(namesFor(domains, choice)).toEqual(names);
});

test.each([
  [[], plain, /Name a domain/],
  [['a.test', 'b.test'], { ...plain, wildcard: true }, /go with one domain/],
  [['*.a.test'], plain, /Name the domain itself/],
])('%j with %j is refused', (domains, choice, message) => {
  expect(() => namesFor(domains, choice)).toThrow(message);
});

test('a file has the names of one certificate on each line; comments, CRLF, a BOM and repetitions are passed over', () => {
  const text =
    '\u{feff}# shops\r\nshop.test www.shop.test # ours\r\n\r\nBÜCHER.test\r\nwww.shop.test,shop.test\r\n*.wild.test';
  expect(read(text)).toEqual([
    { line: 2, names: ['shop.test', 'www.shop.test'] },
    { line: 4, names: ['xn--bcher-kva.test'] },
    { line: 6, names: ['*.wild.test'] },
  ]);
});

test.each(['\r', '\r\n', '\n', '\u2028', '\f'])('%j ends a line: names of two are never one certificate', (end) => {
  expect(read(`a.test${end}b.test${end}`)).toEqual([
    { line: 1, names: ['a.test'] },
    { line: 2, names: ['b.test'] },
  ]);
});

test('every line that cannot be issued is named before anything is asked for', () => {
  expect(() => read('ok.test\nfoo_bar.test\ncom\n')).toThrow(
    /domains\.txt has lines .* line 2: .*underscore.* line 3: .*public suffix/,
  );
  expect(() => read('# nothing\n')).toThrow(/has no names/);
});

describe('a run of many', () => {
  const sets = read('a.test\nb.test\nc.test\nd.test\n');
  const { signal } = new AbortController();

  /** A manager that notes what it is asked for. */
  function manager(issue: (name: string) => Promise<Partial<IssueResult>>, claimed: string[] = []) {
    const asked: string[] = [];
    const state = { withNames: (key: string) => (claimed.includes(key) ? [{ issuance: { holder: 'm2' } }] : []) };
    return {
      asked,
      state: state as never,
      async issue({ names: [name = ''] }: { readonly names: readonly string[] }) {
        asked.push(name);
        return { outcome: 'issued', certificateId: `id-${name}`, ...(await issue(name)) } as IssueResult;
      },
    };
  }

  test('goes on where one fails, and has the outcomes in the order of the file', async () => {
    const failing = manager(async (name) => {
      if (name === 'b.test') throw new Error('no TXT record');
      return name === 'c.test' ? { outcome: 'already-managed' } : {};
    });
    const told: string[] = [];
    const options = {
      request: {},
      parallel: 2,
      signal,
      onOutcome: ({ line }: { line: number }) => told.push(`${line}`),
    };
    const outcomes = await issueAll(failing, sets, options);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['issued', 'failed', 'already-managed', 'issued']);
    expect(outcomes[1]?.error).toMatchObject({ code: 'CERTBUS_UNEXPECTED', message: 'no TXT record' });
    expect(told.sort()).toEqual(['1', '2', '3', '4']);
  });

  test('takes last what another process is at work on', async () => {
    const { nameSetKey } = await import('@certbus/events');
    const busy = manager(async () => ({}), [nameSetKey(['a.test'])]);
    await issueAll(busy, sets, { request: {}, parallel: 1, signal, onOutcome() {} });
    expect(busy.asked).toEqual(['b.test', 'c.test', 'd.test', 'a.test']);
  });

  test('begins nothing once it is interrupted, and has what was made by then', async () => {
    const stop = new AbortController();
    const stopped = manager(async (name) => {
      if (name === 'a.test') {
        await once(stop.signal, 'abort');
        return {};
      }
      stop.abort(new Error('Ctrl-C'));
      throw stop.signal.reason;
    });
    const told: number[] = [];
    const onOutcome = ({ line }: { line: number }) => told.push(line);
    const outcomes = await issueAll(stopped, sets, { request: {}, parallel: 2, signal: stop.signal, onOutcome });
    expect(stopped.asked).toEqual(['a.test', 'b.test']);
    expect(outcomes).toMatchObject([{ line: 1, outcome: 'issued' }]);
    expect(told).toEqual([1]);
  });

  test('says how fast it is and when it ends, by what took time', () => {
    const start = new Date('2027-01-31T12:00:00Z');
    const tally = createTally(100, start);
    const after = (seconds: number) => new Date(start.getTime() + seconds * 1000);
    expect(tally.add({ outcome: 'already-managed' }, after(1))).toBe('1/100');
    expect(tally.add({ outcome: 'issued' }, after(1))).toBe('2/100, 1.0 a second, until about 12:01 UTC');
    expect(tally.add({ outcome: 'failed' }, after(120))).toBe('3/100, 1.0 a minute, until about 13:39 UTC');
  });

  test('names the day of an end that is not today', () => {
    const start = new Date('2027-01-31T12:00:00Z');
    const far = createTally(4_000, start).add({ outcome: 'issued' }, new Date(start.getTime() + 120_000));
    expect(far).toBe('1/4000, 0.5 a minute, until about Saturday 2027-02-06 01:20 UTC');
  });
});
