/** The chapters of the demo, in the order in which they are shown. */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { Decrypter } from 'age-encryption';
import { initFlags } from '../local-ca.ts';
import { until } from './requests.ts';
import type { Stage } from './stage.ts';

const WILDCARD = 'demo.test';
const SHOP = 'shop.test';

/** Keys, bus, configuration, and two servers that have nothing to serve yet. */
export async function setUp({ narrator, programs, local, folder, hosts, ports, servers }: Stage): Promise<void> {
  narrator.step('Make keys and an embedded bus (one SQLite file), and start two load balancers on it');
  await programs.certbus('init', '--dir', folder, ...initFlags(local));
  narrator.say('certbus init made the keys of a root, a manager, the load balancers and a backup');
  await local.setAddress(SHOP, hosts.one);
  await local.setAddress(`www.${SHOP}`, hosts.two);
  for (const [name, host] of Object.entries(hosts)) {
    servers.push(await programs.startServer({ name, host, ...ports }));
    narrator.say(
      `server ${name}: https://${isIPv6(host) ? `[${host}]` : host}:${ports.port}, a replica of its own, and no credentials but its key`,
    );
  }
}

/** One certificate over DNS-01, one over HTTP-01, and requests to both servers by every name. */
export async function issue({
  narrator,
  programs,
  servers,
  visitor,
}: Stage): Promise<{ wildcardId: string; shopId: string }> {
  narrator.step(`Issue a wildcard for ${WILDCARD} over DNS-01`);
  const wildcardId = await programs.certbus('cert', 'mk', '--wildcard', WILDCARD);
  narrator.say(`certificate ${wildcardId} is on the bus`);
  narrator.step(`Issue ${SHOP} and www.${SHOP} over HTTP-01, answered by the servers themselves`);
  narrator.say(
    `${SHOP} is server one and www.${SHOP} is server two: each answers from the bus, nobody told it a token`,
  );
  const shopId = await programs.certbus('cert', 'mk', '--challenge', 'http-01', SHOP);
  narrator.say(`certificate ${shopId} is on the bus`);

  narrator.step('Ask both servers by several names, trusting only the CA');
  const names = [WILDCARD, `www.${WILDCARD}`, `any.${WILDCARD}`, SHOP, `www.${SHOP}`];
  for (const server of servers) {
    const isThere = () =>
      visitor.probe(server, SHOP).then(
        () => true,
        () => false,
      );
    const answered =
      (await until(isThere)) && (await Promise.all(names.map((name) => visitor.visit(server, name)))).length;
    narrator.check(`server ${server.name} answers for ${names.join(', ')}`, { holds: answered === names.length });
  }
  return { wildcardId, shopId };
}

/** A renewal under load: the serial number changes on both servers, and nobody notices. */
export async function renewUnderLoad(
  { narrator, programs, servers, visitor, busLog, swaps }: Stage,
  id: string,
): Promise<void> {
  narrator.step(`Renew ${WILDCARD} while requests go on`);
  const name = `www.${WILDCARD}`;
  const load = visitor.keepVisiting(servers, name);
  await until(() => servers.every((server) => load.firstSeen(server).size === 1));
  await programs.certbus('cert', 'renew', id, '--yes');
  const isSwapped = await until(() => servers.every((server) => load.firstSeen(server).size === 2));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await load.stop();
  const commit = (await busLog()).findLast(({ events }) => events.some(({ type }) => type === 'CertificateObtained'));
  for (const server of servers) {
    const [[before] = ['none'], [after, at] = ['none', Number.NaN]] = [...load.firstSeen(server)];
    swaps.push({ server: server.name, before, after, servedAfterMs: at - Date.parse(commit?.at ?? '') });
    narrator.say(`server ${server.name}: ${before} until the renewal, then ${after}`);
  }
  narrator.check('both servers show the new serial number', {
    holds: isSwapped && new Set(swaps.map(({ after }) => after)).size === 1,
  });
  narrator.check(`${load.made} requests were made meanwhile, and none failed`, {
    holds: load.errors.length === 0 && load.made > 50,
  });
  for (const error of load.errors.slice(0, 3)) narrator.say(error);
}

