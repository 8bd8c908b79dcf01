import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Shell } from '../inputs/task-runner.ts'
import type { TaskScript } from './definition.ts'
import type { S3Copy } from './s3-copy.ts'

/** A program and its arguments. */
export type CommandLine = readonly [file: string, ...args: string[]]

interface ShellRules {
  readonly extension: string
  readonly around: (script: string) => string
  readonly commandLine: (file: string) => CommandLine
}

/** As the runner writes and starts the scripts of `run:` steps (GitHub, "Workflow syntax", `jobs.<job_id>.steps[*].shell`). */
const SHELL_RULES: Readonly<Record<Shell, ShellRules>> = {
  bash: {
    extension: 'sh',
    around: (script) => script,
    commandLine: (file) => ['bash', '--noprofile', '--norc', '-eo', 'pipefail', file],
  },
  sh: { extension: 'sh', around: (script) => script, commandLine: (file) => ['sh', '-e', file] },
  pwsh: {
    extension: 'ps1',
    around: (script) =>
      `$ErrorActionPreference = 'stop'\n${script}\n` +
      'if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }',
    commandLine: (file) => ['pwsh', '-command', `. '${file.replaceAll("'", "''")}'`],
  },
  python: { extension: 'py', around: (script) => script, commandLine: (file) => ['python', file] },
}

/**
 * Writes or fetches the script of a task.
 *
 * @param folder of the task
 * @throws StagingError when it can't be fetched
 */
export async function prepareScript(script: TaskScript, folder: string, s3: S3Copy): Promise<CommandLine> {
  if (script.kind === 'workflow') {
    const { extension, around, commandLine } = SHELL_RULES[script.shell]
    const file = join(folder, `script.${extension}`)
    writeFileSync(file, `${around(script.text)}\n`, { mode: 0o700 })
    return commandLine(file)
  }
  const file = join(folder, 'script.sh')
  if (script.kind === 'uri') await s3.copy(script.uri, file)
  else writeFileSync(file, `${script.text}\n`, { mode: 0o700 })
  return ['bash', file, ...script.args]
}
