import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type BenchBalancer, haproxyIn, nginxIn } from './agent/balancers.ts';
import { type AgentMachine, createMachine, serialShown, timesUntilServed } from './agent/machine.ts';
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

type Target = BenchBalancer['target'];

/** Starts an agent and stops it; resolves with how long it took until its targets were up to date, milliseconds. */
async function passed(machine: AgentMachine, target: Target): Promise<number> {
  const agent = await machine.start([target]);
  await agent.stop();
  return agent.readyAfterMs;
}

/** How long a start takes that has something to do, beyond one that finds the same in place. */
async function extraMs(machine: AgentMachine, target: Target): Promise<number> {
  const took = await passed(machine, target);
  return took - (await passed(machine, target));
}

/**
 * `agent.haproxy.renewals` and `.verified`: one pass of the agent that renews all certificates of a HAProxy, against the bare socket
 * commands. The first compares fingerprints in HAProxy's memory, and has its files before the clock starts; the second writes and flushes
 * each file and makes a handshake for each name.
 */
export const agentHaproxyRenewals: Benchmark = async ({ quick }) => {
  const rounds = quick ? 2 : 7;
  const count = quick ? 50 : 1_000;
  const machine = await createMachine();
  try {
    const names = Array.from({ length: count }, (_, n) => nameOf(n));
    const { port, target, ...balancer } = await haproxyIn(machine.folder);
    const last = names.at(-1) ?? '';
    /** Renews all while no agent runs; what is run then has to show the last of them. */
    async function renewed(run: () => Promise<number>, prepare: Target): Promise<number> {
      let serial = '';
      for (const name of names) ({ serialNumber: serial } = await machine.bus.issue([name]));
      await passed(machine, prepare);
      if ((await serialShown(port, last)) === serial) throw new Error('it was renewed before the clock started');
      const took = await run();
      if ((await serialShown(port, last)) !== serial) throw new Error('it was ready before all were served');
      return took;
    }
    await issueMany(machine, count);
    await passed(machine, target);
    const service = await balancer.start();
    const byFingerprint: number[] = [];
    const verified: number[] = [];
    const controls: number[] = [];
    try {
      for (let round = 0; round < rounds; round += 1) {
        const bare = await bareRenewals({ port, target, ...balancer }, names);
        controls.push((await bareRenewals({ port, target, ...balancer }, names)) / bare);
        // One that does not reach HAProxy writes the files.
        const withFiles = { ...target, socket: `${balancer.socket}.missing` };
        byFingerprint.push((await renewed(() => extraMs(machine, target), withFiles)) / bare);
        // One that feeds nothing but a folder has the bus read and the keys opened.
        const withKeys = { type: 'files', folder: join(machine.folder, 'idle') };
        const shown = { ...target, address: `127.0.0.1:${port}` };
        verified.push((await renewed(() => extraMs(machine, shown), withKeys)) / bare);
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
      const agent = await machine.start([haproxy.target]);
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
