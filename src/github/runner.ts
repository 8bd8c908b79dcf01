import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { EOL } from 'node:os'
import * as core from '@actions/core'
import { isFixedValue } from '../domain/fixed-values.ts'
import { secretsIn } from '../masking/environment-secrets.ts'
import { formatLines } from '../masking/format.ts'
import { beginWithSecrets, hideSecrets, hideTexts, knownSecrets, withoutSecrets } from '../masking/known-secrets.ts'
import { MIN_SECRET } from '../text/secret-forms.ts'
import { type Log, withoutCommands } from './log.ts'

/** What the runner offers to an action. Only this file knows @actions/core. */
export interface Runner {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /**
   * Writes text to the log as it is, so it must have no workflow commands.
   *
   * @returns a promise that is resolved when it is written; undefined when it is already
   */
  print(text: string | Buffer): Promise<void> | undefined
  /** Begins lines that can be folded away, until `endGroup`. */
  startGroup(title: string): void
  endGroup(): void
  /** An input, trimmed; empty when it isn't set. */
  input(name: string): string
  /**
   * Sets an output, with secrets masked.
   *
   * @param isSafe whether they are masked already
   * @throws when the runner's file can't be written
   */
  output(name: string, value: string, isSafe?: boolean): void
  /** Saves a text for the post step of this action, in place of an earlier one. */
  saveState(name: string, value: string): void
  /** The saved text; empty when there is none. */
  state(name: string): string
  /** Adds HTML to the summary of the step. @throws when the runner's file can't be written */
  summarize(html: string): void
  /** Ends the step as failed, with one error annotation. */
  fail(message: string): void
  /**
   * Masks these from now on in everything that is shown. The credentials in the environment always are masked. A step also asks the
   * runner to mask them in the output of Node and other programs.
   */
  hide(secrets: Iterable<string>): void
  /** Masks texts that are no credentials, as a whole only: a part of one may be an id that an output needs. */
  mask(texts: Iterable<string>): void
  /** The secrets that are masked. */
  readonly secrets: ReadonlySet<string>
  /** The text with secrets masked. */
  redact(text: string): string
}

/** GitHub shows no more of an annotation. */
export const ANNOTATION_CHARACTERS = 4_096
/** Above the request of a dry run, with all texts escaped. */
const LOG_CHARACTERS = 128 * 1024

/**
 * The runner that started this process.
 *
 * @param reader who reads the standard output. In a file, a command to mask a secret would reveal it
 */
export function currentRunner(reader: 'runner' | 'file' = 'runner'): Runner {
  beginWithSecrets(secretsIn(process.env))
  const line = (text: string): string => withoutCommands(formatLines(text, LOG_CHARACTERS))
  const annotation = (text: string): string => formatLines(text, ANNOTATION_CHARACTERS)
  const masked = new Set<string>()
  const mask = (secret: string): void => {
    if (reader === 'file') return
    // The runner masks each line of a secret, even a single bracket.
    for (const line of secret.split(/[\r\n]+/).map((each) => each.trim())) {
      if (line.length < MIN_SECRET || masked.has(line)) continue
      masked.add(line)
      core.setSecret(line)
    }
  }
  return {
    env: process.env,
    log: {
      info: (text) => core.info(line(text)),
      debug: (text) => {
        if (core.isDebug()) core.debug(formatLines(text, LOG_CHARACTERS))
      },
      group(title, text) {
        core.startGroup(line(title))
        if (text !== '') core.info(line(text))
        core.endGroup()
      },
      notice: (text) => core.notice(annotation(text)),
      warning: (text) => core.warning(annotation(text)),
    },
    print(text) {
      let [isWritten, resolve] = [false, (): void => undefined]
      process.stdout.write(text, () => {
        isWritten = true
        resolve()
      })
      if (process.stdout.writableLength === 0) return undefined
      return new Promise((done) => {
        if (isWritten) done()
        else resolve = done
      })
    },
    startGroup: (title) => core.startGroup(line(title)),
    endGroup: core.endGroup,
    input: core.getInput,
    output: (name, value, isSafe = isFixedValue(value)) => core.setOutput(name, isSafe ? value : withoutSecrets(value)),
    saveState: core.saveState,
    state: core.getState,
    summarize(html) {
      // Not by core.summary, which has Node load its promises for files, and those its REPL (3 ms). The runner has made the file.
      const file = openSync(process.env['GITHUB_STEP_SUMMARY'] ?? '', constants.O_WRONLY | constants.O_APPEND)
      try {
        writeFileSync(file, withoutSecrets(html) + EOL)
      } finally {
        closeSync(file)
      }
    },
    fail: (message) => core.setFailed(annotation(message)),
    hide(more) {
      const secrets = [...more]
      hideSecrets(secrets)
      secrets.forEach(mask)
    },
    mask(more) {
      const texts = [...more]
      hideTexts(texts)
      texts.forEach(mask)
    },
    secrets: knownSecrets(),
    redact: withoutSecrets,
  }
}
