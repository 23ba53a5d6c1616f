/** Puts errors of the operating system about files and ports into words: what, where, and what to do. */
import { describeFileProblem, fileProblemOf } from '@certbus/store/sqlite-files';
import { CliError } from './errors.ts';

const PORT_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; stop it, or choose another port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'this user is not permitted to listen there; ports below 1024 need the capability CAP_NET_BIND_SERVICE',
};

/** A string or a number that Node puts on an error of the system. */
function field(
  error: Error,
  name: 'code' | 'syscall' | 'path' | 'dest' | 'address' | 'port' | 'hostname',
): string | undefined {
  const value: unknown = Reflect.get(error, name);
  return value === undefined ? undefined : String(value);
}

/** A name that the system found no address for, and what to do. */
const describeLookup = (host: string, code: string | undefined): string =>
  code === 'EAI_AGAIN'
    ? `${host}: DNS does not answer (EAI_AGAIN). Check the resolver of this machine, and try again.`
    : `${host} has no address (${code}). Check the name, or write an IP address.`;

/** An error of the system about a file or a port as one of the command line's own; any other error unchanged. */
export function explainSystemError(error: unknown): unknown {
  if (!(error instanceof Error) || field(error, 'syscall') === undefined) return error;
  if (field(error, 'syscall') === 'uv_cwd') {
    const what =
      'The folder that this command was started in does not exist any more. Change to another one, and run it again.';
    return new CliError('CERTBUS_CLI_FILE_PROBLEM', what, { cause: error });
  }
  // What is put in place was made under another name, which nobody typed.
  const path = field(error, 'dest') ?? field(error, 'path');
  if (path !== undefined && fileProblemOf(error, path)) {
    const what = `${path}: ${describeFileProblem(error, path)}.`;
    return new CliError('CERTBUS_CLI_FILE_PROBLEM', what, { cause: error });
  }
  const host = field(error, 'hostname');
  if (host !== undefined && field(error, 'syscall') === 'getaddrinfo')
    return new CliError('CERTBUS_CLI_PORT_PROBLEM', describeLookup(host, field(error, 'code')), { cause: error });
  const problem = field(error, 'syscall') === 'listen' ? PORT_PROBLEMS[field(error, 'code') ?? ''] : undefined;
  if (problem === undefined) return error;
  const where = [field(error, 'address'), field(error, 'port')].filter(Boolean).join(' port ');
  return new CliError('CERTBUS_CLI_PORT_PROBLEM', `${where}: ${problem} (${field(error, 'code')}).`, { cause: error });
}
