import {
  ACME_CLIENT_VERSION,
  ACMEZ_VERSION,
  type OpenContender,
  openAcmeClient,
  openAcmez,
  openCertBus,
} from './acme/contender.ts';
import { LEGO_VERSION, openLego } from './acme/lego.ts';
import { openRacer, type Racer } from './acme/racer.ts';
import type { Site } from './acme/site.ts';
import type { Benchmark } from './figure.ts';
import { interleave, ratioOf } from './slices.ts';

const ROUNDS = 9;
const ORDERS = 40;
/** lego takes seconds for an order: a slice is one for each of its processes. */
const LEGO_ORDERS = 10;
/** How many orders a process of Node has to see before its compilers have seen everything. */
const WARM_UP = 200;

/** Orders a second in slices of one racer, and how many were lost in all of them. */
function runner(racer: Racer, orders: number) {
  let lost = 0;
  let ordered = 0;
  return {
    async rate(): Promise<number> {
      const outcome = await racer.order(orders);
      lost += outcome.lost.length;
      ordered += orders;
      for (const why of outcome.lost) console.error(`lost: ${why}`);
      return ((orders - outcome.lost.length) * 1_000) / outcome.ms;
    },
    lost: () => lost,
    what: (name: string) => (lost > 0 ? `${name}, which lost ${lost} of ${ordered}` : name),
  };
}

async function race(challenge: Site['challenge'], quick: boolean) {
  const racers: Racer[] = [];
  const start = async (open: OpenContender, orders = ORDERS, servesHttp = false) => {
    const racer = await openRacer(open, { challenge, servesHttp });
    racers.push(racer);
    if (orders === ORDERS) await racer.order(WARM_UP);
    return runner(racer, orders);
  };
  try {
    const certbus = await start(openCertBus);
    const acmeClient = await start(openAcmeClient);
    const acmez = await start(openAcmez);
    const lego = await start(openLego, LEGO_ORDERS, true);
    const contenders = {
      certbus: certbus.rate,
      acmeClient: acmeClient.rate,
      acmez: acmez.rate,
      lego: lego.rate,
      acmeClientAgain: acmeClient.rate,
      acmezAgain: acmez.rate,
      legoAgain: lego.rate,
    };
    const rates = await interleave(quick ? 2 : ROUNDS, contenders);
    if (certbus.lost() > 0) throw new Error(`CertBus lost ${certbus.lost()} orders`);
    const [figure, ours] = [`acme.orders.${challenge}`, rates.certbus];
    const { acmeClient: client, acmeClientAgain: clientAgain } = rates;
    return [
      ratioOf(figure, {
        against: acmeClient.what(`acme-client ${ACME_CLIENT_VERSION}`),
        ours,
        peer: client,
        again: clientAgain,
      }),
      ratioOf(`${figure}.lego`, {
        against: lego.what(`Debian's lego ${LEGO_VERSION}`),
        ours,
        peer: rates.lego,
        again: rates.legoAgain,
      }),
      ratioOf(`${figure}.acmez`, {
        against: acmez.what(`acmez ${ACMEZ_VERSION}`),
        ours,
        peer: rates.acmez,
        again: rates.acmezAgain,
      }),
    ];
  } finally {
    for (const racer of racers) await racer.close();
  }
}

/** `acme.orders.http-01`: orders a second of one name each, ten at a time, against Pebble with real validation. */
export const acmeOrdersHttp01: Benchmark = ({ quick }) => race('http-01', quick);

/** `acme.orders.dns-01`: the same of a wildcard and its parent, which share one TXT name. */
export const acmeOrdersDns01: Benchmark = ({ quick }) => race('dns-01', quick);
