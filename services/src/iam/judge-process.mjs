/**
 * Judges requests to AWS by IAM policies, as a program of its own: `node judge-process.mjs MODULE`, where MODULE is the URL of
 * `@cloud-copilot/iam-simulate`. It writes its port to standard output.
 */
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const { runSimulation } = await import(process.argv[2] ?? '');

const policyOf = (policy, name) => ({ name: String(name), policy });

async function judge({ principal, action, resource, account, context, policies, resourcePolicy, boundary }) {
  const simulation = {
    request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: policies.map(policyOf),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy,
    ...(boundary ? { permissionBoundaryPolicies: [policyOf(boundary, 'boundary')] } : {}),
  };
  const { overallResult, analysis, errors } = await runSimulation(simulation, {});
  const result = overallResult ?? analysis?.result;
  if (!result) throw new Error(JSON.stringify(errors));
  return { allowed: result === 'Allowed', result };
}

async function answer(request, response) {
  try {
    response.end(JSON.stringify(await judge(JSON.parse(await text(request)))));
  } catch (error) {
    response.writeHead(400).end(String(error));
  }
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
