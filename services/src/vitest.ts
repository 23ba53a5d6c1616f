/** What works inside vitest only. */
export { isFull, sized } from './counts.ts';
export {
  type Bundled,
  bundledAgent,
  bundledCommandLine,
  bundledProgram,
  drawCredentials,
  sharedDynamoDbLocal,
  usePacked,
} from './shared.ts';
