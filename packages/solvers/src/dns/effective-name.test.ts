import { expect, test } from 'vitest';
import { effectiveName } from './effective-name.ts';

const chain = (length: number) => ({
  cname: async (name: string) => {
    const at = Number(name.slice(1));
    return at < length ? `n${at + 1}` : undefined;
  },
});

test('a name without a CNAME is its own end', async () => {
  expect(await effectiveName('n0', chain(0))).toBe('n0');
});

test('eight CNAMEs are followed, nine are told', async () => {
  expect(await effectiveName('n0', chain(8))).toBe('n8');
  await expect(effectiveName('n0', chain(9))).rejects.toThrow(/are more than 8: n0 -> n1/);
});

test('a circle is told as it is', async () => {
  const circle = { cname: async (name: string) => (name === 'a' ? 'b' : 'a') };
  await expect(effectiveName('a', circle)).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining('lead in a circle: a -> b -> a'),
  });
});
