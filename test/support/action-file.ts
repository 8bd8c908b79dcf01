import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

/** The root of the repository. */
export const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** The parts of an action.yml that a runner needs. */
export interface ActionFile {
  readonly name: string
  readonly description: string
  readonly inputs: Readonly<Record<string, { description: string; required?: boolean; default?: string }>>
  readonly outputs: Readonly<Record<string, { description: string }>>
  readonly runs: { readonly using: string; readonly main: string; readonly post?: string; readonly pre?: string }
}

/** The contexts for expressions in the defaults of inputs (in actions/runner: github, job, runner, strategy, matrix). */
export type Contexts = Readonly<Record<string, Readonly<Record<string, string | number | undefined>>>>

const read = new Map<string, ActionFile>()

/** Reads the action.yml of a folder of this repository, '.' for the root action. */
export function readActionFile(folder: string): ActionFile {
  const action = read.get(folder) ?? (parse(readFileSync(join(REPOSITORY, folder, 'action.yml'), 'utf8')) as ActionFile)
  read.set(folder, action)
  return action
}

/**
 * The environment variables that actions/runner sets for inputs (ActionRunner.cs): the given values unchanged, and the
 * defaults of the others, evaluated with the current contexts.
 */
export function inputVariables(
  action: ActionFile,
  given: Readonly<Record<string, string>>,
  contexts: Contexts,
): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const [name, input] of Object.entries(action.inputs)) {
    variables[variableOf(name)] = evaluate(input.default ?? '', contexts)
  }
  for (const [name, value] of Object.entries(given)) variables[variableOf(name)] = value
  return variables
}

function variableOf(input: string): string {
  return `INPUT_${input.replaceAll(' ', '_').toUpperCase()}`
}

/** Evaluates `${{ context.property }}`, the only form in the defaults. A missing property is empty, as on GitHub. */
function evaluate(text: string, contexts: Contexts): string {
  return text.replace(/\$\{\{(.*?)\}\}/g, (_, expression: string) => {
    const path = /^\s*(\w+)\.([\w-]+)\s*$/.exec(expression)
    if (!path) throw new Error(`this test runner can't evaluate the expression ${expression}`)
    const [, context = '', property = ''] = path
    if (!(context in contexts)) throw new Error(`the context ${context} is not there for input defaults`)
    return String(contexts[context]?.[property] ?? '')
  })
}
