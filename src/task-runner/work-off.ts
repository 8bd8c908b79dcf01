import type { Task } from '../aws/data-pipeline.ts'

export interface WorkOffOptions {
  /** How many tasks at the most; 0 is no limit. */
  readonly maxTasks: number
  /** How many at a time. */
  readonly parallel: number
  /** Whether no more tasks are taken. */
  readonly isEnding: () => boolean
  /** The next task, acknowledged; undefined when there is none. One call at a time. */
  readonly next: () => Promise<Task | undefined>
  /** Does all that belongs to a task. Never fails. */
  readonly run: (task: Task) => Promise<void>
}

/**
 * Works off tasks, until there are no more or enough were taken. Waits for all that were taken.
 *
 * @throws what `next` throws, after all tasks have ended
 */
export async function workOff({ maxTasks, parallel, isEnding, next, run }: WorkOffOptions): Promise<void> {
  const running = new Set<Promise<void>>()
  try {
    for (let taken = 0; (maxTasks === 0 || taken < maxTasks) && !isEnding(); taken++) {
      const task = await next()
      if (task === undefined) break
      const work = run(task).finally(() => running.delete(work))
      running.add(work)
      if (running.size >= parallel) await Promise.race(running)
    }
  } finally {
    await Promise.all(running)
  }
}
