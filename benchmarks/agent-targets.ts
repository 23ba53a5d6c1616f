import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type BenchBalancer, haproxyIn, nginxIn } from './agent/balancers.ts';
import { type AgentMachine, createMachine, serialShown, type Target, timesUntilServed } from './agent/machine.ts';
import { type Benchmark, type Figure, quantile } from './figure.ts';

const MANY = 10_000;
const nameOf = (n: number): string => `h${n}.agent.test`;

async function issueMany({ bus }: AgentMachine, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await bus.issue([nameOf(n)]);
}

const spread = (figure: string, samples: readonly number[], share: number, unit: Figure['unit']): Figure => ({
  figure,
  value: quantile(samples, share),
  unit,
  low: quantile(samples, 0.25),
  high: quantile(samples, 0.75),
  n: samples.length,
});

/** `agent.haproxy.served` and `agent.nginx.served`: from the commit to the served certificate, in processes of their own. */
export const agentServed: Benchmark = async ({ quick }) => {
  const renewals = quick ? 10 : 200;
  const figures: Figure[] = [];
  const kinds = { haproxy: haproxyIn, nginx: nginxIn };
  for (const [kind, open] of Object.entries(kinds)) {
    const machine = await createMachine();
    try {
      await issueMany(machine, 100);
      const balancer = await open(machine.folder);
      // HAProxy starts with the files that the agent wrote, nginx before the agent has somebody to tell.
      const service = kind === 'nginx' ? await balancer.start() : undefined;
      const agent = await machine.start([balancer.target]);
      const started = service ?? (await balancer.start());
      try {
        const times = await timesUntilServed(machine, { port: balancer.port, name: nameOf(0), renewals });
        figures.push(spread(`agent.${kind}.served`, times, 0.99, 'ms'));
      } finally {
        await agent.stop();
        await started.stop();
      }
    } finally {
      await machine[Symbol.asyncDispose]();
    }
  }
  return figures;
};

/** Sends commands to HAProxy as a careful script would: one connection, each answer awaited. */
async function bareRenewals({ socket, certificates }: BenchBalancer, names: readonly string[]): Promise<number> {
  const pems = names.map(
    (name) =>
      [join(certificates, `${name}.pem`), readFileSync(join(certificates, `${name}.pem`), 'utf8').trimEnd()] as const,
  );
  const connection = connect(socket).setEncoding('latin1');
  let text = '';
  let answered = () => {};
  connection.on('data', (chunk: string) => {
    text += chunk;
    if (text.endsWith('\n> ')) answered();
  });
  const ask = async (line: string) => {
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    text = '';
    connection.write(line);
    await answer;
    return text;
  };
  await ask('prompt\n');
  const began = performance.now();
  for (const [path, pem] of pems) {
    await ask(`set ssl cert ${path} <<\n${pem}\n\n`);
    const answer = await ask(`commit ssl cert ${path}\n`);
    if (!answer.includes('Success!')) throw new Error(answer);
  }
  const took = performance.now() - began;
  connection.destroy();
  return took;
}

/** How long a pass takes that has something to do, beyond one that finds the same in place, milliseconds. */
async function extraMs({ once }: AgentMachine, target: Target): Promise<number> {
  const took = await once([target], { isOffline: true });
  return took - (await once([target], { isOffline: true }));
}

/**
 * `agent.haproxy.renewals` and `.verified`: one pass of the agent that renews all certificates of a HAProxy, against the bare socket
 * commands with the same certificates. Before the clock starts the replica has all renewals. The first compares fingerprints in HAProxy's memory, and
 * has its files then as well; the second has the keys opened, writes and flushes each file, and makes a handshake for each name.
 */
