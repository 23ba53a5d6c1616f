/** Tests of the lines that the logger writes. */
import { expect, test } from 'vitest';
import { createLogger } from './logger.ts';

function logged(level: string | undefined): string[] {
  const lines: string[] = [];
  const logger = createLogger(level, (line) => lines.push(line));
  logger.debug('a');
  logger.info('b');
  logger.warn('the CA stumbled', { names: ['a.test'], why: 'no\nanswer \u001b[31m' });
  logger.error('d');
  return lines;
}

test('warnings are written with their details, on one line that moves no cursor', () => {
  expect(logged(undefined)).toEqual([
    'warning: the CA stumbled (names: ["a.test"]; why: no answer \ufffd[31m)',
    'error: d',
  ]);
});

test.each([
  ['debug', 4],
  ['DEBUG', 4],
  ['info', 3],
  ['error', 1],
  ['silent', 0],
  ['loud', 2],
])('at %s there are %s lines', (level, count) => {
  expect(logged(level)).toHaveLength(count);
});
