/** An agent whose replica was damaged, with its bus away and back: what does not read was not removed. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { createSite } from '../agent.builders.ts';
import { settled } from '../targets/tls.builders.ts';

interface Damaged {
  readonly certificateId: string;
  readonly leafHash: string;
}

/** Flips a bit wherever the file has the hash of a leaf: in the state of its certificate. */
function flip(path: string, { leafHash }: Damaged): void {
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(leafHash); at >= 0; at = bytes.indexOf(leafHash, at + 1))
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(path, bytes);
}

/** Changes what has no digest: the columns by which certificates are found. */
const change =
  (assignment: string) =>
  (path: string, { certificateId }: Damaged) => {
    const database = new DatabaseSync(path);
    database.prepare(`UPDATE certificates SET ${assignment} WHERE certificate_id = ?`).run(certificateId);
    database.close();
  };

test.each([
  ['the state of a certificate', flip],
  ['the mark of what was removed', change('removed = 1')],
  ['the id of a certificate', change("certificate_id = 'a' || certificate_id")],
] as const)(
  'damage in %s removes nothing from a target, with an alarm; what was removed goes once the bus is back',
  async (_, damage) => {
    const site = await createSite();
    for (const name of ['first.test', 'hit.test']) await site.bus.issue([name]);
    const gone = await site.bus.issue(['gone.test']);
    const folder = join(site.folder, 'certs');
    const target = { type: 'files', folder, layout: 'combined', default: 'hit.test' };
    const before = await site.start([target]);
    await before.started;
    const { certificates = {} } = before.status().targets[0] ?? {};
    await before.stop();
    const [hit] = Object.entries(certificates).flatMap(([certificateId, { names, leafHash }]) =>
      names[0] === 'hit.test' && leafHash ? [{ certificateId, leafHash }] : [],
    );
    if (!hit) throw new Error('hit.test is not in place');

    const [bus, away] = [join(site.folder, 'bus.db'), join(site.folder, 'away.db')];
    const bringBack = () => {
      if (existsSync(away)) renameSync(away, bus);
    };
    onTestFinished(bringBack);
    await site.bus.remove(gone.certificateId);
    renameSync(bus, away);
    const state = join(site.folder, 'state');
    const [replica = ''] = readdirSync(state).filter((name) => /^client-\w+\.db$/.test(name));
    damage(join(state, replica), hit);

    const files = () =>
      readdirSync(join(folder, 'current'))
        .filter((name) => name.endsWith('.pem'))
        .toSorted();
    const all = ['default.pem', 'first.test.pem', 'gone.test.pem', 'hit.test.pem'];
    const agent = await site.start([target]);
    await agent.started;
    await settled(() => expect(site.lines.join('\n')).toMatch(/^alarm: The replica is damaged/m));
    const current = () => agent.status().targets[0];
    if (damage === flip) await settled(() => expect(current()?.error?.code).toBe('CERTBUS_REPLICA_DAMAGED'));
    expect(files()).toEqual(all);

    bringBack();
    await settled(() => expect(files()).toEqual(all.filter((name) => name !== 'gone.test.pem')));
    await settled(() =>
      expect(current()).toMatchObject({ error: null, certificates: { [hit.certificateId]: { problem: null } } }),
    );
  },
);
