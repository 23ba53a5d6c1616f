/** What works inside vitest only. */
export { isFull, sized } from './counts.ts';
export { useCredentialsFile } from './credentials-file.ts';
export {
  type Bundled,
  bundledAgent,
  bundledCommandLine,
  bundledProgram,
  drawCredentials,
  sharedDynamoDbLocal,
  usePacked,
} from './shared.ts';
