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

/** `agent.haproxy.verified`: renewals on the bus until all are served, files, comparison and handshake each, against the bare socket commands. */
export const agentHaproxyRenewals: Benchmark = async ({ quick }) => {
  const rounds = quick ? 2 : 7;
  const count = quick ? 50 : 1_000;
  const machine = await createMachine();
  try {
    const names = Array.from({ length: count }, (_, n) => nameOf(n));
    await issueMany(machine, count);
    const balancer = await haproxyIn(machine.folder);
    const first = await machine.start([balancer.target]);
    const service = await balancer.start();
    await first.stop();
    const ratios: number[] = [];
    const controls: number[] = [];
    try {
      for (let round = 0; round < rounds; round += 1) {
        const bare = await bareRenewals(balancer, names);
        controls.push((await bareRenewals(balancer, names)) / bare);
        // Renewed while no agent runs: what is measured is its one pass.
        const last = names.at(-1) ?? '';
        let serial = '';
        for (const name of names) ({ serialNumber: serial } = await machine.bus.issue([name]));
        const idle = await machine.start([{ type: 'files', folder: join(machine.folder, 'idle') }]);
        await idle.stop();
        const empty = await machine.start([{ type: 'files', folder: join(machine.folder, 'idle') }]);
        await empty.stop();
        const agent = await machine.start([balancer.target]);
        if ((await serialShown(balancer.port, last)) !== serial) throw new Error('it was ready before all were served');
        await agent.stop();
        ratios.push((agent.readyAfterMs - empty.readyAfterMs) / bare);
      }
    } finally {
      await service.stop();
    }
    const figure: Figure = {
      ...spread('agent.haproxy.verified', ratios, 0.5, 'x'),
      against: 'the bare socket commands on one connection',
      control: quantile(controls, 0.5),
    };
    return [figure];
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
