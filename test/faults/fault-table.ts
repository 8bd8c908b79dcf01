import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { LocalDataPipelineOptions } from '../fakes/aws/data-pipeline.ts'
import {
  bare,
  dribble,
  hang,
  html,
  internalError,
  lostReply,
  reset,
  throttle,
  truncated,
  truncatedJson,
} from '../fakes/aws/faults.ts'
import { internalFailure } from '../fakes/aws/sts.ts'
import { LocalProxy, TlsFront } from '../support/proxy.ts'
import type { FaultContext, Setting } from './fault-context.ts'

// Each row is a fault, how it is injected, and the expected outcome: the status arrives, or the step fails in time with
// the right message. Expectations are what a user needs, not what was observed.

/** What a fault affects. Activity and task-runner are whole jobs: the fault affects one part of it, and the others work. */
export const ACTIONS = [
  'root',
  'poll-for-task',
  'poll-for-task: acknowledgement',
  'activity: main',
  'activity: heartbeat',
  'activity: post',
  'task-runner: heartbeat',
  'task-runner: report',
] as const
export type Action = (typeof ACTIONS)[number]

/**
 * Whether the action achieved its purpose. Root and post: the service has the status. poll-for-task: the task was
 * acknowledged and handed on. Main: the task is held. Heartbeat: a later heartbeat arrived, and so did the status at the end.
 * Report: the service has the end of the command.
 */
export type Arrived =
  | 'yes'
  | 'yes, unacknowledged'
  | 'no'
  | 'no; FAILED by post'
  | 'no; FINISHED by post'
  | 'no, another poll gets it'
  | 'no, and nobody has it'

export interface Expectation {
  readonly arrived: Arrived
  /** The one error or warning; undefined: there must be none. */
  readonly message?: RegExp
  /** It always takes long, and is omitted in the short version. */
  readonly isLong?: true
}

export interface FaultRow {
  readonly fault: string
  /** Injects it before the action starts (heartbeats: after the start). */
  readonly provoke: (context: FaultContext) => Setting | Promise<Setting>
  readonly expected: Partial<Record<Action, Expectation>>
  /** The credentials of the action. Default: lasting keys. */
  readonly credentials?: 'lasting' | 'temporary' | 'role'
  readonly service?: LocalDataPipelineOptions
  /** The input wait-seconds of poll-for-task; default 0. */
  readonly waitSeconds?: number
  /** The action reaches the service through a gate that can be closed. */
  readonly isBehindGate?: true
  /** It is permanent, so the step has to end within the input timeout-seconds. */
  readonly isEndless?: true
  readonly needsDisk?: true
  /** Problems: the fault did not have its effect, or the outcome is not the one that the action reported. */
  readonly proof?: (context: FaultContext) => string[]
}

const ARRIVES: Expectation = { arrived: 'yes' }

const arrivesWith = (message: RegExp): Expectation => ({ arrived: 'yes', message })

/** One error with this message. The outcome for the task depends on the action. */
function fails(message: RegExp, ...actions: Action[]): FaultRow['expected'] {
  const ends: Readonly<Record<Action, Arrived>> = {
    root: 'no',
    'poll-for-task': 'no, another poll gets it',
    'poll-for-task: acknowledgement': 'no, another poll gets it',
    'activity: main': 'no; FAILED by post',
    'activity: heartbeat': 'no',
    'activity: post': 'no',
    'task-runner: heartbeat': 'no',
    'task-runner: report': 'no; FINISHED by post',
  }
  return Object.fromEntries(actions.map((action) => [action, { arrived: ends[action], message }]))
}

const EVERYWHERE: FaultRow['expected'] = Object.fromEntries(ACTIONS.map((action) => [action, ARRIVES]))

const without = (...actions: Action[]): FaultRow['expected'] =>
  Object.fromEntries(Object.entries(EVERYWHERE).filter(([action]) => !actions.includes(action as Action)))

/** The steps that make calls themselves, with their own environment. For post, the heartbeat process calls. */
const CALLERS = ['root', 'poll-for-task', 'activity: main'] as const

/** What reports the end of a task, and has a post step that reports it if it could not. */
const REPORT = 'task-runner: report'

/** It can't start: no task is taken. */
const takesNone = (message: RegExp): FaultRow['expected'] => ({
  [REPORT]: { arrived: 'no, another poll gets it', message },
})

/** A fault of every call. The first one of task-runner is a poll. */
const everyCaller = (message: RegExp): FaultRow['expected'] => ({
  ...fails(message, ...CALLERS),
  ...takesNone(message),
})

