import { connect } from './connect.ts';

/** A client that prints its first alarm, or that it is live, with its health, and ends. */
const client = await connect(JSON.parse(process.argv[2] ?? '{}'));
const end = async (reason: string) => {
  process.stdout.write(`${reason} ${JSON.stringify(client.health())}\n`);
  await client.close();
};
client.on('alarm', (error) => void end(error.message)).on('live', () => void end('live'));
