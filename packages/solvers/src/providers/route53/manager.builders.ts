import { presentedChallenge } from '@certbus/acme';
import { startFastClock } from 'certbus-services';
import { createRoute53Solver } from './solver.ts';

/** Run as a program: presents, awaits and cleans up one value at a name again and again, and says "done". */
const [endpoint, dns = '', accessKeyId = '', name = '', rounds] = process.argv.slice(2);

const [, port] = dns.split(':');
const solver = createRoute53Solver({
  endpoint,
  credentials: { accessKeyId, secretAccessKey: 'made-up' },
  resolver: [dns],
  nameServerPort: Number(port),
  ...startFastClock(10),
});
const { signal } = new AbortController();
for (let round = 0; round < Number(rounds); round += 1) {
  const token = `${accessKeyId}-${round}`;
  const mine = presentedChallenge(name, { type: 'dns-01', url: '', status: 'pending', token }, 'thumbprint');
  await solver.present([mine], { signal });
  await solver.ready([mine], { signal });
  await solver.cleanUp([mine], { signal });
}
process.stdout.write('done\n');