/** The calls of a process that has made others before, which tell it the time of the service. */
const LATER_CALLS = [
  'poll-for-task: acknowledgement',
  'activity: heartbeat',
  'activity: post',
  'task-runner: heartbeat',
  REPORT,
] as const

const LIKELY = arrivesWith(/Most likely the report succeeded/)

/** A poll whose response is lost has taken the task. Two minutes later (here five seconds) the next poll gets it. */
const LOST_POLL = { service: { acknowledgeWithinMs: 5_000 }, waitSeconds: 60 } as const

const SHIFT_MS = 20 * 60_000

export const FAULTS: readonly FaultRow[] = [
  {
    fault: 'throttling for a while',
    provoke: withFault((context) => context.outage(throttle())),
    expected: EVERYWHERE,
  },
  {
    fault: 'throttling permanently',
    provoke: withFault((context) => context.always(throttle())),
    isEndless: true,
    expected: fails(
      /gave up after \d+ attempts.*ThrottlingException: Rate exceeded.*timeout-seconds/,
      ...CALLERS,
      REPORT,
    ),
  },
  {
    fault: 'status 500 for a while',
    provoke: withFault((context) => context.outage(internalError())),
    expected: EVERYWHERE,
  },
  {
    fault: 'status 503 without a body, permanently',
    provoke: withFault((context) => context.always(bare(503))),
    isEndless: true,
    expected: fails(/gave up after \d+ attempts.*status 503.*HTTPS_PROXY/, ...CALLERS, REPORT),
  },
  {
    fault: 'connection refused for a while',
    provoke: withFault((context) => context.nobodyListens()),
    isBehindGate: true,
    expected: without('poll-for-task: acknowledgement'),
  },
  {
    fault: 'connection reset before the request is read, for a while',
    provoke: withFault((context) => context.outage(reset('before reading'))),
    expected: EVERYWHERE,
  },
  {
    fault: 'connection reset after the request was read, for a while',
    provoke: withFault((context) => context.outage(reset('after reading'))),
    expected: EVERYWHERE,
  },
  {
    fault: 'reply lost after it took effect',
    provoke: withFault((context) => context.next(lostReply())),
    ...LOST_POLL,
    expected: { ...EVERYWHERE, root: LIKELY, 'activity: post': LIKELY, [REPORT]: LIKELY },
  },
  {
    fault: 'reply cut short',
    provoke: withFault((context) => context.next(truncated())),
    ...LOST_POLL,
    expected: { ...EVERYWHERE, root: LIKELY, 'activity: post': LIKELY, [REPORT]: LIKELY },
  },
  {
    fault: 'reply with half of its JSON',
    provoke: withFault((context) => context.next(truncatedJson())),
    ...LOST_POLL,
    expected: { ...EVERYWHERE, root: LIKELY, 'activity: post': LIKELY, [REPORT]: LIKELY },
  },
  {
    fault: 'HTML with status 200 for a while',
    provoke: withFault((context) => context.outage(html(200))),
    expected: EVERYWHERE,
  },
  {
    fault: 'reply of a byte a second',
    provoke: withFault((context) => context.outage(dribble(1_000))),
    expected: {
      ...EVERYWHERE,
      // Thousands of bytes would take longer than the service may hold a poll. The task returns to the queue.
      'poll-for-task': { arrived: 'no, another poll gets it', message: /no response within 110 s/, isLong: true },
    },
  },
  {
    fault: 'silence for a while',
    provoke: withFault((context) => context.outage(hang())),
    expected: {
      ...EVERYWHERE,
      'poll-for-task': { arrived: 'no, another poll gets it', message: /no response within 110 s/, isLong: true },
    },
  },
  {
    fault: 'silence permanently',
    provoke: withFault((context) => context.always(hang())),
    isEndless: true,
    expected: {
      ...fails(
        /gave up after \d+ attempts.*no response within .*timeout-seconds/,
        'root',
        'activity: main',
        'activity: post',
        REPORT,
      ),
      // A task that may have been acknowledged is handed on, as otherwise no job would hold it.
      'poll-for-task: acknowledgement': {
        arrived: 'yes, unacknowledged',
        message: /handed on, though its acknowledgement got no response/,
        isLong: true,
      },
    },
  },
  {
    fault: 'DNS failure',
    provoke: () => ({
      env: { AWS_ENDPOINT_URL_DATA_PIPELINE: 'https://datapipeline.invalid', NODE_OPTIONS: importing('no-names.mjs') },
    }),
    isEndless: true,
    expected: everyCaller(/getaddrinfo ENOTFOUND datapipeline\.invalid.*Check the network/),
  },
  {
    fault: 'TLS with a certificate of an unknown CA',
    provoke: async (context) => {
      const front = context.use(await TlsFront.start(context.service.url))
      return { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: front.url } }
    },
    expected: everyCaller(/certificate.*NODE_EXTRA_CA_CERTS/),
  },
  {
    fault: 'a proxy that refuses CONNECT',
    provoke: async (context) => {
      const proxy = context.use(await LocalProxy.start({ status: 403, page: 'no' }))
      return { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: 'https://datapipeline.invalid', HTTPS_PROXY: proxy.url } }
    },
    isEndless: true,
    expected: everyCaller(/403.*HTTPS_PROXY/),
  },
  {
    fault: 'clock 20 minutes fast',
    provoke: () => clockOffBy(SHIFT_MS),
    proof: (context) => clockWasCorrected(context, SHIFT_MS),
    expected: without(...LATER_CALLS),
  },
  {
    fault: 'clock 20 minutes slow',
    provoke: () => clockOffBy(-SHIFT_MS),
    proof: (context) => clockWasCorrected(context, -SHIFT_MS),
    expected: without(...LATER_CALLS),
  },
  {
    fault: 'clock 20 minutes fast, and sessions of a role that last 15 minutes',
    provoke: () => clockOffBy(SHIFT_MS),
    proof: (context) => clockWasCorrected(context, SHIFT_MS),
    credentials: 'role',
    expected: without(...LATER_CALLS),
  },
  {
    fault: 'credentials of the environment expire between two attempts',
    provoke: withFault((context) => {
      context.next(throttle())
      context.whenAsked(() => context.expireCredentials())
    }),
    credentials: 'temporary',
    expected: {
      ...fails(/ExpiredTokenException.*role-to-assume/, ...ACTIONS),
      // The post step has the same credentials.
      'activity: main': { arrived: 'no', message: /ExpiredTokenException.*role-to-assume/ },
      [REPORT]: { arrived: 'no', message: /ExpiredTokenException.*role-to-assume/ },
    },
  },
  {
    fault: 'a session of a role ends between two attempts',
    provoke: withFault((context) => {
      context.next(throttle())
      context.whenAsked(() => context.expireCredentials())
    }),
    credentials: 'role',
    expected: EVERYWHERE,
  },
  {
    fault: 'STS fails once',
    provoke: withFault((context) => {
      context.expireCredentials()
      context.sts.injectFault(internalFailure())
    }),
    proof: (context) => (context.sts.requests.length > 1 ? [] : ['STS was not asked again']),
    credentials: 'role',
    expected: without('poll-for-task: acknowledgement'),
  },
  {
    fault: "GitHub's token service fails once",
    provoke: withFault((context) => {
      context.expireCredentials()
      context.oidc.injectFault(bare(500))
    }),
    proof: (context) => (context.oidc.requests.length > 1 ? [] : ['no other token was asked for']),
    credentials: 'role',
    expected: without('poll-for-task: acknowledgement'),
  },
  ...(['SIGINT', 'SIGTERM'] as const).flatMap((signal): FaultRow[] => [
    {
      fault: `${signal} while one attempt has no answer`,
      provoke: (context) => {
        context.next(hang())
        return context.signal(signal)
      },
      proof: wasSignalled,
      expected: {
        root: ARRIVES,
        // No job would continue the task.
        'poll-for-task': { arrived: 'no, another poll gets it', message: /Could not poll worker group "ci"/ },
        'poll-for-task: acknowledgement': ARRIVES,
        'activity: main': ARRIVES,
        'activity: post': ARRIVES,
        [REPORT]: ARRIVES,
      },
    },
    {
      fault: `${signal} while no attempt gets an answer`,
      provoke: (context) => {
        context.always(hang())
        return context.signal(signal)
      },
      proof: wasSignalled,
      // For post, the heartbeat process continues: a scenario tests that.
      expected: fails(/no response within/, 'root', 'activity: main', REPORT),
    },
  ]),
  {
    fault: 'GITHUB_OUTPUT on a full disk',
    provoke: () => ({ env: { GITHUB_OUTPUT: '/dev/full' } }),
    expected: unwritableOutputs(/[Cc]ould not write the outputs: ENOSPC/),
  },
  {
    fault: 'GITHUB_OUTPUT is a folder',
    provoke: (context) => ({ env: { GITHUB_OUTPUT: context.folder() } }),
    expected: unwritableOutputs(/[Cc]ould not write the outputs: EISDIR/),
  },
  {
    fault: 'GITHUB_STEP_SUMMARY on a full disk',
    provoke: () => ({ env: { GITHUB_STEP_SUMMARY: '/dev/full' } }),
    expected: summaries(/Could not write the summary: ENOSPC/),
  },
  {
    fault: 'GITHUB_STEP_SUMMARY is a folder',
    provoke: (context) => ({ env: { GITHUB_STEP_SUMMARY: context.folder() } }),
    expected: summaries(/Could not write the summary: EISDIR/),
  },
  {
    fault: 'GITHUB_STATE on a full disk',
    provoke: () => ({ env: { GITHUB_STATE: '/dev/full' } }),
    // The post step then has no state, but its own inputs.
    expected: {
      ...fails(/Could not hold task .*ENOSPC/, 'activity: main'),
      ...takesNone(/Could not save the state for the post step.*ENOSPC/),
    },
  },
  {
    fault: "RUNNER_TEMP that can't be created",
    provoke: (context) => {
      const file = join(context.folder(), 'file')
      writeFileSync(file, '')
      return { env: { RUNNER_TEMP: join(file, 'temp') } }
    },
    expected: {
      root: ARRIVES,
      'poll-for-task': ARRIVES,
      ...fails(/ENOTDIR/, 'activity: main'),
      ...takesNone(/Could not save the state for the post step.*ENOTDIR/),
    },
  },
  {
    fault: 'RUNNER_TEMP on a full disk',
    provoke: (context) => {
      context.disk.fill()
      return {}
    },
    needsDisk: true,
    expected: {
      root: ARRIVES,
      'poll-for-task': ARRIVES,
      ...fails(/Could not write the files of the heartbeat process.*ENOSPC/, 'activity: main'),
      // Post gets the results of the heartbeats from the process.
      'activity: heartbeat': ARRIVES,
      'activity: post': ARRIVES,
      'task-runner: heartbeat': arrivesWith(/Could not save the open tasks.*ENOSPC/),
      ...takesNone(/Could not save the state for the post step.*ENOSPC/),
    },
  },
]

