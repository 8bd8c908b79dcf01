import { quoteValue } from '../masking/format.ts'
import { isPrivate, withoutUser } from '../util/address.ts'
import { ConfigurationError } from '../util/errors.ts'

const ENDPOINT_HINT =
  'Use an https:// address in AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the profile; plain http is for this machine (127.0.0.1, localhost) only.'

/** The domains of AWS's partitions, as the SDK has them. */
const AWS_DOMAINS = [
  'amazonaws.com',
  'amazonaws.com.cn',
  'amazonaws.eu',
  'c2s.ic.gov',
  'cloud.adc-e.uk',
  'csp.hci.ic.gov',
  'sc2s.sgov.gov',
]

/**
 * An origin, as messages name it, when it is not the one that AWS documents for the region; undefined when it is. The
 * documented ones are neither for FIPS nor for IPv6.
 */
export function unusualOrigin(origin: string, region: string): string | undefined {
  const { hostname } = new URL(origin)
  return AWS_DOMAINS.some((domain) => hostname === `datapipeline.${region}.${domain}`) ? undefined : origin
}

/** The variables by which the SDK is told to call services elsewhere. */
export const CONFIGURED_ENDPOINT_VARIABLES = [
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_DATA_PIPELINE',
  'AWS_ENDPOINT_URL_STS',
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_USE_FIPS_ENDPOINT',
] as const

/**
 * Checks the variable that moves the service elsewhere, as in every AWS SDK: that of the service, else that of all.
 *
 * @throws ConfigurationError naming the variable that has no http or https address
 */
export function checkEndpointVariable(env: Readonly<Record<string, string | undefined>>): void {
  const name = env['AWS_ENDPOINT_URL_DATA_PIPELINE'] ? 'AWS_ENDPOINT_URL_DATA_PIPELINE' : 'AWS_ENDPOINT_URL'
  const value = env[name]
  if (!value || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))) return
  const visible = quoteValue(withoutUser(value))
  throw new ConfigurationError(`${name} is ${visible}, which is no address of a service.`, { hint: ENDPOINT_HINT })
}

/**
 * Checks where a request goes, wherever its endpoint came from.
 *
 * @throws ConfigurationError for another protocol than https, unless it stays on this machine
 */
export function checkEndpoint({ protocol, hostname }: { protocol: string; hostname: string }): void {
  if (isPrivate({ protocol, hostname })) return
  const why =
    protocol === 'http:' ? 'is plain http, which would show the session token to everyone on the way' : 'is not https'
  throw new ConfigurationError(`The endpoint ${protocol}//${hostname} ${why}.`, { hint: ENDPOINT_HINT })
}