/** SIGKILL in the middle of an order: the next run finishes it. */
export async function killManager({ narrator, programs, local }: Stage): Promise<void> {
  narrator.step('Kill a manager with SIGKILL after its order was recorded, and run it again');
  const before = await local.ca.orders();
  const args = ['cert', 'mk', '--subdomain', 'killed.test'];
  const { status } = await programs.killWhenItSays('the CA has the order', ...args);
  narrator.check('it was killed in the middle', { holds: status === null });
  const id = await programs.certbus(...args, '--take-over');
  narrator.check(`the second run finished what the first began: certificate ${id}`, { holds: id.length > 0 });
  const orders = (await local.ca.orders()) - before;
  narrator.check(`the CA, by its own count, saw ${orders} order for both runs`, { holds: orders === 1 });
}

async function canOpen(sealed: string, keyFile: string): Promise<boolean> {
  const identity = readFileSync(keyFile, 'utf8')
    .split('\n')
    .find((line) => line.startsWith('AGE-SECRET-KEY-'));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity ?? '');
  return decrypter.decrypt(Buffer.from(sealed, 'base64')).then(
    () => true,
    () => false,
  );
}

/** A thief of all of a manager's keys can read no private key, not even from the past. */
export async function tryManagerKeys({ narrator, busLog, folder }: Stage): Promise<void> {
  narrator.step("Try the manager's key on every private key on the bus");
  const withKeys = ['IssuanceStarted', 'CertificateObtained'];
  const sealed = (await busLog()).flatMap(({ events }) =>
    events.flatMap(({ type, sealedKey }) => (withKeys.includes(type) && sealedKey ? [sealedKey] : [])),
  );
  const opened = async (file: string) =>
    (await Promise.all(sealed.map((key) => canOpen(key, join(folder, file))))).filter(Boolean).length;
  const byManager = await opened('manager.key');
  narrator.check(`of ${sealed.length} sealed private keys the manager's key opens ${byManager}`, {
    holds: sealed.length > 0 && byManager === 0,
  });
  narrator.check("the load balancers' key opens each, and so does the backup's", {
    holds: (await opened('loadbalancer.key')) === sealed.length && (await opened('backup.key')) === sealed.length,
  });
}

/** A removed certificate is gone from both servers. */
export async function remove({ narrator, programs, servers, visitor }: Stage, id: string): Promise<void> {
  narrator.step(`Remove the certificate of ${WILDCARD}`);
  await programs.certbus('cert', 'rm', id, '--yes');
  for (const server of servers) {
    const isRefused = () =>
      visitor.probe(server, `www.${WILDCARD}`).then(
        () => false,
        () => true,
      );
    narrator.check(`server ${server.name} refuses www.${WILDCARD}`, { holds: await until(isRefused) });
    narrator.check(`server ${server.name} still answers for ${SHOP}`, {
      holds: await visitor.visit(server, SHOP).then(
        () => true,
        () => false,
      ),
    });
  }
}

/** The bus is away, also across a restart; then it is back. */
export async function outage(
  { narrator, programs, servers, visitor, moveBus, hosts, ports, busLog }: Stage,
  shopId: string,
): Promise<void> {
  narrator.step('Move the bus away, restart a server, and bring the bus back');
  moveBus('away');
  await servers[1]?.stop();
  const restarted = await programs.startServer({ name: 'two', host: hosts.two, ...ports });
  servers[1] = restarted;
  const old = await visitor.visit(restarted, SHOP).catch(() => 'none');
  narrator.check(`server two, restarted without the bus, serves ${SHOP} from its replica`, { holds: old !== 'none' });
  moveBus('back');
  await programs.certbus('cert', 'renew', shopId, '--yes');
  const serial = (await busLog())
    .flatMap(({ events }) => events.filter(({ type }) => type === 'CertificateObtained'))
    .at(-1)?.serialNumber;
  for (const server of servers) {
    const isNew = async () => (await visitor.probe(server, SHOP)) === serial;
    narrator.check(`server ${server.name} caught up: it shows ${serial}`, { holds: await until(isNew) });
  }
}
