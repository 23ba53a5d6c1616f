/** The command line of AWS. */
import { findPython, missingPython } from './python.ts';

const LOCK = 'aws-cli';
const NAME = 'the command line of AWS';

/** Why this machine cannot have it; `undefined` when it can. */
export const missingAwsCli = (): string | undefined => missingPython(LOCK, NAME);

/** Finds or installs it, and returns the Python that runs it: `PYTHON -m awscli`. */
export const findAwsCli = (): Promise<string> => findPython(LOCK, NAME);
