import { getCACertificates } from 'node:tls'
import type { Log } from '../github/log.ts'
import { errorMessage } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { openRegularFile } from '../util/open-regular-file.ts'

/** The bundle of a whole system has a third of that. */
const MAX_BYTES = 1024 * 1024

export interface CaBundleDependencies {
  /** Milliseconds to read the file. */
  readonly requestLimitMs: number
  readonly log: Pick<Log, 'warning'>
}

/**
 * The certificates to trust in connections to AWS: those of AWS_CA_BUNDLE, and Node's own. An unusable file is a warning, as the
 * certificate of AWS does not need it.
 *
 * @param path of the file
 * @returns undefined for Node's own alone
 */
export async function trustedCertificates(
  path: string,
  { requestLimitMs, log }: CaBundleDependencies,
): Promise<string[] | undefined> {
  try {
    const bundle = await new Deadline(systemClock, requestLimitMs).within(
      requestLimitMs,
      () => readBundle(path),
      (ms) => new Error(`it could not be read within ${formatSeconds(ms)}`),
    )
    return [...getCACertificates('default'), bundle]
  } catch (error) {
    log.warning(`AWS_CA_BUNDLE is not used: ${errorMessage(error)}. Expected the path of a file of certificates (PEM).`)
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
