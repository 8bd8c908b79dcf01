import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from '@jest/globals'

const folder = mkdtempSync(join(tmpdir(), 'certificates-'))
let files = 0

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The path of a file with this certificate, until the tests of the file that imports this end. */
export function caFile(cert: string): string {
  files += 1
  const path = join(folder, `ca-${files}.pem`)
  writeFileSync(path, cert)
  return path
}
