import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The Node that actions run with (`runs.using: node24`), whatever Node runs the tests: this one, or npm's package. */
export function node24(): string {
  if (process.versions.node.startsWith('24.')) return process.execPath
  try {
    const binary = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`)
    if (existsSync(binary)) return binary
  } catch {
    // Told below.
  }
  throw new Error(
    `The action runs on Node 24; this is Node ${process.versions.node}, and there is no npm package with Node 24 for ` +
      `${process.platform} ${process.arch} here. Install Node 24, or run npm ci on Linux.`,
  )
}