/** A fault of the services, without a setting of the step. */
function withFault(strike: (context: FaultContext) => unknown): FaultRow['provoke'] {
  return async (context) => {
    await strike(context)
    return {}
  }
}

function clockOffBy(ms: number): Setting {
  return { env: { NODE_OPTIONS: importing('shifted-clock.mjs'), CLOCK_SHIFT_MS: String(ms) } }
}

/** The Node option that loads a module of this folder first. */
function importing(module: string): string {
  return `--import=${pathToFileURL(join(fileURLToPath(new URL('.', import.meta.url)), module))}`
}

/** The first request of the action was signed with the wrong time and refused; a later one with the right time was not. */
function clockWasCorrected({ service, operation }: FaultContext, shiftMs: number): string[] {
  const requests = service.requestsFor(operation).map(({ headers, at, response }) => {
    const signedAt = String(headers['x-amz-date']).replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')
    return { offMs: Date.parse(signedAt) - at, refused: response?.error === 'InvalidSignatureException' }
  })
  const isAbout = (ms: number, expected: number): boolean => Math.abs(ms - expected) < 60_000
  const wrong = requests.filter(({ offMs, refused }) => refused && isAbout(offMs, shiftMs))
  const right = requests.filter(({ offMs, refused }) => !refused && isAbout(offMs, 0))
  return wrong.length === 1 && right.length > 0
    ? []
    : [`the clock was not off, or not corrected: ${JSON.stringify(requests)}`]
}

function wasSignalled({ signalled }: FaultContext): string[] {
  return signalled === undefined ? ['the signal was not sent'] : []
}

/** Without outputs a report is still made. A taken task without outputs would block its pipeline. */
function unwritableOutputs(message: RegExp): FaultRow['expected'] {
  return {
    root: arrivesWith(message),
    // It checks the outputs before it takes a task.
    'poll-for-task': {
      arrived: 'no, another poll gets it',
      message: new RegExp(`${message.source}.*No task was taken`),
    },
    'activity: main': arrivesWith(message),
    'activity: post': arrivesWith(message),
    [REPORT]: arrivesWith(message),
  }
}

function summaries(message: RegExp): FaultRow['expected'] {
  const arrives = arrivesWith(message)
  return { root: arrives, 'poll-for-task': arrives, 'activity: post': arrives, [REPORT]: arrives }
}
