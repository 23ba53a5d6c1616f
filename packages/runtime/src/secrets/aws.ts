/** Reads secrets from AWS: SSM Parameter Store and Secrets Manager. */
import { describeRefusedCredentials, isRefused } from '@certbus/store';
import { RuntimeError, type RuntimeErrorCode } from '../errors.ts';
import { withoutMark } from '../key-files.ts';
import { callOptions, type ReadOptions } from './call-options.ts';
import { type SecretReference, shownReference } from './reference.ts';

const PERMISSIONS = {
  ssm: 'ssm:GetParameter',
  secretsmanager: 'secretsmanager:GetSecretValue',
} as const satisfies Record<SecretReference['service'], string>;

/** Errors of both services and of the SDK that an operator can do something about, by name. */
const MEANING: Readonly<Record<string, readonly [RuntimeErrorCode, string]>> = {
  ParameterNotFound: [
    'CERTBUS_CLI_SECRET_MISSING',
    'this account and region do not have such a parameter. Are the name and the region right?',
  ],
  ParameterVersionNotFound: ['CERTBUS_CLI_SECRET_MISSING', 'the parameter does not have this version or label.'],
  ResourceNotFoundException: [
    'CERTBUS_CLI_SECRET_MISSING',
    'this account and region do not have such a secret, or it has no value yet. Are the name and the region right?',
  ],
  InvalidRequestException: ['CERTBUS_CLI_SECRET_MISSING', 'it is about to be deleted, or has no value.'],
  ThrottlingException: ['CERTBUS_CLI_SECRET_UNREACHABLE', 'the service is throttling.'],
  TooManyUpdates: ['CERTBUS_CLI_SECRET_UNREACHABLE', 'others write to it at the same time.'],
  DecryptionFailure: ['CERTBUS_CLI_SECRET_DENIED', 'its KMS key does not open it: the key is disabled or gone.'],
  InvalidKeyId: ['CERTBUS_CLI_SECRET_DENIED', 'its KMS key does not open it: the key is disabled or gone.'],
};

/** Errors for a name that the service does not take, such as one that AWS keeps for itself. */
const NAME_REFUSED = new Set(['ValidationException', 'InvalidParameterException']);

function meaningOf(error: unknown, permission: string): readonly [RuntimeErrorCode, string] {
  const name = error instanceof Error ? error.name : '';
  const message = error instanceof Error ? error.message : String(error);
  if (message === 'Region is missing')
    return [
      'CERTBUS_CLI_SECRET_REFERENCE_INVALID',
      'it names no region, and AWS_REGION is not set. Add "?region=…" to it.',
    ];
  const refused = describeRefusedCredentials(error);
  if (refused !== undefined) return ['CERTBUS_CLI_SECRET_DENIED', `the service ${refused}`];
  if (name === 'AccessDeniedException')
    return [
      'CERTBUS_CLI_SECRET_DENIED',
      `${message.replace(/\.?$/, '.')} It needs ${permission} on this name, and kms:Decrypt where it is encrypted with a KMS key of your own.`,
    ];
  const known = MEANING[name];
  if (known) return known;
  const said = message.replace(/\.?$/, '.');
  if (NAME_REFUSED.has(name)) return ['CERTBUS_CLI_SECRET_REFERENCE_INVALID', `the service refuses it: ${said}`];
  const happened = isRefused(error) ? 'the service refuses the request' : 'the service could not be reached';
  return ['CERTBUS_CLI_SECRET_UNREACHABLE', `${happened}: ${said}`];
}

/**
 * Reads the text that a reference names, without a closing line break or a byte order mark. The SDK of its service is imported on demand. Rejects with the signal's
 * reason, `CERTBUS_CLI_SECRET_MISSING`, `CERTBUS_CLI_SECRET_DENIED`, which names the role and the permission where AWS does,
 * `CERTBUS_CLI_SECRET_REFERENCE_INVALID` where there is no region, or, within about 15 s, `CERTBUS_CLI_SECRET_UNREACHABLE`.
 */
export async function readFromAws(reference: SecretReference, options: ReadOptions): Promise<string> {
  const { what, signal } = options;
  const attempt = `${what} cannot be read from ${shownReference(reference)}:`;
  let text = '';
  try {
    // An SDK takes a tenth of a second to load.
    const { read } = reference.service === 'ssm' ? await import('./ssm.ts') : await import('./secrets-manager.ts');
    text = (await read(reference, callOptions(reference, options))) ?? '';
  } catch (cause) {
    signal?.throwIfAborted();
    const [code, why] = meaningOf(cause, PERMISSIONS[reference.service]);
    throw new RuntimeError(code, `${attempt} ${why}`, { cause });
  }
  // A secret of blanks alone is a file that was empty when it was stored.
  if (withoutMark(text).trim() !== '') return withoutMark(text).replace(/\r?\n$/, '');
  throw new RuntimeError('CERTBUS_CLI_SECRET_MISSING', `${attempt} it has no text. Store the secret as text.`);
}

/**
 * Writes a parameter of SSM, in the place of what was there; a new one is a plain `String`. Rejects as {@link readFromAws}.
 */
export async function writeToAws(reference: SecretReference, text: string, options: ReadOptions): Promise<void> {
  const { what, signal } = options;
  try {
    const { write } = await import('./ssm.ts');
    await write(reference, text, callOptions(reference, options));
  } catch (cause) {
    signal?.throwIfAborted();
    const [code, why] = meaningOf(cause, 'ssm:PutParameter');
    throw new RuntimeError(code, `${what} cannot be written to ${shownReference(reference)}: ${why}`, { cause });
  }
}
