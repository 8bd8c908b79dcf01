import { join } from 'node:path'
import type { Task } from '../aws/data-pipeline.ts'
import { fieldsOf } from '../polling/task-fields.ts'
import type { OutputStream } from './command-log.ts'
import { OutputFile } from './output-file.ts'
import type { S3Copy } from './s3-copy.ts'

/** Our rule: the names that AWS's Task Runner was seen to use. */
const NAMES: Readonly<Record<OutputStream, string>> = { stdout: 'StdOutput.gz', stderr: 'StdError.gz' }

/** The whole output of a task's commands, for S3. */
export class TaskLogs {
  readonly #folder: string
  readonly #target: string
  readonly #files: Readonly<Record<OutputStream, OutputFile>>

  private constructor(folder: string, target: string, files: Readonly<Record<OutputStream, OutputFile>>) {
    this.#folder = folder
    this.#target = target
    this.#files = files
  }

  /**
   * Makes the files.
   *
   * @param logUri `s3://bucket/prefix`
   */
  static async create(
    logUri: string,
    task: Task,
    folder: string,
    onProblem: (sentence: string) => void,
  ): Promise<TaskLogs> {
    const make = (stream: OutputStream): Promise<OutputFile> =>
      OutputFile.create(join(folder, NAMES[stream]), { gzip: true, onProblem })
    const [stdout, stderr] = await Promise.all([make('stdout'), make('stderr')])
    return new TaskLogs(folder, `${logUri.replace(/\/+$/, '')}/${pathOf(task)}`, { stdout, stderr })
  }

  write(stream: OutputStream, chunk: Buffer): Promise<void> | undefined {
    return this.#files[stream].write(chunk)
  }

  /** Copies both files to S3. @throws StagingError */
  async upload(s3: S3Copy): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) {
      const isWhole = await this.#files[stream].end()
      if (isWhole) await s3.copy(join(this.#folder, NAMES[stream]), `${this.#target}/${NAMES[stream]}`)
    }
  }
}

/** `<pipeline>/<component>/<instance>/<attempt>`, without what the task does not tell. */
export function pathOf(task: Task): string {
  const fields = fieldsOf(task)
  const reference = (key: string): string => {
    const value = Object.hasOwn(fields, key) ? fields[key] : undefined
    return typeof value === 'object' && 'ref' in value ? value.ref : ''
  }
  return [task.pipelineId, reference('@componentParent'), reference('@instanceParent'), task.attemptId]
    .map((part) => part.replace(/[/\\\0-\x1f]/g, '_'))
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .join('/')
}
