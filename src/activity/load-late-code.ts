import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'

/** Loads a chunk of the bundle (webpack, "Module Variables"). Undefined where nothing is bundled. */
declare const __webpack_chunk_load__: (chunk: string) => Promise<unknown>

/** The chunks that a process may need late, as the build knows them. Beside the bundle. */
const CHUNKS_FILE = 'late-chunks.json'

/**
 * Loads the code that may be needed late, in a process that runs while the job does its work: that may replace or remove the folder
 * of the action.
 */
export async function loadLateCode(): Promise<void> {
  const file = join(dirname(fileURLToPath(import.meta.url)), CHUNKS_FILE)
  // Where nothing is bundled, there are none.
  const chunks = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as string[]) : []
  // Not by an import of the file: Node would look for it again for each import with another name.
  await Promise.all(chunks.map((chunk) => __webpack_chunk_load__(chunk)))
  // Node reads this file when it first needs it.
  if (process.env['NODE_EXTRA_CA_CERTS']) createSecureContext()
}
