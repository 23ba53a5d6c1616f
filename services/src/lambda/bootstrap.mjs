/**
 * Runs a function of Node on Lambda's Runtime API, in place of AWS's own client, which has to be compiled: `node bootstrap.mjs index.handler`, in the
 * folder of the function.
 */
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const [host, port] = (process.env.AWS_LAMBDA_RUNTIME_API ?? '').split(':');
const agent = new Agent({ keepAlive: true });

function call(method, path, value) {
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, agent, method, path: `/2018-06-01/runtime${path}` }, (answer) => {
      text(answer).then((body) => resolve({ headers: answer.headers, body }), reject);
    });
    asked.on('error', reject).end(value === undefined ? undefined : JSON.stringify(value));
  });
}

const describe = ({ name, message, stack = '' }) => ({
  errorType: name,
  errorMessage: message,
  trace: stack.split('\n'),
});

async function load() {
  const [, file, name] = /^(.+)\.(\w+)$/.exec(process.argv[2] ?? '') ?? [];
  try {
    return (await import(pathToFileURL(join(process.cwd(), `${file}.js`)).href))[name];
  } catch (error) {
    await call('POST', '/init/error', describe(error));
    return process.exit(1);
  }
}

const handler = await load();
for (;;) {
  const { headers, body } = await call('GET', '/invocation/next');
  const awsRequestId = headers['lambda-runtime-aws-request-id'];
  const endsMs = Number(headers['lambda-runtime-deadline-ms']);
  const functionName = process.env.AWS_LAMBDA_FUNCTION_NAME;
  const context = { awsRequestId, functionName, getRemainingTimeInMillis: () => endsMs - Date.now() };
  try {
    const answer = await handler(JSON.parse(body), context);
    await call('POST', `/invocation/${awsRequestId}/response`, answer);
  } catch (error) {
    await call('POST', `/invocation/${awsRequestId}/error`, describe(error));
  }
}
