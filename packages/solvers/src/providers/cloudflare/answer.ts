/** Reads the answers of Cloudflare's API. */
import { isRecord } from '@certbus/acme/solver-kit';

/** A record as the API tells it. */
export interface CloudflareRecord {
  readonly id: string;
  readonly name: string;
  readonly content: string;
}

/** Numbers of the errors in an answer's envelope. */
export function errorCodes(json: unknown): number[] {
  const errors = isRecord(json) && Array.isArray(json['errors']) ? json['errors'].filter(isRecord) : [];
  return errors.map(({ code }) => Number(code));
}

/** What the errors say. */
export function errorTexts(json: unknown): string {
  const errors = isRecord(json) && Array.isArray(json['errors']) ? json['errors'].filter(isRecord) : [];
  return errors.map(({ code, message }) => `${String(message)} (${String(code)})`).join('; ');
}

/** The result list of an answer. */
export function resultsIn(json: unknown): Record<string, unknown>[] {
  return isRecord(json) && Array.isArray(json['result']) ? json['result'].filter(isRecord) : [];
}

/** Records of a page. */
export function parseRecords(json: unknown): CloudflareRecord[] {
  return resultsIn(json).map(({ id, name, content }) => {
    return { id: String(id), name: String(name).toLowerCase(), content: String(content) };
  });
}

/** How many pages a list has. */
export function pagesIn(json: unknown): number {
  const about = isRecord(json) ? json['result_info'] : undefined;
  return isRecord(about) && typeof about['total_pages'] === 'number' ? about['total_pages'] : 1;
}

/** Whether a record's content is a value; Cloudflare keeps quotes where they were given. */
export const isValue = (content: string, value: string): boolean => content === value || content === `"${value}"`;
