import type { ServerResponse } from 'node:http'

/** A response of the API before it is sent. */
export interface Response {
  status: number
  headers?: Record<string, string>
  /** Undefined: no body. */
  json?: unknown
  /** A body that is not JSON, sent as it is. */
  raw?: { type: string; text: string }
}

/** A custom response. A string body is sent as it is, anything else as JSON. */
export interface CustomFault {
  status: number
  headers?: Record<string, string>
  body?: unknown
}

/** The right response, but late. */
export interface DelayFault {
  delayMs: number
}

/** The request and response that a fault changes. */
export interface FaultContext {
  response: ServerResponse
  /** The page of GitHub's documentation that the operation's errors link to. */
  documentationUrl: string | undefined
  /** The response without the fault. */
  wellBehaved(): Promise<Response>
  send(response: Response): void
}

type Commit = (context: FaultContext) => void | Promise<void>

const error =
  (status: number, message: string): Commit =>
  ({ documentationUrl = 'https://docs.github.com/rest', send }) =>
    send({ status, json: { message, documentation_url: documentationUrl, status: String(status) } })

const page = (title: string) => `<!DOCTYPE html>
<html>
  <head><meta charset="utf-8"><title>${title}</title></head>
  <body><h1>${title}</h1></body>
</html>
`

const html =
  (status: number, title: string): Commit =>
  ({ send }) =>
    send({ status, raw: { type: 'text/html; charset=utf-8', text: page(title) } })

const json =
  (body: unknown): Commit =>
  ({ send }) =>
    send({ status: 200, json: body })

const soon = () => String(Math.floor(Date.now() / 1000) + 1800)

/** https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api */
const limits = 'https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api'

const rateLimited =
  (status: number, message: string, headers: () => Record<string, string>): Commit =>
  ({ send }) =>
    send({ status, headers: headers(), json: { message, documentation_url: limits, status: String(status) } })

/** Faults of GitHub, or of the network in between. */
export const faults = {
  /** The token is not valid, or no longer. */
  'bad-credentials': error(401, 'Bad credentials'),
  /** The token lacks a permission. */
  forbidden: error(403, 'Resource not accessible by integration'),
  /** All requests of the hour are used. */
  'rate-limited': rateLimited(403, 'API rate limit exceeded for installation ID 12345678.', () => ({
    'x-ratelimit-limit': '1000',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-used': '1000',
    'x-ratelimit-reset': soon(),
    'x-ratelimit-resource': 'core',
  })),
  /** Too many at once, with requests of the hour left. */
  'too-many-requests': rateLimited(
    429,
    'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
    () => ({ 'retry-after': '60' }),
  ),
  'not-found': error(404, 'Not Found'),
  /** The run has ended, or has not started. */
  conflict: error(409, 'Cannot cancel a workflow run that is completed.'),
  gone: error(410, 'Gone'),
  'server-error': error(500, 'Server Error'),
  /** From the load balancer in front. */
  'bad-gateway': html(502, '502 Bad Gateway'),
  unavailable: html(503, 'Unicorn! · GitHub'),
  /** A captive portal, or a proxy's page. */
  html: html(200, 'Please sign in'),
  /** Complete HTTP with truncated JSON. */
  'truncated-json': async ({ wellBehaved, send }) => {
    const text = JSON.stringify((await wellBehaved()).json ?? {})
    const half = text.slice(0, Math.ceil(text.length / 2))
    send({ status: 200, raw: { type: 'application/json; charset=utf-8', text: half } })
  },
  /** JSON with the wrong type in every place. */
  'wrong-shape': async ({ wellBehaved, send }) => send({ status: 200, json: misshapen((await wellBehaved()).json) }),
  /** `{"jobs": null}` */
  'null-jobs': json({ total_count: 1, jobs: null }),
  array: json([]),
  null: json(null),
  text: json('OK'),
  /** Announces its length, sends half, and closes the connection. */
  'cut-off': async (context) => {
    const text = await halfOf(context)
    context.response.write(text, () => context.response.socket?.end())
  },
  /** Sends half, then nothing. */
  'hang-midway': async (context) => {
    context.response.write(await halfOf(context))
  },
  /** No response. */
  hang: () => undefined,
  /** Resets the connection (ECONNRESET). */
  reset: ({ response }) => {
    response.socket?.resetAndDestroy()
  },
} satisfies Record<string, Commit>

export type FaultName = keyof typeof faults
export type Fault = FaultName | CustomFault | DelayFault

export async function commitFault(fault: FaultName | CustomFault, context: FaultContext): Promise<void> {
  if (typeof fault === 'string') {
    await faults[fault](context)
    return
  }
  const { status, headers = {}, body } = fault
  context.send({
    status,
    headers,
    ...(typeof body === 'string' ? { raw: { type: 'text/plain', text: body } } : { json: body }),
  })
}

/** Writes the head of the right response, and returns half of its body. */
async function halfOf({ wellBehaved, response }: FaultContext): Promise<string> {
  const text = JSON.stringify((await wellBehaved()).json ?? {})
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  })
  return text.slice(0, Math.floor(text.length / 2))
}

/** The same value with each text a number, each number a text, each list null, and each flag inverted. */
function misshapen(value: unknown): unknown {
  if (typeof value === 'string') return value.length
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return !value
  if (Array.isArray(value)) return value.length ? [null, ...value.map(misshapen)] : null
  if (value === null || value === undefined) return {}
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, misshapen(part)]))
}