export const agentHaproxyRenewals: Benchmark = async ({ quick }) => {
  const rounds = quick ? 2 : 7;
  const count = quick ? 50 : 1_000;
  const machine = await createMachine();
  try {
    const names = Array.from({ length: count }, (_, n) => nameOf(n));
    const balancer = await haproxyIn(machine.folder);
    const { port, target } = balancer;
    const last = names.at(-1) ?? '';
    /** Renews all while no agent runs, and resolves with how long a pass takes that gives them to HAProxy, against the bare commands. */
    async function ratio(withWork: Target, prepare: () => Promise<number>): Promise<number> {
      let serial = '';
      for (const name of names) ({ serialNumber: serial } = await machine.bus.issue([name]));
      await prepare();
      if ((await serialShown(port, last)) === serial) throw new Error('it was renewed before the clock started');
      const took = await extraMs(machine, withWork);
      if ((await serialShown(port, last)) !== serial) throw new Error('it was ready before all were served');
      const bare = await bareRenewals(balancer, names);
      controls.push((await bareRenewals(balancer, names)) / bare);
      return took / bare;
    }
    // One that does not reach HAProxy writes the files; one that feeds nothing but a folder opens the keys.
    const withoutSocket = { ...target, socket: `${balancer.socket}.missing` };
    const folderAlone = { type: 'files', folder: join(machine.folder, 'idle') };
    await issueMany(machine, count);
    await machine.once([withoutSocket], { isOffline: false, status: 10 });
    const service = await balancer.start();
    const byFingerprint: number[] = [];
    const verified: number[] = [];
    const controls: number[] = [];
    try {
      await machine.once([target], { isOffline: true });
      for (let round = 0; round < rounds; round += 1) {
        const writeFiles = () => machine.once([withoutSocket], { isOffline: false, status: 10 });
        byFingerprint.push(await ratio(target, writeFiles));
        const openKeys = () => machine.once([folderAlone], { isOffline: false });
        verified.push(await ratio({ ...target, address: `127.0.0.1:${port}` }, openKeys));
      }
    } finally {
      await service.stop();
    }
    const figureOf = (name: string, ratios: readonly number[]): Figure => ({
      ...spread(name, ratios, 0.5, 'x'),
      against: 'the bare socket commands on one connection',
      control: quantile(controls, 0.5),
    });
    return [figureOf('agent.haproxy.renewals', byFingerprint), figureOf('agent.haproxy.verified', verified)];
  } finally {
    await machine[Symbol.asyncDispose]();
  }
};

/** `agent.start`, `agent.memory`, `agent.nginx.fill`: an agent with many certificates. */
export const agentMany: Benchmark = async ({ quick }) => {
  const rounds = quick ? 2 : 7;
  const count = quick ? 500 : MANY;
  const machine = await createMachine();
  try {
    await issueMany(machine, count);
    const haproxy = await haproxyIn(machine.folder);
    const first = await machine.start([haproxy.target]);
    const balancer = await haproxy.start();
    await first.stop();
    const starts: number[] = [];
    const memory: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      // All of them, and at the first look.
      const agent = await machine.start([haproxy.target], new RegExp(`: ${count} certificates in place$`));
      starts.push(agent.readyAfterMs / 1_000);
      memory.push(agent.memory());
      await agent.stop();
    }
    await balancer.stop();

    const nginx = await nginxIn(machine.folder);
    const fills: number[] = [];
    let service = await nginx.start();
    const agent = await machine.start([nginx.target]);
    for (let round = 0; round < rounds; round += 1) {
      await service.stop();
      service = await nginx.start();
      const began = performance.now();
      while (!(await isFilled(nginx, count))) await new Promise((resolve) => setTimeout(resolve, 20));
      fills.push((performance.now() - began) / 1_000);
    }
    await agent.stop();
    await service.stop();
    return [
      spread('agent.start', starts, 0.5, 's'),
      spread('agent.memory', memory, 0.5, 'MB'),
      spread('agent.nginx.fill', fills, 0.5, 's'),
    ];
  } finally {
    await machine[Symbol.asyncDispose]();
  }
};

/** Whether nginx shows all of so many certificates; a hundred of them stand for all, in whatever order it is filled. */
async function isFilled({ port }: BenchBalancer, count: number): Promise<boolean> {
  for (let n = 0; n < count; n += Math.ceil(count / 100))
    if ((await serialShown(port, nameOf(n))) === undefined) return false;
  return true;
}
