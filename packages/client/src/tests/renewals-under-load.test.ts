/** Renewals while clients keep asking: nothing fails, nothing older is shown again, and what was not renewed is not touched. */
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { shakeHands } from '../tls/tls.builders.ts';
import { checkReport, checkShown, startEdge } from './edge.builders.ts';
import { createSite, MANY_MINUTES } from './site.builders.ts';

const RENEWED = ['a.load.test', 'b.load.test', 'c.load.test', '*.wild.test'];
const QUIET = ['quiet.test', 'x.still.test'];
const ASKED = ['a.load.test', 'b.load.test', 'c.load.test', 'x.wild.test', 'y.wild.test', ...QUIET];
const CLIENTS = 4;

const title =
  'renewals under load: no handshake fails, nothing older is shown, sessions still resume, and other names keep their contexts';
test(title, MANY_MINUTES, async () => {
  const { renewals, handshakes } = sized({
    small: { renewals: 20, handshakes: 400 },
    full: { renewals: 500, handshakes: 30_000 },
  });
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const site = await createSite(folder.path);
  for (const name of [...RENEWED, 'quiet.test', '*.still.test']) await site.issue([name]);
  const { client, port } = await startEdge(site.options);
  const changed: string[] = [];
  client.on('changed', ({ names }) => changed.push(...names));
  const ca = site.bus.roots;
  const sessions = new Map<string, Buffer>();
  for (const name of ASKED) {
    const { session } = await shakeHands(port, name, { ca });
    if (session) sessions.set(name, session);
  }
  const quietContexts = await Promise.all(QUIET.map((name) => client.secureContextFor(name)));

  let isDone = false;
  let shown = 0;
  /** Shows each name in turn; each client has floors of its own, since handshakes of two may overlap. */
  async function ask(first: number): Promise<void> {
    const floors = new Map<string, number>();
    for (let n = first; !isDone; n += 1) {
      const report = client.health();
      checkReport(site, report);
      await checkShown(port, { site, floors, position: report.position }, [ASKED[n % ASKED.length] ?? '']);
      shown += 1;
    }
  }
  const asking = Promise.all(Array.from({ length: CLIENTS }, (_, n) => ask(n)));
  asking.catch(() => (isDone = true));
  for (let n = 1; n <= renewals && !isDone; n += 1) {
    site.clock.nowMs += 1_000;
    await site.issue([RENEWED[n % RENEWED.length] ?? '']);
    const wanted = (n * handshakes) / renewals;
    await expect.poll(() => isDone || shown >= wanted, { interval: 5 }).toBe(true);
  }
  await expect.poll(() => client.health().position, { interval: 5 }).toBe(site.history.head);
  isDone = true;
  await asking;

  expect(shown).toBeGreaterThanOrEqual(handshakes);
  await checkShown(port, { site, floors: new Map(), position: site.history.head }, ASKED);
  for (const [name, session] of sessions)
    expect([name, (await shakeHands(port, name, { ca, session })).reused]).toEqual([name, true]);
  for (const [n, name] of QUIET.entries()) expect(await client.secureContextFor(name)).toBe(quietContexts[n]);
  expect(changed.filter((name) => !RENEWED.includes(name))).toEqual([]);
  expect(changed).toHaveLength(renewals);
});
