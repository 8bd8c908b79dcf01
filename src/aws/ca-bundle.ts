import { getCACertificates } from 'node:tls'
import { Deadline, systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../github/log.ts'
import { openRegularFile } from '../util/regular-file.ts'

/** The bundle of a whole system has a third of it. */
const MAX_BYTES = 1024 * 1024

export interface CaBundleDependencies {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds that reading may take. */
  readonly requestLimitMs: number
  readonly log: Pick<Log, 'warning'>
}

/**
 * The certificates to trust in connections to AWS: those of AWS_CA_BUNDLE, and Node's own. Undefined for Node's own alone.
 * A file that is no use is a warning: the certificate of AWS needs none.
 */
export async function trustedCertificates(dependencies: CaBundleDependencies): Promise<string[] | undefined> {
  const { env, requestLimitMs, log } = dependencies
  const path = env['AWS_CA_BUNDLE']
  if (!path) return undefined
  try {
    const bundle = await new Deadline(systemClock, requestLimitMs).within(
      requestLimitMs,
      () => readBundle(path),
      (ms) => new Error(`it could not be read within ${Math.round(ms / 1000)} s`),
    )
    return [...getCACertificates('default'), bundle]
  } catch (error) {
    log.warning(
      `AWS_CA_BUNDLE is not used: ${messageOf(error)}. It has to be the path of a file of certificates (PEM).`,
    )
    return undefined
  }
}

async function readBundle(path: string): Promise<string> {
  const file = await openRegularFile(path)
  try {
    if ((await file.stat()).size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`)
    const text = await file.readFile('utf8')
    if (!/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(text)) throw new Error('it has no certificate')
    return text
  } finally {
    await file.close()
  }
}
