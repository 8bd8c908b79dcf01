/** The log of a step. Every text may come from outside: none of it can become a workflow command. */
export interface Log {
  /** Lines in the log of the step. */
  info(text: string): void
  /** Shown only with debug logging. */
  debug(text: string): void
  /** Lines that can be folded away. */
  group(title: string, text: string): void
  /** An annotation of the run. */
  notice(text: string): void
  warning(text: string): void
}

/**
 * The text without workflow commands. The runner runs a line as a command if it begins with `::` after white space (.NET's, which
 * has U+0085), or has `##[` anywhere (actions/runner, ActionCommand.cs). Its lines also end at carriage returns. A zero-width
 * space keeps the text readable.
 */
export function withoutCommands(text: string): string {
  return text.replace(/(^|[\r\n])((?:[^\S\r\n]|\u0085)*)::/g, '$1$2\u200b::').replaceAll('##[', '#\u200b#[')
}
