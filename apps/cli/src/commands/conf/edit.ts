/** `certbus conf edit`: the configuration on the bus in an editor. */
import { printableJson } from '@certbus/events';
import type { ConfigureResult, Manager } from '@certbus/manager';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { describeChanges, documentOf, parseDocument } from '../../configuration-document.ts';
import { type Draft, openDraft } from '../../editor.ts';
import { CliError } from '../../errors.ts';
import { canAsk, confirm } from '../../prompt.ts';

const NOTHING: ConfigureResult['changes'] = { added: [], removed: [], changed: [] };

export default class ConfEdit extends SigningCommand {
  static override summary = 'Edit the configuration on the bus in your editor.';
  static override description =
    'Opens $VISUAL or $EDITOR, checks what was saved, shows what differs by path, and asks before it goes on the bus. Secrets read <redacted>, and keep their values. It is refused when somebody changed the configuration meanwhile; what you wrote is kept in its file.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    'EDITOR="code --wait" <%= config.bin %> <%= command.id %>',
  ];
  static override flags = { yes: YES_FLAG };

  async run(): Promise<ConfigureResult> {
    const { flags } = await this.parse(ConfEdit);
    const editor = process.env['VISUAL'] || process.env['EDITOR'];
    if (!editor) {
      const message = 'There is no editor: set EDITOR, or use "certbus conf display" and "certbus conf update".';
      throw new CliError('CERTBUS_CLI_USAGE', message);
    }
    return this.withManager(flags, (manager) => this.#edit(manager, { editor, yes: flags.yes }));
  }

  async #edit(
    manager: Manager,
    { editor, yes }: { readonly editor: string; readonly yes: boolean },
  ): Promise<ConfigureResult> {
    const { redactConfiguration } = await import('@certbus/manager');
    await manager.refresh({ signal: this.signal });
    const stored = await manager.configuration();
    if (!stored)
      throw new CliError('CERTBUS_CLI_USAGE', 'The bus has no configuration yet: use "certbus conf update".');
    const before = `${printableJson(documentOf(redactConfiguration(stored.json), stored.position), 2)}\n`;
    const draft = await openDraft(before, { name: 'configuration.json', editor });
    let isKept = true;
    try {
      const document = await this.#editUntilValid(draft);
      const changes = await this.#changesOf(before, document.json);
      if (Object.values(changes).every((paths) => paths.length === 0)) {
        isKept = false;
        this.log('nothing differs from what was there');
        return { position: stored.position, changes: NOTHING };
      }
      for (const line of describeChanges(changes)) this.show(line);
      await this.agree('Put this configuration on the bus?', { yes });
      const expectPosition = document.position ?? stored.position;
      const result = await manager.configure(document.json, { expectPosition, signal: this.signal });
      isKept = false;
      this.log(`the configuration is on the bus at position ${result.position}`);
      return result;
    } finally {
      if (isKept) this.warn(`what you wrote is in ${draft.path}`);
      else await draft.remove();
    }
  }

  /** What differs between two documents, by path; the position is none of it. */
  async #changesOf(before: string, json: unknown): Promise<ConfigureResult['changes']> {
    const { changesBetween } = await import('@certbus/manager');
    return changesBetween(parseDocument(before).json, json);
  }

  /** Opens the editor until what is saved can be put on the bus. Throws what is wrong with it where the person gives up. */
  async #editUntilValid(draft: Draft): Promise<ReturnType<typeof parseDocument>> {
    const { parseConfiguration } = await import('@certbus/manager');
    for (;;) {
      const text = await draft.edit();
      try {
        const document = parseDocument(text, 'What you wrote');
        parseConfiguration(document.json);
        return document;
      } catch (error) {
        if (!canAsk() || this.jsonEnabled()) throw error;
        this.progress(error instanceof Error ? error.message : String(error));
        if (!(await confirm('Edit it again?', this.signal))) throw error;
      }
    }
  }
}
