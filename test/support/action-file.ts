import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

/** The root of the repository. */
export const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** An action.yml, as far as a runner needs it. */
export interface ActionFile {
  readonly name: string
  readonly description: string
  readonly inputs: Readonly<Record<string, { description: string; required?: boolean; default?: string }>>
  readonly outputs: Readonly<Record<string, { description: string }>>
  readonly runs: { readonly using: string; readonly main: string; readonly post?: string; readonly pre?: string }
}

/** What expressions in the defaults of inputs may read (facts of actions/runner: github, job, runner, strategy, matrix). */
export type Contexts = Readonly<Record<string, Readonly<Record<string, string | number | undefined>>>>

/** Reads the action.yml of a folder of this repository, '.' for the root action. */
export function readActionFile(folder: string): ActionFile {
  return parse(readFileSync(join(REPOSITORY, folder, 'action.yml'), 'utf8')) as ActionFile
}

/**
 * The environment variables that actions/runner makes of inputs (ActionRunner.cs): the given ones as they are, and the
 * defaults of the others, evaluated with the contexts of this moment.
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

/** Evaluates `${{ context.property }}`, which is all that the defaults use; an absent property is empty, as on GitHub. */
function evaluate(text: string, contexts: Contexts): string {
  return text.replace(/\$\{\{(.*?)\}\}/g, (_, expression: string) => {
    const path = /^\s*(\w+)\.([\w-]+)\s*$/.exec(expression)
    if (!path) throw new Error(`this test runner can't evaluate the expression ${expression}`)
    const [, context = '', property = ''] = path
    if (!(context in contexts)) throw new Error(`the context ${context} is not there for input defaults`)
    return String(contexts[context]?.[property] ?? '')
  })
}
