import { randomUUID } from 'node:crypto'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '../masking/error-message.ts'
import { quoteValue } from '../masking/format.ts'
import { readSmallFile } from '../util/regular-file.ts'

/** The runner's file commands, and whether their files have names with values (GitHub, "Workflow commands"). */
const FILE_COMMANDS: readonly (readonly [variable: string, hasValues: boolean])[] = [
  ['GITHUB_OUTPUT', true],
  ['GITHUB_ENV', true],
  ['GITHUB_PATH', false],
  ['GITHUB_STEP_SUMMARY', false],
]

/** The variables of the file commands. */
export const FILE_COMMAND_VARIABLES: readonly string[] = FILE_COMMANDS.map(([variable]) => variable)

/** Outputs of a job may have 1 MB, and a summary 1 MiB (GitHub, "Usage limits"). A larger file is an accident. */
const MAX_BYTES = 8 * 1024 * 1024

/**
 * Files of one command, in place of those of the step: what it leaves unfinished must not swallow what others write, such as the
 * outputs of the action.
 */
export class FileCommands {
  /** The variables for the command. */
  readonly variables: Readonly<Record<string, string>>
  readonly #env: Readonly<Record<string, string | undefined>>

  /** @param env of the step. A file command that it does not have is not offered */
  constructor(folder: string, env: Readonly<Record<string, string | undefined>>) {
    this.#env = env
    const offered = FILE_COMMAND_VARIABLES.filter((variable) => env[variable])
    this.variables = Object.fromEntries(
      offered.map((variable) => {
        const file = join(folder, `${variable.toLowerCase()}-${randomUUID()}`)
        writeFileSync(file, '', { mode: 0o600 })
        return [variable, file]
      }),
    )
  }

  /**
   * Adds what the command wrote to the files of the step. Of a file that is not valid, the part before the mistake is added.
   *
   * @returns a sentence for each problem
   */
  passOn(): string[] {
    return FILE_COMMANDS.flatMap(([variable, hasValues]) => {
      const [own, step] = [this.variables[variable], this.#env[variable]]
      if (own === undefined || !step) return []
      try {
        const text = readLimited(own)
        const { valid, problem } = hasValues ? checkValues(text) : { valid: lines(text), problem: undefined }
        if (valid !== '') appendFileSync(step, valid)
        return problem === undefined ? [] : [`The command wrote ${variable} in an invalid format: ${problem}`]
      } catch (error) {
        return [`Could not pass on what the command wrote to ${variable}: ${errorMessage(error)}.`]
      }
    })
  }
}

/** Empty when the file is gone, as for the runner. @throws Error when it is none, or too large */
function readLimited(path: string): string {
  try {
    const text = readSmallFile(path, { limit: MAX_BYTES, larger: 'reject', check: () => undefined })
    return text.replace(/^\ufeff/, '')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** The text with an end of its last line. */
function lines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

/**
 * The entries of a file of names and values, by the runner's rules (actions/runner, FileCommandManager.cs): `name=value`, or
 * `name<<delimiter`, lines of the value, and the delimiter.
 *
 * @returns the entries before a mistake, written again, and the mistake as a sentence
 */
export function checkValues(text: string): { valid: string; problem: string | undefined } {
  // No value has it.
  const delimiterOfEntries = `ghadelimiter_${randomUUID()}`
  const entry = (name: string, value: string): string =>
    `${name}<<${delimiterOfEntries}\n${value}\n${delimiterOfEntries}\n`
  const raw = text.split('\n')
  const all = raw.map((line) => line.replace(/\r$/, ''))
  const entries: string[] = []
  const result = (problem?: string) => ({ valid: entries.join(''), problem })
  for (let at = 0; at < all.length; at++) {
    const line = all[at] ?? ''
    if (line === '') continue
    const [equals, heredoc] = [line.indexOf('='), line.indexOf('<<')]
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      const name = line.slice(0, equals)
      if (name === '') return result(`line ${at + 1} has no name: ${quoteValue(line, 80)}.`)
      entries.push(entry(name, line.slice(equals + 1)))
      continue
    }
    if (heredoc < 0) return result(`line ${at + 1} has neither "=" nor "<<": ${quoteValue(line, 80)}.`)
    const [name, delimiter] = [line.slice(0, heredoc), line.slice(heredoc + 2)]
    if (name === '' || delimiter === '') {
      return result(`line ${at + 1} has no name or no delimiter: ${quoteValue(line, 80)}.`)
    }
    const end = all.indexOf(delimiter, at + 1)
    if (end < 0) return result(`the value of ${quoteValue(name, 80)} has no end ${quoteValue(delimiter, 80)}.`)
    const value = raw.slice(at + 1, end).join('\n')
    entries.push(entry(name, value.replace(/\r$/, '')))
    at = end
  }
  return result()
}
