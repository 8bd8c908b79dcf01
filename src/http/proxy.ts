import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIPv4 } from 'node:net'

type Environment = Readonly<Record<string, string | undefined>>

const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'] as const

/** The proxy variables in the form that Node accepts, and what is wrong with the others. */
export interface ProxyEnvironment {
  readonly env: Environment
  /** A sentence for each variable that is not used. */
  readonly problems: readonly string[]
}

/**
 * Makes proxy variables usable. `proxy.example:3128` means `http://proxy.example:3128`, as in other programs. A variable that is no
 * address of an HTTP proxy is omitted, as it must not prevent a report that may need no proxy. Lower case goes before upper case.
 * Requests to this machine use no proxy, which would get tokens in plain http. Go does the same.
 *
 * @param nodeVersion what runs this, as in `process.versions.node`
 */
export function proxyEnvironment(env: Environment, nodeVersion = process.versions.node): ProxyEnvironment {
  const usable: Record<string, string | undefined> = { no_proxy: exceptions(env['no_proxy'] || env['NO_PROXY']) }
  const problems: string[] = []
  for (const name of PROXY_VARIABLES) {
    const value = env[name]?.trim()
    if (!value) continue
    const address = proxyAddress(value)
    if (address !== undefined) usable[name] = address
    // Without its value, which may have a password.
    else problems.push(`${name} is not the address of an HTTP proxy (http://host:port), and is not used.`)
  }
  const names = PROXY_VARIABLES.filter((name) => usable[name] !== undefined)
  if (names.length > 0 && !knowsProxies(nodeVersion)) {
    problems.push(`Node ${nodeVersion} can't use ${names.join(', ')}, which needs 24.5. Update the runner.`)
  }
  return { env: usable, problems }
}

/** The address of an HTTP proxy in the form that Node accepts; undefined when it is none. */
function proxyAddress(value: string): string | undefined {
  // A bare % in a password, which Node can't decode.
  const encoded = value.replace(/%(?![0-9a-f]{2})/gi, '%25')
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(encoded) ? encoded : `http://${encoded}`
  try {
    const { protocol, username, password } = new URL(address)
    decodeURIComponent(username + password)
    return protocol === 'http:' || protocol === 'https:' ? address : undefined
  } catch {
    return undefined
  }
}

const THIS_MACHINE = ['localhost', '127.0.0.0-127.255.255.255', '::1', '[::1]']

/**
 * NO_PROXY in the form that Node accepts, with this machine. For Node, `example.com` is that host only. For curl, and GitHub's own
 * actions, it includes every host below it. Node accepts only commas between entries, IPv6 addresses without brackets, and ranges
 * of addresses by their ends, not as 10.0.0.0/8.
 */
function exceptions(value = ''): string {
  const entries = value
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map((entry) => rangeOf(entry) ?? entry.replace(/^\[(.*)\]$/, '$1'))
    .flatMap((entry) => (/^[*.]/.test(entry) ? [entry] : [entry, `.${entry}`]))
  return [...entries, ...THIS_MACHINE].join(',')
}

/** The first and the last IPv4 address of a range in CIDR notation; undefined for anything else. */
function rangeOf(entry: string): string | undefined {
  const [address = '', bits = '', ...others] = entry.split('/')
  if (!isIPv4(address) || !/^([0-9]|[12][0-9]|3[0-2])$/.test(bits) || others.length > 0) return undefined
  const size = 2 ** (32 - Number(bits))
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const first = number - (number % size)
  return `${toAddress(first)}-${toAddress(first + size - 1)}`
}

function toAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}

/** Whether a proxy is used, and NO_PROXY has ranges in CIDR notation, which people expect to apply to names as well. */
export function hasRangesInNoProxy(env: Environment): boolean {
  const { env: usable } = proxyEnvironment(env)
  const isProxied = PROXY_VARIABLES.some((name) => usable[name] !== undefined)
  return isProxied && /\d\/\d/.test(env['no_proxy'] || env['NO_PROXY'] || '')
}

function knowsProxies(nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 5)
}

/**
 * Agents for Node's HTTP clients with HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in upper or lower case: Node supports it since 24.5.
 * Sockets are not kept alive, which would only delay the end of the process.
 *
 * @param ca the certificates to trust, in PEM; default Node's own
 */
export function proxyAgents(env: Environment, ca?: readonly string[]): { http: HttpAgent; https: HttpsAgent } {
  const options = { keepAlive: false, proxyEnv: proxyEnvironment(env).env }
  return { http: new HttpAgent(options), https: new HttpsAgent({ ...options, ...(ca && { ca: [...ca] }) }) }
}
