import { mayPass } from '../github/api.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Deadline } from '../util/deadline.ts'

/** GitHub learns of what happened a little after the runner does. */
const ASK_AGAIN_MS = 1_000
/** Within so many looks it has learnt of nearly everything. */
const A_FEW_LOOKS = 3
/** A server that fails may be well again a second later. */
const MAX_FAILURES = 3

/** What is asked for. */
export interface Question<T> {
  readonly ask: () => Promise<T>
  /** Whether the answer has what is waited for. */
  readonly isThere: (response: T) => boolean
  /**
   * Whether it is sure to come, and the last thing to ask for: then it is asked for as long as there is time, else a few
   * times, and as long as there is time for another question.
   */
  readonly isSure?: boolean
}

/** How long it may be asked for. */
export interface AskingTime {
  readonly deadline: Deadline
  readonly signal: AbortSignal
}

/**
 * Asks GitHub, and once more a second later as long as what is waited for is not there or the server fails. A server that
 * is slow, or silent after its first answer, does not take the time for what else there is to ask.
 *
 * @returns the last answer, whether or not it has what was waited for
 * @throws the error of the last time when there was no answer at all; after an answer, `onProblem` is told it
 */
export async function askAgain<T>(
  { ask, isThere, isSure = false }: Question<T>,
  { deadline, signal }: AskingTime,
  onProblem: (message: string) => void,
): Promise<T> {
  let response: { value: T } | undefined
  let looks = 0
  let failures = 0
  let tookMs = 0
  const isTimeLeft = async (): Promise<boolean> => {
    // The next question takes as long as this one, and a log has to be downloaded as well.
    const others = response === undefined || isSure ? 0 : 2 * tookMs
    const needed = ASK_AGAIN_MS + Math.max(ASK_AGAIN_MS, tookMs + others)
    if (signal.aborted || deadline.remaining() < needed) return false
    await deadline.sleep(ASK_AGAIN_MS)
    // A machine that is busy sleeps longer.
    return !signal.aborted && deadline.remaining() >= ASK_AGAIN_MS / 2
  }
  const askInTime = (): Promise<T> =>
    deadline.within(
      deadline.remaining() / 2,
      ask,
      (ms) => new Error(`GitHub's API did not answer again within ${Math.round(ms / 1000)} s`),
    )
  const look = async (): Promise<T> => {
    const before = deadline.remaining()
    try {
      return await (response === undefined || isSure ? ask() : askInTime())
    } finally {
      tookMs = before - deadline.remaining()
    }
  }
  for (;;) {
    try {
      response = { value: await look() }
      looks += 1
      if (isThere(response.value) || (looks > A_FEW_LOOKS && !isSure)) return response.value
    } catch (error) {
      failures += 1
      const isOver = signal.aborted || !mayPass(error) || failures === MAX_FAILURES || !(await isTimeLeft())
      if (!isOver) continue
      if (response === undefined) throw error
      onProblem(errorMessage(error))
      return response.value
    }
    if (!(await isTimeLeft())) return response.value
  }
}
