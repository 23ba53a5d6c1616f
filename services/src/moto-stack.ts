/** Deploys templates of CloudFormation to moto. */
import { fileURLToPath } from 'node:url';
import { findMoto, type Moto } from './moto.ts';
import { run } from './process.ts';

const PROGRAM = fileURLToPath(new URL('./moto-stack.py', import.meta.url));

/** Deploys the template in a file, with parameters, as the stack `certbus`, and asks each service what it has. */
export async function deployStack(
  { endpoint }: Pick<Moto, 'endpoint'>,
  template: string,
  { region, parameters }: { readonly region: string; readonly parameters: Readonly<Record<string, string>> },
): Promise<ReturnType<typeof JSON.parse>> {
  const python = await findMoto();
  return JSON.parse(await run(python, [PROGRAM, endpoint, region, template, JSON.stringify(parameters)]));
}
