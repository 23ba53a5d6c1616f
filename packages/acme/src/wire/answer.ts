/** What a CA's HTTP answer means: a resource, a refusal, or something that is not ACME. */
import { AcmeError } from '../errors.ts';
import type { HttpResponse } from './http.ts';
import { linked, parseLinks } from './links.ts';
import { AcmeProblemError, isPaused, type Problem, parseProblem, shortType } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';

/** An answer that is not a refusal, as acme-client's resource layer reads it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly data: unknown;
  readonly retryAfter: Date | undefined;
}

/** What was asked. */
export interface Question {
  /** URL of the CA's directory. */
  readonly directory: string;
  readonly url: string;
  /** What it is to people, such as `newOrder`. */
  readonly name: string;
  readonly now: Date;
}

const HTML = /^\s{0,1000}<(!doctype|html|\?xml|head|body)/i;
const DAY_MS = 86_400_000;
/** Longest address of another place in a message. */
const MAX_TARGET = 300;

function isChain({ headers }: HttpResponse): boolean {
  return headers['content-type']?.startsWith('application/pem-certificate-chain') ?? false;
}

function parseBody(response: HttpResponse): unknown {
  const { text } = response;
  if (isChain(response)) return text;
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `CERTBUS_ACME_NOT_ACME` with the status of what answered in a problem document's place. */
export class NotAcmeAnswerError extends AcmeError {
  override readonly name = 'NotAcmeAnswerError';
  /** HTTP status. */
  readonly status: number;

  constructor(message: string, status: number) {
    super('CERTBUS_ACME_NOT_ACME', message);
    this.status = status;
  }
}

/** Where a redirect leads, without what a URL can carry of secrets. */
function redirectTarget(location: string, url: string): string {
  const target = URL.parse(location, url);
  return target ? `${target.origin}${target.pathname}`.slice(0, MAX_TARGET) : 'something that is not a URL';
}

function notAcme({ status, text, headers }: HttpResponse, { directory, url }: Question): AcmeError {
  if (status >= 300 && status < 400 && headers.location !== undefined) {
    const advice =
      url === directory
        ? 'If that is the directory of this CA, set it as the directory'
        : 'Check that no proxy is between';
    const target = redirectTarget(headers.location, url);
    const message = `The CA at ${directory} redirects to ${target} (HTTP ${status}), and redirects are not followed. ${advice}.`;
    return new NotAcmeAnswerError(message, status);
  }
  const what = HTML.test(text) ? 'a web page' : 'something that is not JSON';
  const message = `The CA at ${directory} answered ${what} (HTTP ${status}). Check that this is an ACME directory, and no proxy is between.`;
  return new NotAcmeAnswerError(message, status);
}

function problemIn(response: HttpResponse, body: unknown, question: Question): Problem {
  const { status, text } = response;
  const problem = parseProblem(body, status);
  if (problem) return problem;
  const isBlank = text.trim() === '' || status >= 500 || status === 429;
  if (!isBlank) throw notAcme(response, question);
  return { type: 'about:blank', detail: 'no reason given', status, subproblems: [] };
}

/** The nonce was not accepted (RFC 8555 §6.5): another one may be. */
export function isBadNonce(response: HttpResponse): boolean {
  if (response.status !== 400) return false;
  const problem = parseProblem(parseBody(response), 400);
  return problem !== undefined && shortType(problem.type) === 'badNonce';
}

function refusal(response: HttpResponse, body: unknown, question: Question): AcmeProblemError {
  const { directory, url, name, now } = question;
  const { headers } = response;
  const problem = problemIn(response, body, question);
  const retryAfter = parseRetryAfter(headers['retry-after'], now);
  // A person has to act first; a day is Let's Encrypt's own measure of patience.
  const isPause = isPaused(problem, retryAfter);
  const notBefore = isPause ? new Date(now.getTime() + DAY_MS) : retryAfter;
  const [terms] = linked(parseLinks(headers.link, url), 'terms-of-service');
  const attempt = `The CA at ${new URL(directory).host} refused ${name}`;
  const location = headers.location && URL.parse(headers.location, url);
  return new AcmeProblemError(problem, {
    attempt,
    url,
    notBefore,
    isPause,
    ...(terms ? { terms } : {}),
    ...(location ? { location: location.href } : {}),
  });
}

/** Reads an answer. Throws an `AcmeProblemError` for a refusal, `CERTBUS_ACME_NOT_ACME` for what is not ACME, redirects included. */
export function readAnswer(response: HttpResponse, question: Question): Answer {
  const { status, headers } = response;
  const data = parseBody(response);
  if (status >= 400) throw refusal(response, data, question);
  if (status >= 300 || (typeof data === 'string' && !isChain(response))) throw notAcme(response, question);
  return { status, headers, data, retryAfter: parseRetryAfter(headers['retry-after'], question.now) };
}
