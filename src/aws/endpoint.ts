import { quoteValue } from '../masking/format.ts'
import { isPrivate, withoutUser } from '../util/address.ts'
import { ConfigurationError } from '../util/errors.ts'

const ENDPOINT_HINT =
  'Use an https:// address in AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the profile. Plain http is for this machine (127.0.0.1, localhost) only.'

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
 * The origin, unless it is the one that AWS documents for the region. The documented ones are neither for FIPS nor for IPv6.
 *
 * @returns undefined for the documented one
 */
export function unusualOrigin(origin: string, region: string): string | undefined {
  const { hostname } = new URL(origin)
  return AWS_DOMAINS.some((domain) => hostname === `datapipeline.${region}.${domain}`) ? undefined : origin
}

/** The environment variables that configure endpoints of the SDK. */
export const CONFIGURED_ENDPOINT_VARIABLES = [
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_DATA_PIPELINE',
  'AWS_ENDPOINT_URL_STS',
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_USE_FIPS_ENDPOINT',
] as const

/**
 * Checks the variable that configures the endpoint, as in every AWS SDK: that of the service, or else that of all services.
 *
 * @throws ConfigurationError naming the variable that has no http or https address
 */
export function checkEndpointVariable(env: Readonly<Record<string, string | undefined>>): void {
  const name = env['AWS_ENDPOINT_URL_DATA_PIPELINE'] ? 'AWS_ENDPOINT_URL_DATA_PIPELINE' : 'AWS_ENDPOINT_URL'
  const value = env[name]
  if (!value || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))) return
  const visible = quoteValue(withoutUser(value))
  throw new ConfigurationError(`Invalid value ${visible} for ${name}. Expected an address of a service.`, {
    hint: ENDPOINT_HINT,
  })
}

/**
 * Checks where a request goes, wherever its endpoint comes from.
 *
 * @throws ConfigurationError for another protocol than https, unless it is http to this machine
 */
export function checkEndpoint({ protocol, hostname }: { protocol: string; hostname: string }): void {
  if (isPrivate({ protocol, hostname })) return
  const why = protocol === 'http:' ? 'is plain http, which reveals the session token' : 'is not https'
  throw new ConfigurationError(`The endpoint ${protocol}//${hostname} ${why}.`, { hint: ENDPOINT_HINT })
}
