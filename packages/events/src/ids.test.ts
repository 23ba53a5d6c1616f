import { expect, onTestFinished, test, vi } from 'vitest';
import { createId } from './ids.ts';

test('an id that a command line would take for a flag is not used', () => {
  const draw = vi.spyOn(crypto, 'getRandomValues');
  onTestFinished(() => draw.mockRestore());
  for (const drawn of ['-lqknnrjfdc', '-Y0_--aaaa0', 'lqknn-jfd_8'])
    draw.mockImplementationOnce((array) => {
      (array as unknown as Uint8Array).set(Buffer.from(drawn, 'base64url'));
      return array;
    });
  expect(createId()).toBe('lqknn-jfd_8');
});
