/** Every way the agent can fail; `docs/errors.md` says what to do about each. */
export type AgentErrorCode =
  | 'CERTBUS_AGENT_COMMAND_FAILED'
  | 'CERTBUS_AGENT_CONFIG_INVALID'
  | 'CERTBUS_AGENT_CONFIG_MISSING'
  | 'CERTBUS_AGENT_NOT_SERVED'
  | 'CERTBUS_AGENT_OTHER_USER'
  | 'CERTBUS_AGENT_PAIR_REFUSED'
  | 'CERTBUS_AGENT_TARGET_FAILED'
  | 'CERTBUS_AGENT_TARGET_REFUSED'
  | 'CERTBUS_AGENT_TARGET_TIMED_OUT'
  | 'CERTBUS_AGENT_UNHEALTHY';

/** A failure or an alarm of the agent. Branch on `code`, never on the message. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A command of the configuration that failed, `CERTBUS_AGENT_COMMAND_FAILED`. */
export class CommandError extends AgentError {
  /** The message without what the command said, which can be anything. */
  readonly summary: string;

  /** @param said what the command said, as a sentence; empty where that is not to be shown. */
  constructor(summary: string, said: string) {
    super('CERTBUS_AGENT_COMMAND_FAILED', said === '' ? summary : `${summary} ${said}`);
    this.summary = summary;
  }
}

/** What a command found where it did what it was asked and something is wrong, `CERTBUS_AGENT_UNHEALTHY`. */
export class UnhealthyError extends AgentError {
  readonly result: unknown;

  /** @param result what was found, for `--json`. */
  constructor(message: string, result: unknown) {
    super('CERTBUS_AGENT_UNHEALTHY', message);
    this.result = result;
  }
}
