/** Tests that no part of a refused text is in the message. */
import { expect, test } from 'vitest';
import { jsonFaultOf } from './json-fault.ts';

const SECRET = 'hunter2-and-more-of-it';

test.each([
  `{"dns": [{"token": ${SECRET}, "zones": []}]}`,
  `${SECRET}`,
  `{"a": '${SECRET}'}`,
  `{"a": ${SECRET}`,
  `{"a": "${SECRET}\n"}`,
  `{"a": "${SECRET}" "b": 1}`,
  `"${SECRET}" is not valid JSON`,
])('what is wrong with %s is said without any of it', (text) => {
  let fault = '';
  try {
    JSON.parse(text);
  } catch (error) {
    fault = jsonFaultOf(error);
  }
  expect(fault).toMatch(/^(Unexpected|Expected|Bad)/);
  expect(fault).not.toMatch(/hunt|unter|and-more/);
});
